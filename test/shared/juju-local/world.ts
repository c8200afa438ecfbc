import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { ModelLog } from '../../../shared/juju-local/src/agent/log.ts';
import { Scheduler } from '../../../shared/juju-local/src/agent/scheduler.ts';
import { newTask, type Task } from '../../../shared/juju-local/src/agent/task.ts';
import { CharmStore } from '../../../shared/juju-local/src/charm/archive.ts';
import type { CharmInfo } from '../../../shared/juju-local/src/charm/info.ts';
import type { Daemon } from '../../../shared/juju-local/src/daemon/verb.ts';
import {
  MachineDown,
  type MachineInfo,
  type Machines,
  type RunOptions,
  type RunResult,
} from '../../../shared/juju-local/src/machines/machines.ts';
import type { Unit } from '../../../shared/juju-local/src/model/documents.ts';
import { Model } from '../../../shared/juju-local/src/model/model.ts';
import { Store } from '../../../shared/juju-local/src/model/store.ts';

/** What a hook tool said. */
export interface Said {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One run of a charm, as the charm sees it. */
export interface Run {
  /** `db-relation-changed`; of an action `actions/backup`; of a command `exec`. */
  readonly name: string;
  readonly unit: string;
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  /** Runs a hook tool, the real one, and gives what it printed. */
  readonly tool: (name: string, ...args: readonly string[]) => Promise<string>;
  /** As `tool`, whatever its exit code is. */
  readonly call: (name: string, ...args: readonly string[]) => Promise<Said>;
}

/** What a charm does: its exit code, or the signal that ends it. */
export type Charm = (run: Run) => Promise<number | NodeJS.Signals | void>;

type Endpoints = Readonly<
  Record<string, string | { interface: string; scope?: 'container'; limit?: number }>
>;

/** A charm's metadata, from the little that a test says of it. */
export function charmInfo(
  name: string,
  {
    provides = {},
    requires = {},
    peers = {},
    subordinate = false,
    options = {},
    actions = {},
    digest = name,
  }: {
    readonly provides?: Endpoints;
    readonly requires?: Endpoints;
    readonly peers?: Endpoints;
    readonly subordinate?: boolean;
    readonly options?: CharmInfo['options'];
    readonly actions?: CharmInfo['actions'];
    readonly digest?: string;
  } = {},
): CharmInfo {
  const whole = (endpoints: Endpoints) =>
    Object.fromEntries(
      Object.entries(endpoints).map(([key, value]) => {
        const {
          interface: contract,
          scope = 'global',
          limit = 0,
        } = typeof value === 'string' ? { interface: value } : value;
        return [key, { interface: contract, scope, limit }] as const;
      }),
    );
  return {
    digest,
    revision: 0,
    version: '',
    metadata: {
      name,
      summary: name,
      description: name,
      subordinate,
      provides: whole(provides),
      requires: whole(requires),
      peers: whole(peers),
    },
    options,
    actions,
    bases: [{ name: 'ubuntu', channel: '24.04' }],
  };
}

/** Machines that are folders of this one; what runs on them is a function of the test. */
class FakeMachines implements Machines {
  readonly #world: World;
  readonly #running = new Set<string>();
  readonly removed: string[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  async prepare(): Promise<void> {}
  async start(id: string): Promise<MachineInfo> {
    mkdirSync(this.jujuDirectory(id), { recursive: true });
    this.#running.add(id);
    return this.#info(id);
  }
  async stop(id: string): Promise<void> {
    this.#running.delete(id);
  }
  async remove(id: string): Promise<void> {
    this.#running.delete(id);
    this.removed.push(id);
  }
  subnet(): Promise<string> {
    return Promise.resolve('10.0.0.0/24');
  }
  list(): Promise<MachineInfo[]> {
    return Promise.resolve([...this.#running].map((id) => this.#info(id)));
  }
  async killRuns(): Promise<void> {}
  attach(): Promise<number> {
    return Promise.resolve(0);
  }
  missing(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
  async destroy(): Promise<void> {
    this.#running.clear();
  }
  jujuDirectory(id: string): string {
    return join(this.#world.folder, 'machines', id);
  }

  async run(id: string, argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
    if (!this.#running.has(id)) throw new MachineDown(`machine ${id} is not running`);
    return this.#world.runCharm(this.jujuDirectory(id), argv, options);
  }

  #info(id: string): MachineInfo {
    return { id, hostname: `machine-${id}`, address: `10.0.0.${10 + Number(id)}`, state: 'running' };
  }
}

/** A model whose machines are pretended, and whose clock stands still until the test moves it. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'jl-'));
  /** `db/0 server-relation-changed 1 web web/0`, with `departing=` behind it where there is one. */
  readonly trace: string[] = [];
  readonly charms = new Map<string, Charm>();
  readonly machines = new FakeMachines(this);
  readonly log: ModelLog;
  time = Date.parse('2026-01-01T00:00:00Z');
  /** From 0 to 1. Always the same, so that what Juju has in no order comes in the order of the model. */
  random: () => number = () => 0.5;
  model: Model;
  scheduler: Scheduler;
  #store: Store;
  #running = 0;

  /** @param juju which Juju the model is like */
  constructor(juju: 3 | 4 = 3) {
    this.log = new ModelLog(join(this.folder, 'log'));
    this.#store = new Store(join(this.folder, 'model.sqlite'));
    this.model = new Model('test', this.#store, juju);
    this.scheduler = this.#newScheduler();
  }

  #newScheduler(): Scheduler {
    return new Scheduler({
      model: this.model,
      machines: this.machines,
      charms: new CharmStore(join(this.folder, 'charms')),
      log: this.log,
      random: () => this.random(),
      clock: () => this.time,
    });
  }

  get daemon(): Daemon {
    return {
      model: this.model,
      scheduler: this.scheduler,
      machines: this.machines,
      charms: new CharmStore(join(this.folder, 'charms')),
      log: this.log,
      base: { name: 'ubuntu', channel: '24.04' },
    };
  }

  /** Adds an application with units on machines of their own; `charm` says what its hooks do. */
  async add(info: CharmInfo, units = 1, charm: Charm = async () => undefined, name = info.metadata.name) {
    mkdirSync(join(this.folder, 'charms', info.digest), { recursive: true });
    writeFileSync(join(this.folder, 'charms', info.digest, 'dispatch'), '');
    this.charms.set(name, charm);
    this.model.addApplication(name, info, {});
    for (let count = 0; count < units; count += 1) this.model.addUnit(name, this.model.addMachine());
  }

  async start(): Promise<void> {
    await this.scheduler.start();
  }

  /** Adds and runs everything until no unit has anything to do; the trace since the last time. */
  async settle(): Promise<string[]> {
    this.scheduler.wake();
    const end = Date.now() + 60_000;
    const isBusy = () =>
      this.#running > 0 ||
      [...this.model.machines.values()].some(({ state }) => state === 'pending') ||
      [...this.model.units.values()].some(
        (unit) => this.model.machineOf(unit).state === 'started' && !this.scheduler.isIdle(unit),
      );
    do {
      await sleep(2);
      if (Date.now() > end) throw new Error(`never idle: ${this.trace.slice(-5).join('; ')}`);
    } while (isBusy());
    await this.scheduler.settled();
    return this.trace.splice(0);
  }

  /** Moves the clock, and lets happen what is due. */
  async pass(milliseconds: number): Promise<string[]> {
    this.time += milliseconds;
    return this.settle();
  }

  unit(name: string): Unit {
    return this.model.unit(name);
  }

  /** Runs something in a unit's context, as `juju exec` does. */
  async inside(unit: string, work: Charm): Promise<Task> {
    const app = unit.split('/')[0] ?? '';
    const usual = this.charms.get(app);
    this.charms.set(app, (run) => (run.name === 'exec' ? work(run) : (usual?.(run) ?? Promise.resolve())));
    const task = newTask(this.model, this.unit(unit), { kind: 'exec', task: '' }, { argv: ['true'] });
    this.scheduler.addTask(task);
    await task.finished;
    if (usual) this.charms.set(app, usual);
    return task;
  }

  async runAction(unit: string, name: string, params: Readonly<Record<string, unknown>> = {}): Promise<Task> {
    const task = newTask(this.model, this.unit(unit), { kind: 'action', name, task: '' }, { params });
    this.scheduler.addTask(task);
    await task.finished;
    return task;
  }

  /** What the daemon's end and a new one mean. */
  async restart(): Promise<void> {
    this.scheduler.stop();
    await this.scheduler.settled();
    this.#store.close();
    this.#store = new Store(join(this.folder, 'model.sqlite'));
    this.model = new Model('test', this.#store);
    this.scheduler = this.#newScheduler();
    await this.scheduler.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.scheduler.stop();
    await this.scheduler.settled();
    this.#store.close();
    rmSync(this.folder, { recursive: true });
  }

  async runCharm(juju: string, argv: readonly string[], options: RunOptions): Promise<RunResult> {
    const env = options.env ?? {};
    const unit = env['JUJU_UNIT_NAME'];
    if (unit === undefined && argv[0] === 'cat') return fileOf(argv.at(-1) ?? '');
    if (unit === undefined) return { exitCode: 0, signal: null, stdout: argv.join(' '), stderr: '' };
    const path = env['JUJU_DISPATCH_PATH'];
    const name = path === undefined ? 'exec' : path.replace(/^hooks\//, '');
    if (path !== undefined) this.trace.push(describe(unit, name, env));
    const call = async (tool: string, ...args: readonly string[]): Promise<Said> => {
      const program = join(juju, 'tools', `unit-${unit.replace('/', '-')}`, tool);
      const {
        exitCode = -1,
        stdout,
        stderr,
      } = await execa(program, args, {
        env: { ...env, PATH: process.env['PATH'], JUJU_AGENT_SOCKET_ADDRESS: join(juju, 'agent.socket') },
        extendEnv: false,
        reject: false,
        stripFinalNewline: false,
        stdin: 'ignore',
      });
      return { exitCode, stdout, stderr };
    };
    const tool = async (toolName: string, ...args: readonly string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await call(toolName, ...args);
      if (exitCode !== 0) throw new Error(`${toolName} ${args.join(' ')}: exit ${exitCode}: ${stderr}`);
      return stdout;
    };
    const charm = this.charms.get(unit.split('/')[0] ?? '');
    this.#running += 1;
    let ended: number | NodeJS.Signals | void;
    try {
      const work = charm?.({ name, unit, env, argv, tool, call }) ?? Promise.resolve();
      const killed = new Promise<NodeJS.Signals>((resolve) => {
        options.signal?.addEventListener('abort', () => resolve('SIGKILL'));
      });
      ended = await Promise.race([work, killed]);
    } finally {
      this.#running -= 1;
    }
    const signal = typeof ended === 'string' ? ended : null;
    return {
      exitCode: typeof ended === 'number' ? ended : signal ? null : 0,
      signal,
      stdout: '',
      stderr: '',
    };
  }
}

/** What `cat` says on a machine, whose files are this one's. */
function fileOf(path: string): RunResult {
  const said = { exitCode: 0, signal: null, stdout: '', stderr: '' };
  if (existsSync(path)) return { ...said, stdout: readFileSync(path, 'utf8') };
  return { ...said, exitCode: 1, stderr: `cat: ${path}: No such file or directory\n` };
}

function describe(unit: string, name: string, env: Readonly<Record<string, string>>): string {
  const id = env['JUJU_RELATION_ID']?.split(':')[1];
  const departing = env['JUJU_DEPARTING_UNIT'];
  return [
    unit,
    name,
    id,
    env['JUJU_REMOTE_APP'],
    env['JUJU_REMOTE_UNIT'],
    departing === undefined ? undefined : `departing=${departing}`,
  ]
    .filter((word) => word !== undefined && word !== '')
    .join(' ');
}
