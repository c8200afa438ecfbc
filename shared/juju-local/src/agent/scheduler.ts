import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CharmStore } from '../charm/archive.ts';
import { HookToolServer, type Answer } from '../hooktools/server.ts';
import { ToolError } from '../hooktools/error.ts';
import { UsageError } from '../errors.ts';
import { MachineDown, type MachineInfo, type Machines, type RunResult } from '../machines/machines.ts';
import { SharedFolder } from '../machines/shared.ts';
import type { Machine, Operation, Unit } from '../model/documents.ts';
import { status, type Model } from '../model/model.ts';
import { HookContext } from './context.ts';
import { charmDirectory, dispatchPath, hookEnvironment, unitTag } from './environment.ts';
import type { ModelLog } from './log.ts';
import { afterHook, nextOperation, type Hook } from './next.ts';
import { newTask, shellOf, type Task } from './task.ts';

/** First and longest delay before a failed hook is tried again, in milliseconds. */
const RETRY = { first: 5000, most: 300_000 };
/** Within how many milliseconds Juju 4 deletes a unit that nothing keeps. */
const EARLY = 10_000;
/** How many machines boot at the same time. */
const MOST_BOOTING = 3;

export interface SchedulerParts {
  readonly model: Model;
  readonly machines: Machines;
  readonly charms: CharmStore;
  readonly log: ModelLog;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Runs what the units of a model are to run, each machine one thing at a time, machines beside each other. */
export class Scheduler {
  readonly #model: Model;
  readonly #machines: Machines;
  readonly #charms: CharmStore;
  readonly #log: ModelLog;
  readonly #random: () => number;
  readonly #clock: () => number;
  readonly #servers = new Map<string, HookToolServer>();
  /** Machines on which something runs, with the way to kill it. */
  readonly #busy = new Map<string, AbortController>();
  readonly #booting = new Set<string>();
  /** Whatever runs now. */
  readonly #work = new Set<Promise<void>>();
  readonly #tasks: Task[] = [];
  readonly #retryAt = new Map<string, number>();
  readonly #updateAt = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #prepared: Promise<void> | undefined;

  constructor({ model, machines, charms, log, random, clock }: SchedulerParts) {
    this.#model = model;
    this.#machines = machines;
    this.#charms = charms;
    this.#log = log;
    this.#random = random;
    this.#clock = clock;
  }

  /** Goes on from wherever the last daemon stopped: takes running machines over, and runs interrupted hooks again. */
  async start(): Promise<void> {
    const running = new Map((await this.#machines.list()).map((info) => [info.id, info]));
    for (const id of running.keys()) if (!this.#model.machines.has(id)) await this.#machines.remove(id);
    for (const machine of this.#model.machines.values()) {
      if (machine.state !== 'started') continue;
      if (running.get(machine.id)?.state === 'running') {
        await this.#machines.killRuns(machine.id);
        await this.#serveTools(machine.id);
      } else this.#reboot(machine);
    }
    for (const unit of this.#model.units.values()) {
      delete unit.current;
      if (unit.agent.current === 'executing') unit.agent = status('idle');
      this.#postponeUpdateStatus(unit);
      if (unit.failed && !this.#isRetryAutomatic()) this.#retryAt.set(unit.name, Number.POSITIVE_INFINITY);
    }
    this.#timer = setInterval(() => this.wake(), 1000);
    this.wake();
  }

  /** Starts nothing more, and kills what runs. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    for (const controller of this.#busy.values()) controller.abort();
    for (const server of this.#servers.values()) server.close();
    for (const task of this.#tasks.slice()) this.#abort(task, 'the model was destroyed');
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
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
    if (this.#isStopped) return;
    this.#model.electLeaders(this.#clock());
    for (const machine of this.#model.machines.values()) {
      if (machine.state !== 'pending' || this.#booting.has(machine.id)) continue;
      if (this.#booting.size >= MOST_BOOTING) continue;
      this.#booting.add(machine.id);
      this.#track(this.#boot(machine));
    }
    for (const unit of this.#model.units.values()) this.#startWork(unit);
    for (const unit of this.#model.units.values())
      if (unit.deletedAt !== undefined && Date.parse(unit.deletedAt) <= this.#clock())
        this.#track(this.#deleteEarly(unit));
    this.#save();
  }

  /** Powers a machine off, as pulling its plug would. @throws {UsageError} */
  async powerOff(id: string): Promise<void> {
    const machine = this.#model.machine(id);
    Object.assign(machine, { state: 'down', message: 'powered off', since: this.#now() });
    for (const unit of this.#unitsOn(id))
      unit.agent = status('lost', 'agent is not communicating with the server');
    this.#busy.get(id)?.abort();
    this.#servers.get(id)?.close();
    this.#servers.delete(id);
    await this.#machines.stop(id);
    this.wake();
  }

  /** Boots a machine again; each of its units gets an extra `start`, as after every reboot. @throws {UsageError} */
  powerOn(id: string): void {
    const machine = this.#model.machine(id);
    if (machine.state !== 'down') throw new UsageError(`machine ${id} is not down`);
    this.#reboot(machine);
    this.wake();
  }

  /** Tries a failed hook again at once, or goes on as if it had succeeded. */
  async resolve(unit: Unit, noRetry: boolean): Promise<void> {
    this.#retryAt.set(unit.name, 0);
    const operation = unit.failed?.operation;
    if (noRetry && operation?.kind === 'hook')
      await this.#succeed(unit, operation, this.#model.configDigest(unit));
  }

  /** Gives a unit in error its application's charm, with which the failed hook is tried again. */
  async forceUpgrade(unit: Unit): Promise<void> {
    if (!unit.failed) return;
    await this.#unpack(unit);
    this.#retryAt.set(unit.name, 0);
  }

  /** Removes a unit, and what rides on it, without running anything on it, for a machine that is gone. */
  async forceRemove(unit: Unit): Promise<void> {
    for (const subordinate of this.#model.subordinatesOf(unit.name)) await this.forceRemove(subordinate);
    await this.forceRemoveAlone(unit);
  }

  /** The same, and what rides on the unit stays as it is: what Juju 4 does. */
  async forceRemoveAlone(unit: Unit): Promise<void> {
    if (unit.current) this.#busy.get(unit.machine)?.abort();
    await this.#forget(unit);
  }

  /** Removes a machine and all units on it, without running anything there. */
  async forceRemoveMachine(id: string): Promise<void> {
    for (const unit of this.#unitsOn(id)) await this.forceRemoveAlone(unit);
  }

  /** What Juju 4 does to a unit without a peer relation. */
  async #deleteEarly(unit: Unit): Promise<void> {
    delete unit.deletedAt;
    const missed = [...(unit.stopped ? [] : ['stop']), 'remove'].join(', ');
    this.#log.write(
      unitTag(unit.name),
      'WARNING',
      'juju-local',
      `deleted, as Juju 4 deletes a unit without a peer relation once it has left its last one; not run to their end: ${missed}`,
    );
    await this.forceRemove(unit);
  }

  #unitsOn(machine: string): Unit[] {
    return [...this.#model.units.values()].filter((unit) => unit.machine === machine);
  }

  #reboot(machine: Machine): void {
    Object.assign(machine, { state: 'pending', message: 'starting', since: this.#now() });
    for (const unit of this.#unitsOn(machine.id)) {
      unit.rebooted = unit.started && !unit.stopped;
      this.#model.restartAgent(unit);
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  /** A full disk must not end the daemon: what was not written is written as soon as there is room. */
  #save(): void {
    try {
      this.#model.save();
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  }

  #now(): string {
    return new Date(this.#clock()).toISOString();
  }

  async #boot(machine: Machine): Promise<void> {
    const { id } = machine;
    try {
      this.#prepared ??= this.#machines.prepare((message) => {
        this.#log.write('machines', 'INFO', 'juju-local', message);
        for (const waiting of this.#model.machines.values())
          if (waiting.state === 'pending') waiting.message = message;
      });
      await this.#prepared;
      const info: MachineInfo = await this.#machines.start(id);
      await this.#serveTools(id);
      if (this.#model.machines.get(id)?.state !== 'pending') {
        // It was powered off or removed while it booted.
        this.#servers.get(id)?.close();
        this.#servers.delete(id);
        await (this.#model.machines.has(id) ? this.#machines.stop(id) : this.#machines.remove(id));
        this.#booting.delete(id);
        return;
      }
      Object.assign(machine, {
        state: 'started',
        message: 'Running',
        since: this.#now(),
        address: info.address,
        hostname: info.hostname,
      });
      for (const unit of this.#unitsOn(id)) {
        unit.agent = status(unit.installed ? 'idle' : 'allocating');
        if (!unit.installed) unit.workload = status('waiting', 'agent initialising');
      }
    } catch (error) {
      this.#prepared = undefined;
      const message = error instanceof Error ? error.message : String(error);
      this.#log.write(`machine-${id}`, 'ERROR', 'juju-local', message);
      Object.assign(machine, { state: 'down', message, since: this.#now() });
    }
    this.#booting.delete(id);
    this.wake();
  }

  async #serveTools(id: string): Promise<void> {
    const server = new HookToolServer(this.#machines.jujuDirectory(id), (args) => this.#jujuExec(id, args));
    await server.listen();
    if (this.#isStopped) server.close();
    else this.#servers.set(id, server);
  }

  /** `juju-exec [--no-context | <unit>] <command>...`, called on a machine. */
  async #jujuExec(machine: string, [first, ...rest]: readonly string[]): Promise<Answer> {
    const here = this.#unitsOn(machine);
    const words = (first === undefined ? [] : [first, ...rest]).filter((word, at) => at > 1 || word !== '--');
    const isBare = first === '--no-context';
    const named = here.find(({ name }) => name === first || unitTag(name) === first);
    const command = isBare || named ? words.slice(1) : words;
    if (command.length === 0) throw new ToolError(2, 'missing arguments');
    if (isBare) {
      const { exitCode, stdout, stderr } = await this.#machines.run(machine, shellOf(command));
      return { exitCode: exitCode ?? 255, stdout, stderr };
    }
    const [unit = named, ...others] = named ? [named] : here;
    if (!unit || others.length > 0)
      throw new ToolError(2, 'juju-exec needs the name of a unit of this machine, or --no-context');
    const task = newTask(this.#model, unit, { kind: 'exec', task: '' }, { argv: shellOf(command) });
    this.addTask(task);
    await task.finished;
    if (task.status === 'aborted') throw new Error(task.message);
    const { exitCode = 255, stdout, stderr } = task;
    return { exitCode: exitCode < 0 ? 255 : exitCode, stdout, stderr };
  }

  #next(unit: Unit): Operation | undefined {
    const tasks = this.#tasks
      .filter((task) => task.unit === unit.name && task.status === 'pending')
      .map(({ operation }) => operation);
    const [task] = tasks;
    if (unit.failed && !task) {
      return (this.#retryAt.get(unit.name) ?? 0) <= this.#clock() ? unit.failed.operation : undefined;
    }
    return nextOperation(
      this.#model,
      unit,
      {
        tasks,
        time: this.#clock(),
        isUpdateStatusDue: (this.#updateAt.get(unit.name) ?? Number.POSITIVE_INFINITY) <= this.#clock(),
      },
      (items) => this.#shuffle(items),
    );
  }

  /** The next update-status is due an interval from now, give or take a fifth. */
  #postponeUpdateStatus(unit: Unit): void {
    const interval = seconds(this.#model.settings.config['update-status-hook-interval'] ?? '5m') * 1000;
    this.#updateAt.set(unit.name, this.#clock() + interval * (0.8 + 0.4 * this.#random()));
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
    const done = work(controller.signal)
      .catch((error: unknown) => {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#log.write(`machine-${machine}`, 'ERROR', 'juju-local', message);
      })
      .finally(() => {
        this.#busy.delete(machine);
        this.wake();
      });
    this.#track(done);
  }

  async #run(unit: Unit, operation: Operation, signal: AbortSignal): Promise<void> {
    const model = this.#model;
    const task = this.#tasks.find((candidate) => candidate.operation === operation);
    const seen = model.configDigest(unit);
    if (operation.kind === 'hook' && ['install', 'upgrade-charm'].includes(operation.name))
      await this.#unpack(unit);
    const context = new HookContext(model, unit, operation, task);
    const before = unit.agent;
    unit.current = operation;
    announce(unit, operation);
    if (task) Object.assign(task, { status: 'running', started: this.#now() });
    this.#save();

    const result = await this.#execute(context, signal);
    delete unit.current;
    if (this.#isStopped) return;
    const machine = model.machines.get(unit.machine);
    if (machine?.state !== 'started' || !model.units.has(unit.name)) {
      if (task) this.#abort(task, 'the machine went away');
      return;
    }
    unit.agent = task && unit.failed ? before : status('idle');
    if (!result) {
      // Nobody has powered the machine off; it boots again, and the hook runs again.
      this.#log.write(
        `machine-${machine.id}`,
        'WARNING',
        'juju-local',
        'the machine has stopped; it boots again',
      );
      if (task) this.#abort(task, 'the machine went away');
      this.#servers.get(machine.id)?.close();
      this.#reboot(machine);
      return;
    }
    // Juju queues a hook again that was killed; only what ends by itself has failed.
    const isKilled = result.signal === 'SIGKILL' || result.signal === 'SIGTERM';
    if (operation.kind === 'hook' && !task && isKilled) return;
    const problem = result.exitCode === 0 ? this.#flush(context) : describe(result);
    if (task) {
      this.#drop(task);
      finish(task, result, problem, this.#now());
    } else if (operation.kind === 'hook') {
      if (problem === undefined) await this.#succeed(unit, operation, seen);
      else this.#fail(unit, operation, problem);
    }
  }

  /** Makes what a hook asked for count; or says why it cannot. */
  #flush(context: HookContext): string | undefined {
    try {
      context.flush(this.#model);
      return undefined;
    } catch (error) {
      return `committing requested changes failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #fail(unit: Unit, operation: Hook, problem: string): void {
    const attempts = (unit.failed?.attempts ?? 0) + 1;
    unit.failed = { operation, attempts, since: unit.failed?.since ?? this.#now() };
    this.#log.write(
      unitTag(unit.name),
      'ERROR',
      'juju.worker.uniter.operation',
      `hook "${operation.name}" (via hook dispatching script: dispatch) failed: ${problem}`,
    );
    const delay = Math.min(RETRY.first * 2 ** (attempts - 1), RETRY.most);
    this.#retryAt.set(unit.name, this.#isRetryAutomatic() ? this.#clock() + delay : Number.POSITIVE_INFINITY);
  }

  #isRetryAutomatic(): boolean {
    return this.#model.settings.config['automatically-retry-hooks'] !== 'false';
  }

  async #succeed(unit: Unit, operation: Hook, seen: string): Promise<void> {
    delete unit.failed;
    this.#log.write(
      unitTag(unit.name),
      'INFO',
      'juju.worker.uniter.operation',
      `ran "${operation.name}" hook (via hook dispatching script: dispatch)`,
    );
    afterHook(this.#model, unit, operation, this.#clock());
    if (operation.name === 'config-changed') unit.configSeen = seen;
    if (['start', 'update-status'].includes(operation.name)) this.#postponeUpdateStatus(unit);
    if (operation.name === 'remove') await this.#forget(unit);
    else if (unit.deletedAt === undefined && this.#model.isDeletedEarly(unit))
      unit.deletedAt = new Date(this.#clock() + this.#random() * EARLY).toISOString();
  }

  #abort(task: Task, message: string): void {
    if (!this.#drop(task)) return;
    Object.assign(task, { status: 'aborted', message, completed: this.#now() });
    task.finish();
  }

  /** Whether the task was still there. */
  #drop(task: Task): boolean {
    const at = this.#tasks.indexOf(task);
    if (at >= 0) this.#tasks.splice(at, 1);
    return at >= 0;
  }

  async #forget(unit: Unit): Promise<void> {
    this.#retryAt.delete(unit.name);
    this.#updateAt.delete(unit.name);
    for (const task of this.#tasks.filter(({ unit: name }) => name === unit.name))
      this.#abort(task, `unit "${unit.name}" was removed`);
    const machine = this.#model.removeUnit(unit);
    // A crash from here on leaves a machine that no unit is on, which the next daemon removes.
    this.#save();
    if (machine !== undefined) {
      this.#servers.get(machine)?.close();
      this.#servers.delete(machine);
      await this.#machines.remove(machine);
    } else {
      await using folder = await SharedFolder.open(this.#machines.jujuDirectory(unit.machine));
      for (const name of ['agents', 'tools']) {
        await using of = await folder.folder(name);
        await of.remove(unitTag(unit.name));
      }
    }
    this.wake();
  }

  /** Undefined when the machine does not run. */
  async #execute(context: HookContext, signal: AbortSignal): Promise<RunResult | undefined> {
    const { unit, operation, task } = context;
    const directory = charmDirectory(unit.name);
    const module = `unit.${unit.name}.${operation.kind === 'exec' ? 'commands' : operation.name}`;
    let argv = task?.argv;
    if (!argv) {
      const program = this.#programOf(unit, dispatchPath(operation));
      if (program === undefined) return withoutProgram(unit, operation);
      argv = [`${directory}/${program}`];
    }
    const server = this.#servers.get(unit.machine);
    server?.open(context, {
      model: this.#model,
      readFile: (path) => this.#read(unit.machine, path),
      writeFile: (path, text) => this.#write(unit.machine, path, text),
      log: (level, message) =>
        this.#log.write(unitTag(unit.name), level, `unit.${unit.name}.juju-log`, message),
      changed: () => this.#save(),
      time: this.#clock(),
    });
    const say = (level: string) => (message: string) =>
      this.#log.write(unitTag(unit.name), level, module, message);
    try {
      return await this.#machines.run(unit.machine, argv, {
        cwd: directory,
        env: hookEnvironment(this.#model, context),
        onStdoutLine: say('DEBUG'),
        onStderrLine: say('WARNING'),
        signal,
      });
    } catch (error) {
      if (error instanceof MachineDown) return undefined;
      const stderr = error instanceof Error ? error.message : String(error);
      return { exitCode: 1, signal: null, stdout: '', stderr };
    } finally {
      server?.shut(context);
    }
  }

  async #read(machine: string, path: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#machines.run(machine, ['cat', '--', path]);
    if (exitCode !== 0)
      throw new Error(
        stderr
          .trim()
          .replace(/^cat: /, 'open ')
          .replace(': No such', ': no such'),
      );
    return stdout;
  }

  async #write(machine: string, path: string, text: string): Promise<void> {
    const { exitCode, stderr } = await this.#machines.run(machine, ['tee', '--', path], { stdin: text });
    if (exitCode !== 0) throw new Error(stderr.trim().replace(/^tee: /, 'open '));
  }

  async #unpack(unit: Unit): Promise<void> {
    const { digest } = this.#model.application(unit.app).charm;
    if (unit.charm === digest) return;
    const tag = unitTag(unit.name);
    await this.#charms.lay(
      digest,
      this.#machines.jujuDirectory(unit.machine),
      `agents/${tag}/charm`,
      unit.charm,
    );
    await this.#servers.get(unit.machine)?.installTools(tag, this.#model.isJuju4);
    unit.charm = digest;
  }

  /** Where a unit's charm is, as this host sees it. */
  #charmFolder({ name, machine }: Unit): string {
    return join(this.#machines.jujuDirectory(machine), 'agents', unitTag(name), 'charm');
  }

  /** The program that a charm has for an operation: `dispatch` for all, or one for each. */
  #programOf(unit: Unit, path: string): string | undefined {
    return ['dispatch', path].find((name) => existsSync(join(this.#charmFolder(unit), name)));
  }

  #shuffle<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.#random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}

/** A hook that a charm does not have is no failure; an action is. */
function withoutProgram(unit: Unit, operation: Operation): RunResult {
  const isHook = operation.kind === 'hook';
  const stderr = isHook ? '' : `action not implemented on unit "${unit.name}"`;
  return { exitCode: isHook ? 0 : 1, signal: null, stdout: '', stderr };
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

function finish(task: Task, result: RunResult, problem: string | undefined, time: string): void {
  task.exitCode = result.exitCode ?? -1;
  task.stdout = result.stdout;
  task.stderr = result.stderr;
  task.completed = time;
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
