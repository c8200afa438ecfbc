import { ToolError } from '../hooktools/error.ts';
import { HookToolServer, type Answer } from '../hooktools/server.ts';
import type { Machines } from '../machines/machines.ts';
import type { Model } from '../model/model.ts';
import { unitTag } from './environment.ts';
import { newTask, shellOf, type Task } from './task.ts';

/** What answers the hook tools, and `juju-exec`, of the machines that run. */
export class ToolServers {
  readonly #model: Model;
  readonly #machines: Machines;
  readonly #addTask: (task: Task) => void;
  readonly #servers = new Map<string, HookToolServer>();
  #isStopped = false;

  constructor(model: Model, machines: Machines, addTask: (task: Task) => void) {
    this.#model = model;
    this.#machines = machines;
    this.#addTask = addTask;
  }

  of(machine: string): HookToolServer | undefined {
    return this.#servers.get(machine);
  }

  async serve(id: string): Promise<void> {
    const server = new HookToolServer(this.#machines.jujuDirectory(id), (args) => this.#jujuExec(id, args));
    await server.listen();
    if (this.#isStopped) server.close();
    else this.#servers.set(id, server);
  }

  close(id: string): void {
    this.#servers.get(id)?.close();
    this.#servers.delete(id);
  }

  /** Closes all, for good. */
  stop(): void {
    this.#isStopped = true;
    for (const server of this.#servers.values()) server.close();
  }

  /** `juju-exec [--no-context | <unit>] <command>...`, called on a machine. */
  async #jujuExec(machine: string, [first, ...rest]: readonly string[]): Promise<Answer> {
    const here = this.#model.unitsOn(machine);
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
    this.#addTask(task);
    await task.finished;
    if (task.status === 'aborted') throw new Error(task.message);
    const { exitCode = 255, stdout, stderr } = task;
    return { exitCode: exitCode < 0 ? 255 : exitCode, stdout, stderr };
  }
}
