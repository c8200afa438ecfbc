import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { charmFolder } from '../charm/archive.ts';
import { HookToolServer } from '../hooktools/server.ts';
import { attempt, command } from '../machines/command.ts';
import type { MachineInfo, Machines, RunResult } from '../machines/machines.ts';
import type { Operation, Unit } from '../model/documents.ts';
import { now, status, type Model } from '../model/model.ts';
import { HookContext, type Task } from './context.ts';
import { charmDirectory, hookEnvironment, unitTag } from './environment.ts';
import type { ModelLog } from './log.ts';
import { afterHook, nextOperation } from './next.ts';

/** First and longest delay before a failed hook is tried again, in milliseconds. */
const RETRY = { first: 5000, most: 300_000 };
/** How long the leader may be gone before another unit leads, in milliseconds. */
const LEASE = 30_000;
/** How many machines boot at the same time. */
const MOST_BOOTING = 3;

/** Runs what the units of a model are to run, each machine one thing at a time, machines beside each other. */
export class Scheduler {
  readonly #model: Model;
  readonly #machines: Machines;
  readonly #log: ModelLog;
  readonly #random: () => number;
  readonly #servers = new Map<string, HookToolServer>();
  /** Machines on which something runs, with the way to kill it. */
  readonly #busy = new Map<string, AbortController>();
  readonly #tasks: Task[] = [];
  readonly #retryAt = new Map<string, number>();
  readonly #updatedAt = new Map<string, number>();
  readonly #booting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #prepared: Promise<void> | undefined;

  constructor(model: Model, machines: Machines, log: ModelLog, random: () => number) {
    this.#model = model;
    this.#machines = machines;
    this.#log = log;
    this.#random = random;
  }

  /** Goes on from wherever the last daemon stopped: takes running machines over, and runs interrupted hooks again. */
  async start(): Promise<void> {
    const running = new Map((await this.#machines.list()).map((info) => [info.id, info]));
    for (const machine of this.#model.machines.values()) {
      if (machine.state !== 'started') continue;
      if (running.get(machine.id)?.state === 'running') await this.#serveTools(machine.id);
      else machine.state = 'pending';
    }
    for (const unit of this.#model.units.values()) delete unit.current;
    this.#timer = setInterval(() => this.wake(), 1000);
    this.wake();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const controller of this.#busy.values()) controller.abort();
    for (const server of this.#servers.values()) server.close();
  }

  addTask(task: Task): void {
    this.#tasks.push(task);
    this.wake();
  }

  /** Whether a unit has nothing to do and has nothing due. */
  isIdle(unit: Unit): boolean {
    return unit.current === undefined && this.#next(unit) === undefined;
  }

  /** Looks for work everywhere; called whenever something may have changed. */
  wake(): void {
    this.#model.electLeaders();
    for (const machine of this.#model.machines.values()) {
      if (
        machine.state === 'pending' &&
        !this.#booting.has(machine.id) &&
        this.#booting.size < MOST_BOOTING
      ) {
        this.#booting.add(machine.id);
        void this.#boot(machine.id);
      }
    }
    for (const unit of this.#model.units.values()) this.#startWork(unit);
    this.#model.save();
  }

  /** Powers a machine off, as pulling its plug would. */
  async powerOff(id: string): Promise<void> {
    const machine = this.#model.machines.get(id);
    if (!machine) throw new Error(`machine ${id} not found`);
    Object.assign(machine, { state: 'down', message: 'powered off', since: now() });
    for (const unit of this.#unitsOn(id))
      unit.agent = status('lost', 'agent is not communicating with the server');
    this.#busy.get(id)?.abort();
    this.#servers.get(id)?.close();
    this.#servers.delete(id);
    await this.#machines.stop(id);
    setTimeout(() => this.#expireLeases(id), LEASE).unref();
    this.wake();
  }

  /** Boots a machine again; each of its units gets an extra `start`, as after every reboot. */
  powerOn(id: string): void {
    const machine = this.#model.machines.get(id);
    if (!machine) throw new Error(`machine ${id} not found`);
    Object.assign(machine, { state: 'pending', message: 'starting', since: now() });
    for (const unit of this.#unitsOn(id)) unit.started = false;
    this.wake();
  }

  /** Tries a failed hook again at once, or goes on as if it had succeeded. */
  resolve(unit: Unit, noRetry: boolean): void {
    this.#retryAt.set(unit.name, 0);
    const operation = unit.failed?.operation;
    if (!noRetry || operation?.kind !== 'hook') return;
    delete unit.failed;
    if (operation.name === 'config-changed') unit.configSeen = this.#model.configDigest(unit);
    afterHook(this.#model, unit, operation);
  }

  /** Removes a unit without running anything on it, for a machine that is gone. */
  async forceRemove(unit: Unit): Promise<void> {
    for (const subordinate of this.#model.subordinatesOf(unit.name)) await this.forceRemove(subordinate);
    this.#busy.get(unit.machine)?.abort();
    await this.#forget(unit);
  }

  #unitsOn(machine: string): Unit[] {
    return [...this.#model.units.values()].filter((unit) => unit.machine === machine);
  }

  #expireLeases(machine: string): void {
    if (this.#model.machines.get(machine)?.state !== 'down') return;
    for (const unit of this.#unitsOn(machine)) {
      if (!this.#model.isLeader(unit)) continue;
      const app = this.#model.application(unit.app);
      const { leader, ...others } = app;
      unit.elected = false;
      this.#model.applications.set(app.name, others);
      this.#model.electLeaders();
      const elected = this.#model.application(unit.app);
      if (elected.leader === undefined && leader !== undefined) elected.leader = leader;
    }
    this.wake();
  }

  async #boot(id: string): Promise<void> {
    const machine = this.#model.machines.get(id);
    try {
      this.#prepared ??= this.#machines.prepare((message) =>
        this.#log.write('machines', 'INFO', 'juju-local', message),
      );
      await this.#prepared;
      const info: MachineInfo = await this.#machines.start(id);
      await this.#serveTools(id);
      if (machine) {
        Object.assign(machine, {
          state: 'started',
          message: 'Running',
          since: now(),
          address: info.address,
          hostname: info.hostname,
        });
      }
      for (const unit of this.#unitsOn(id)) {
        unit.agent = status(unit.installed ? 'idle' : 'allocating');
        if (!unit.installed) unit.workload = status('waiting', 'agent initialising');
      }
    } catch (error) {
      this.#prepared = undefined;
      const message = error instanceof Error ? error.message : String(error);
      this.#log.write(`machine-${id}`, 'ERROR', 'juju-local', message);
      if (machine) Object.assign(machine, { state: 'down', message, since: now() });
    }
    this.#booting.delete(id);
    this.wake();
  }

  async #serveTools(id: string): Promise<void> {
    const server = new HookToolServer(this.#machines.jujuDirectory(id));
    await server.listen();
    this.#servers.set(id, server);
  }

  #next(unit: Unit): Operation | undefined {
    const tasks = this.#tasks
      .filter((task) => task.unit === unit.name && task.status === 'pending')
      .map(({ operation }) => operation);
    const [task] = tasks;
    if (unit.failed && !task) {
      return (this.#retryAt.get(unit.name) ?? 0) <= Date.now() ? unit.failed.operation : undefined;
    }
    const interval = seconds(this.#model.settings.config['update-status-hook-interval'] ?? '5m') * 1000;
    const isUpdateStatusDue = Date.now() - (this.#updatedAt.get(unit.name) ?? 0) > interval;
    return nextOperation(this.#model, unit, { tasks, isUpdateStatusDue }, (items) => this.#shuffle(items));
  }

  #startWork(unit: Unit): void {
    if (this.#busy.has(unit.machine) || this.#model.machines.get(unit.machine)?.state !== 'started') return;
    if (unit.life === 'dying' && !unit.installed && !unit.failed) {
      if (this.#model.subordinatesOf(unit.name).length === 0)
        this.#occupy(unit.machine, () => this.#forget(unit));
      return;
    }
    const operation = this.#next(unit);
    if (operation) this.#occupy(unit.machine, (signal) => this.#run(unit, operation, signal));
  }

  #occupy(machine: string, work: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    this.#busy.set(machine, controller);
    void work(controller.signal)
      .catch((error: unknown) => {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#log.write(`machine-${machine}`, 'ERROR', 'juju-local', message);
      })
      .finally(() => {
        this.#busy.delete(machine);
        this.wake();
      });
  }

  async #run(unit: Unit, operation: Operation, signal: AbortSignal): Promise<void> {
    const model = this.#model;
    const task = this.#tasks.find((candidate) => candidate.operation === operation);
    const context = new HookContext(unit, operation, task);
    const isHook = operation.kind === 'hook';
    const seen = model.configDigest(unit);
    if (isHook && (operation.name === 'install' || operation.name === 'upgrade-charm'))
      await this.#unpack(unit);
    const before = unit.agent;
    unit.current = operation;
    announce(unit, operation);
    if (task) Object.assign(task, { status: 'running', started: now() });
    if (isHook && operation.name === 'update-status') this.#updatedAt.set(unit.name, Date.now());
    model.save();

    const result = await this.#execute(context, signal);
    delete unit.current;
    if (model.machines.get(unit.machine)?.state !== 'started' || !model.units.has(unit.name)) {
      if (task) {
        finish(task, result, 'the machine went away');
        this.#tasks.splice(this.#tasks.indexOf(task), 1);
      }
      return;
    }
    unit.agent = status('idle');
    let problem = result.exitCode === 0 ? undefined : describe(result);
    if (problem === undefined) {
      try {
        context.flush(model);
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    if (task) {
      unit.agent = unit.failed ? before : status('idle');
      finish(task, result, problem);
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
    }
    if (!isHook) return;
    // Juju queues a hook again that was killed; only what ends by itself has failed.
    if (result.signal === 'SIGKILL' || result.signal === 'SIGTERM') return;
    if (problem !== undefined) this.#fail(unit, operation, problem);
    else await this.#succeed(unit, operation, seen);
  }

  #fail(unit: Unit, operation: Operation, problem: string): void {
    const attempts = (unit.failed?.attempts ?? 0) + 1;
    unit.failed = { operation, attempts };
    const name = operation.kind === 'hook' ? operation.name : operation.kind;
    this.#say(unit, 'ERROR', `hook "${name}" failed: ${problem}`);
    const delay = Math.min(RETRY.first * 2 ** (attempts - 1), RETRY.most);
    const isAutomatic = this.#model.settings.config['automatically-retry-hooks'] !== 'false';
    this.#retryAt.set(unit.name, isAutomatic ? Date.now() + delay : Number.POSITIVE_INFINITY);
  }

  async #succeed(unit: Unit, operation: Extract<Operation, { kind: 'hook' }>, seen: string): Promise<void> {
    delete unit.failed;
    afterHook(this.#model, unit, operation);
    if (operation.name === 'config-changed') unit.configSeen = seen;
    if (operation.name === 'upgrade-charm') delete unit.configSeen;
    if (operation.name === 'start') {
      this.#updatedAt.set(unit.name, Date.now());
      if (unit.workload.message === 'installing charm software') unit.workload = status('unknown');
    }
    if (operation.name === 'remove') await this.#forget(unit);
  }

  async #forget(unit: Unit): Promise<void> {
    this.#retryAt.delete(unit.name);
    const machine = this.#model.removeUnit(unit);
    if (machine !== undefined) {
      this.#servers.get(machine)?.close();
      this.#servers.delete(machine);
      await this.#machines.remove(machine);
    } else {
      const folder = this.#machines.jujuDirectory(unit.machine);
      await rm(join(folder, 'agents', unitTag(unit.name)), { recursive: true, force: true });
      await rm(join(folder, 'tools', unitTag(unit.name)), { recursive: true, force: true });
    }
    this.wake();
  }

  async #execute(context: HookContext, signal: AbortSignal): Promise<RunResult> {
    const { unit, operation, task } = context;
    const server = this.#servers.get(unit.machine);
    server?.open(context, {
      model: this.#model,
      readFile: async (path) => (await this.#machines.run(unit.machine, ['cat', '--', path])).stdout,
      log: (level, message) =>
        this.#log.write(unitTag(unit.name), level, `unit.${unit.name}.juju-log`, message),
      changed: () => this.#model.save(),
    });
    const directory = charmDirectory(unit.name);
    const module = `unit.${unit.name}.${operation.kind === 'exec' ? 'commands' : operation.name}`;
    const say = (level: string) => (message: string) =>
      this.#log.write(unitTag(unit.name), level, module, message);
    try {
      return await this.#machines.run(unit.machine, task?.argv ?? [`${directory}/dispatch`], {
        cwd: directory,
        env: hookEnvironment(this.#model, context),
        onStdoutLine: say('DEBUG'),
        onStderrLine: say('WARNING'),
        signal,
      });
    } catch (error) {
      return {
        exitCode: 1,
        signal: null,
        stdout: '',
        stderr: error instanceof Error ? error.message : String(error),
      };
    } finally {
      server?.shut(context);
    }
  }

  /** Lays the charm's files on the machine; files that the charm itself has made stay. */
  async #unpack(unit: Unit): Promise<void> {
    const { digest } = this.#model.application(unit.app).charm;
    if (unit.charm === digest) return;
    const tag = unitTag(unit.name);
    const target = join(this.#machines.jujuDirectory(unit.machine), 'agents', tag, 'charm');
    await mkdir(dirname(target), { recursive: true });
    if (existsSync(target)) {
      for (const name of await readdir(charmFolder(digest)))
        await rm(join(target, name), { recursive: true, force: true });
    }
    const copy = (...how: string[]) =>
      ['cp', '--recursive', ...how, `${charmFolder(digest)}/.`, target] as const;
    if (!(await attempt(copy('--link')))) await command(copy('--reflink=auto'));
    await this.#servers.get(unit.machine)?.installTools(tag);
    unit.charm = digest;
  }

  #say(unit: Unit, level: string, message: string): void {
    this.#log.write(unitTag(unit.name), level, 'juju.worker.uniter.operation', message);
  }

  #shuffle<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.#random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}

function announce(unit: Unit, operation: Operation): void {
  if (operation.kind === 'exec') unit.agent = status('executing', 'running commands');
  else if (operation.kind === 'action') unit.agent = status('executing', `running action ${operation.name}`);
  else if (operation.name !== 'update-status') {
    const about = operation.remoteUnit === undefined ? '' : ` for ${operation.remoteUnit}`;
    unit.agent = status('executing', `running ${operation.name} hook${about}`);
    if (operation.name === 'install') unit.workload = status('maintenance', 'installing charm software');
    if (operation.name === 'stop') unit.workload = status('maintenance', 'stopping charm software');
    if (operation.name === 'remove')
      unit.workload = status('maintenance', 'cleaning up prior to charm deletion');
  }
}

function finish(task: Task, result: RunResult, problem: string | undefined): void {
  task.exitCode = result.exitCode ?? 1;
  task.stdout = result.stdout;
  task.stderr = result.stderr;
  task.completed = now();
  // A message of action-fail only counts when the process succeeds.
  if (problem !== undefined) {
    task.status = 'failed';
    task.message = problem;
  } else if (task.status !== 'failed') task.status = 'completed';
  task.finish();
}

function describe({ exitCode, signal }: RunResult): string {
  return signal === null ? `exit status ${exitCode}` : `signal: ${signal}`;
}

/** `90s`, `5m`, `1h` → seconds. */
export function seconds(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text);
  return Number(match?.[1] ?? 300) * ({ s: 1, m: 60, h: 3600 }[match?.[2] ?? ''] ?? 1);
}
