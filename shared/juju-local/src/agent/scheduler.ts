import type { CharmStore } from '../charm/archive.ts';
import { UsageError } from '../errors.ts';
import type { Machines, RunResult } from '../machines/machines.ts';
import { SharedFolder } from '../machines/shared.ts';
import type { Operation, Unit } from '../model/documents.ts';
import { status, type Model } from '../model/model.ts';
import { HookContext } from './context.ts';
import { DueTimes } from './due.ts';
import { unitTag } from './environment.ts';
import type { ModelLog } from './log.ts';
import { afterHook, nextOperation, type Hook } from './next.ts';
import { Provisioner } from './provisioner.ts';
import { TaskQueue } from './queue.ts';
import { Runner } from './runner.ts';
import type { Task } from './task.ts';
import { ToolServers } from './tool-servers.ts';
import { isDeletedEarly, removeUnit } from '../model/removal.ts';

/** Within how many milliseconds Juju 4 deletes a unit that nothing keeps. */
const EARLY = 10_000;

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
  readonly #log: ModelLog;
  readonly #random: () => number;
  readonly #clock: () => number;
  readonly #servers: ToolServers;
  readonly #provisioner: Provisioner;
  readonly #runner: Runner;
  readonly #tasks: TaskQueue;
  readonly #due: DueTimes;
  /** Machines on which something runs, with the way to kill it. */
  readonly #busy = new Map<string, AbortController>();
  /** Whatever runs now. */
  readonly #work = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor({ model, machines, charms, log, random, clock }: SchedulerParts) {
    this.#model = model;
    this.#machines = machines;
    this.#log = log;
    this.#random = random;
    this.#clock = clock;
    const now = (): string => this.#now();
    const servers = new ToolServers(model, machines, (task) => this.addTask(task));
    this.#servers = servers;
    this.#provisioner = new Provisioner({ model, machines, log, servers, now, wake: () => this.wake() });
    this.#runner = new Runner({ model, machines, charms, log, servers, save: () => this.#save(), clock });
    this.#tasks = new TaskQueue(now);
    this.#due = new DueTimes(model, random, clock);
  }

  /** Goes on from wherever the last daemon stopped: takes running machines over, and runs interrupted hooks again. */
  async start(): Promise<void> {
    const running = new Map((await this.#machines.list()).map((info) => [info.id, info]));
    for (const id of running.keys()) if (!this.#model.machines.has(id)) await this.#machines.remove(id);
    for (const machine of this.#model.machines.values()) {
      if (machine.state !== 'started') continue;
      if (running.get(machine.id)?.state === 'running') {
        await this.#machines.killRuns(machine.id);
        await this.#servers.serve(machine.id);
      } else this.#provisioner.reboot(machine);
    }
    for (const unit of this.#model.units.values()) {
      delete unit.current;
      if (unit.agent.current === 'executing') unit.agent = status('idle');
      this.#due.resume(unit);
    }
    this.#timer = setInterval(() => this.wake(), 1000);
    this.wake();
  }

  /** Starts nothing more, and kills what runs. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    for (const controller of this.#busy.values()) controller.abort();
    this.#servers.stop();
    this.#tasks.abortAll('the model was destroyed');
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  addTask(task: Task): void {
    this.#tasks.add(task);
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
    for (const boot of this.#provisioner.bootPending()) this.#track(boot);
    // The agents of a machine compete for its lock: Juju promises no order.
    for (const unit of this.#shuffle([...this.#model.units.values()])) this.#startWork(unit);
    for (const unit of this.#model.units.values())
      if (unit.deletedAt !== undefined && Date.parse(unit.deletedAt) <= this.#clock())
        this.#track(this.#deleteEarly(unit));
    this.#save();
  }

  /** Powers a machine off, as pulling its plug would. @throws {UsageError} */
  async powerOff(id: string): Promise<void> {
    const machine = this.#model.machine(id);
    Object.assign(machine, { state: 'down', message: 'powered off', since: this.#now() });
    for (const unit of this.#model.unitsOn(id))
      unit.agent = status('lost', 'agent is not communicating with the server');
    this.#busy.get(id)?.abort();
    this.#servers.close(id);
    await this.#machines.stop(id);
    this.wake();
  }

  /** Boots a machine again; each of its units gets an extra `start`, as after every reboot. @throws {UsageError} */
  powerOn(id: string): void {
    const machine = this.#model.machine(id);
    if (machine.state !== 'down') throw new UsageError(`machine ${id} is not down`);
    this.#provisioner.reboot(machine);
    this.wake();
  }

  /** Tries a failed hook again at once, or goes on as if it had succeeded. */
  async resolve(unit: Unit, noRetry: boolean): Promise<void> {
    this.#due.retryNow(unit);
    const operation = unit.failed?.operation;
    if (noRetry && operation?.kind === 'hook')
      await this.#succeed(unit, operation, this.#model.configDigest(unit));
  }

  /** Gives a unit in error its application's charm, with which the failed hook is tried again. */
  async forceUpgrade(unit: Unit): Promise<void> {
    if (!unit.failed) return;
    await this.#runner.unpack(unit);
    this.#due.retryNow(unit);
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
    for (const unit of this.#model.unitsOn(id)) await this.forceRemoveAlone(unit);
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

  #next(unit: Unit): Operation | undefined {
    const tasks = this.#tasks.pending(unit);
    const [task] = tasks;
    if (unit.failed && !task) {
      return this.#due.isRetryDue(unit) ? unit.failed.operation : undefined;
    }
    return nextOperation(
      this.#model,
      unit,
      { tasks, time: this.#clock(), isUpdateStatusDue: this.#due.isUpdateStatusDue(unit) },
      (items) => this.#shuffle(items),
    );
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
    const task = this.#tasks.of(operation);
    const seen = model.configDigest(unit);
    if (operation.kind === 'hook' && ['install', 'upgrade-charm'].includes(operation.name))
      await this.#runner.unpack(unit);
    const context = new HookContext(model, unit, operation, task);
    const before = unit.agent;
    unit.current = operation;
    announce(unit, operation);
    if (task) this.#tasks.begin(task);
    this.#save();

    const result = await this.#runner.run(context, signal);
    delete unit.current;
    if (this.#isStopped) return;
    const machine = model.machines.get(unit.machine);
    if (machine?.state !== 'started' || !model.units.has(unit.name)) {
      if (task) this.#tasks.abort(task, 'the machine went away');
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
      if (task) this.#tasks.abort(task, 'the machine went away');
      this.#servers.of(machine.id)?.close();
      this.#provisioner.reboot(machine);
      return;
    }
    // Juju queues a hook again that was killed; only what ends by itself has failed.
    const isKilled = result.signal === 'SIGKILL' || result.signal === 'SIGTERM';
    if (operation.kind === 'hook' && !task && isKilled) return;
    const problem = result.exitCode === 0 ? this.#flush(context) : describe(result);
    if (task) this.#tasks.finish(task, result, problem);
    else if (operation.kind === 'hook') {
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
    this.#due.postponeRetry(unit, attempts);
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
    if (['start', 'update-status'].includes(operation.name)) this.#due.postponeUpdateStatus(unit);
    if (operation.name === 'remove') await this.#forget(unit);
    else if (unit.deletedAt === undefined && isDeletedEarly(this.#model, unit))
      unit.deletedAt = new Date(this.#clock() + this.#random() * EARLY).toISOString();
  }

  async #forget(unit: Unit): Promise<void> {
    this.#due.forget(unit);
    this.#tasks.abortAll(`unit "${unit.name}" was removed`, unit);
    const machine = removeUnit(this.#model, unit);
    // A crash from here on leaves a machine that no unit is on, which the next daemon removes.
    this.#save();
    if (machine !== undefined) {
      this.#servers.close(machine);
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

function describe({ exitCode, signal }: RunResult): string {
  return signal === null ? `exit status ${exitCode}` : `signal: ${signal}`;
}
