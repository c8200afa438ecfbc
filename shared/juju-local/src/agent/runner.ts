import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CharmStore } from '../charm/archive.ts';
import { MachineDown, type Machines, type RunResult } from '../machines/machines.ts';
import type { Operation, Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import type { HookContext } from './context.ts';
import { charmDirectory, dispatchPath, hookEnvironment, unitTag } from './environment.ts';
import type { ModelLog } from './log.ts';
import type { ToolServers } from './tool-servers.ts';

interface RunnerParts {
  readonly model: Model;
  readonly machines: Machines;
  readonly charms: CharmStore;
  readonly log: ModelLog;
  readonly servers: ToolServers;
  readonly save: () => void;
  readonly clock: () => number;
}

/** Lays charms on machines, and runs their programs there. */
export class Runner {
  readonly #model: Model;
  readonly #machines: Machines;
  readonly #charms: CharmStore;
  readonly #log: ModelLog;
  readonly #servers: ToolServers;
  readonly #save: () => void;
  readonly #clock: () => number;

  constructor({ model, machines, charms, log, servers, save, clock }: RunnerParts) {
    this.#model = model;
    this.#machines = machines;
    this.#charms = charms;
    this.#log = log;
    this.#servers = servers;
    this.#save = save;
    this.#clock = clock;
  }

  /** Gives a unit the charm of its application. */
  async unpack(unit: Unit): Promise<void> {
    const { digest } = this.#model.application(unit.app).charm;
    if (unit.charm === digest) return;
    const tag = unitTag(unit.name);
    await this.#charms.lay(
      digest,
      this.#machines.jujuDirectory(unit.machine),
      `agents/${tag}/charm`,
      unit.charm,
    );
    await this.#servers.of(unit.machine)?.installTools(tag, this.#model.isJuju4);
    unit.charm = digest;
  }

  /** Runs a hook, an action or commands. Undefined when the machine does not run. */
  async run(context: HookContext, signal: AbortSignal): Promise<RunResult | undefined> {
    const { unit, operation, task } = context;
    const directory = charmDirectory(unit.name);
    const module = `unit.${unit.name}.${operation.kind === 'exec' ? 'commands' : operation.name}`;
    let argv = task?.argv;
    if (!argv) {
      const program = this.#programOf(unit, dispatchPath(operation));
      if (program === undefined) return withoutProgram(unit, operation);
      argv = [`${directory}/${program}`];
    }
    const server = this.#servers.of(unit.machine);
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

  /** Where a unit's charm is, as this host sees it. */
  #charmFolder({ name, machine }: Unit): string {
    return join(this.#machines.jujuDirectory(machine), 'agents', unitTag(name), 'charm');
  }

  /** The program that a charm has for an operation: `dispatch` for all, or one for each. */
  #programOf(unit: Unit, path: string): string | undefined {
    return ['dispatch', path].find((name) => existsSync(join(this.#charmFolder(unit), name)));
  }
}

/** A hook that a charm does not have is no failure; an action is. */
function withoutProgram(unit: Unit, operation: Operation): RunResult {
  const isHook = operation.kind === 'hook';
  const stderr = isHook ? '' : `action not implemented on unit "${unit.name}"`;
  return { exitCode: isHook ? 0 : 1, signal: null, stdout: '', stderr };
}
