import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import type { Redacted } from '../redacted.ts';
import { ActionFailedError, JujuCommandError, WaitError } from './errors.ts';
import type { ActionResult } from './result.ts';
import { isAnyInError, ModelStatus } from './status.ts';

/** How a program was run. */
export interface CommandResult {
  /** Absent where it could not be started, or was stopped. */
  readonly exitCode?: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command `juju` with these arguments; `timeout` is in milliseconds. */
export type CommandRunner = (args: readonly string[], timeout: number) => Promise<CommandResult>;

/** Which model to drive, and how. */
export interface JujuModelOptions {
  /** Its name, `model` or `controller:model`; if absent, the current model of the command. */
  readonly model?: string;
  /** `juju`, or another program with the same grammar, such as `juju-local`. */
  readonly program?: string;
  /** Whether to show the progress that the command prints. */
  readonly isVerbose?: boolean;
  /** Runs the command, in place of `program`. */
  readonly runner?: CommandRunner;
}

/** The options of `juju deploy`. */
export interface DeployOptions {
  /** The name of the application, if not the charm's. */
  readonly app?: string;
  readonly units?: number;
  /** Machines, one for each unit. */
  readonly to?: readonly string[];
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  readonly base?: string;
  readonly channel?: string;
  readonly revision?: number;
  readonly constraints?: Readonly<Record<string, string>>;
  /** The path of a file for each resource. */
  readonly resources?: Readonly<Record<string, string>>;
  readonly trust?: boolean;
  /** For a bundle: the paths of its overlays. */
  readonly overlays?: readonly string[];
}

/** How to wait. */
export interface WaitOptions {
  /** Seconds; three minutes if absent. */
  readonly timeout?: number;
  /** Seconds between two looks; one if absent. */
  readonly delay?: number;
  /**
   * How often in a row the condition must hold; three times if absent, because a unit is idle for a moment between
   * two hooks.
   */
  readonly successes?: number;
  /** Ends the wait at once; if absent, a failed hook does. */
  readonly error?: (status: ModelStatus) => boolean;
}

/** How long one command may take, in milliseconds: longer than anybody has one wait. */
const COMMAND_TIMEOUT = 3_600_000;

const Tasks = z.record(
  z.string(),
  z.looseObject({
    id: z.string(),
    status: z.string(),
    message: z.string().optional(),
    log: z.array(z.string()).default([]),
    results: z
      .looseObject({
        'return-code': z.int().optional(),
        stdout: z.string().optional(),
        stderr: z.string().optional(),
      })
      .default({}),
  }),
);

const Settings = z.looseObject({
  settings: z.record(
    z.string(),
    z.looseObject({ value: z.union([z.string(), z.number(), z.boolean()]).optional() }),
  ),
});

/**
 * Drives a model from outside, through the command `juju`: for tests of deployed charms. Each method is the command
 * of its name; `cli` runs any other. They throw {@link JujuCommandError} if the command fails.
 */
export class JujuModel {
  readonly #model: string | undefined;
  readonly #run: CommandRunner;

  constructor({ model, program = 'juju', isVerbose = false, runner }: JujuModelOptions = {}) {
    this.#model = model;
    this.#run = runner ?? programRunner(program, isVerbose);
  }

  /** Runs any command on the model, and returns what it printed. */
  async cli(verb: string, ...args: readonly string[]): Promise<string> {
    return (await this.#command(verb, args)).stdout;
  }

  /** Deploys a charm or a bundle, by its path or its name on Charmhub. */
  async deploy(charm: string, options: DeployOptions = {}): Promise<void> {
    const { app, units, to = [], config = {}, base, channel, revision, trust, overlays = [] } = options;
    const { constraints = {}, resources = {} } = options;
    await this.cli(
      'deploy',
      charm,
      ...(app === undefined ? [] : [app]),
      ...(units === undefined ? [] : ['--num-units', String(units)]),
      ...(to.length === 0 ? [] : ['--to', to.join(',')]),
      ...pairs(config).flatMap((pair) => ['--config', pair]),
      ...(base === undefined ? [] : ['--base', base]),
      ...(channel === undefined ? [] : ['--channel', channel]),
      ...(revision === undefined ? [] : ['--revision', String(revision)]),
      ...pairs(constraints).flatMap((pair) => ['--constraints', pair]),
      ...pairs(resources).flatMap((pair) => ['--resource', pair]),
      ...(trust === true ? ['--trust'] : []),
      ...overlays.flatMap((path) => ['--overlay', path]),
    );
  }

  /** Upgrades an application to a charm file on this machine. */
  async refresh(app: string, path: string): Promise<void> {
    await this.cli('refresh', app, '--path', path);
  }

  /** Adds units to an application. */
  async addUnit(app: string, count = 1, to: readonly string[] = []): Promise<void> {
    await this.cli(
      'add-unit',
      app,
      '--num-units',
      String(count),
      ...(to.length === 0 ? [] : ['--to', to.join(',')]),
    );
  }

  /** Removes units; use `force` if their machines are gone. */
  async removeUnit(
    units: readonly string[],
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<void> {
    await this.cli('remove-unit', ...units, '--no-prompt', ...(force ? ['--force'] : []));
  }

  /** Removes applications, with their units. */
  async removeApplication(...apps: readonly string[]): Promise<void> {
    await this.cli('remove-application', ...apps, '--no-prompt');
  }

  /** The options of an application, with their values. Options without a value are missing. */
  async options(app: string): Promise<Readonly<Record<string, string | number | boolean>>> {
    const { settings } = await this.#json(Settings, 'config', [app]);
    return Object.fromEntries(
      Object.entries(settings).flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]])),
    );
  }

  /** Sets options, and resets others to their defaults. */
  async config(
    app: string,
    values: Readonly<Record<string, string | number | boolean>>,
    { reset = [] }: { readonly reset?: readonly string[] } = {},
  ): Promise<void> {
    await this.cli(
      'config',
      app,
      ...pairs(values),
      ...(reset.length === 0 ? [] : ['--reset', reset.join(',')]),
    );
  }

  /** Relates two applications, or two endpoints. */
  async integrate(first: string, second: string): Promise<void> {
    await this.cli('integrate', first, second);
  }

  /** Removes the relation between two applications, or two endpoints. */
  async removeRelation(first: string, second: string): Promise<void> {
    await this.cli('remove-relation', first, second);
  }

  /**
   * Runs an action on a unit (`web/0`, `web/leader`), and waits for it.
   * @throws {ActionFailedError} if it fails
   */
  async run(
    unit: string,
    action: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<ActionResult> {
    // In a file they keep their types, and nobody sees them on the command line.
    return withFile('params.json', JSON.stringify(params), (file) =>
      this.#task('run', [unit, action, '--params', file]),
    );
  }

  /**
   * Runs a program with its arguments on a unit, and returns what it printed.
   * @throws {ActionFailedError} if it does not exit with 0
   */
  async exec(unit: string, [program, ...args]: readonly [string, ...string[]]): Promise<string> {
    // A single word juju takes for a script.
    const words = args.length === 0 ? [`'${program.replaceAll("'", `'\\''`)}'`] : [program, ...args];
    const { stdout } = await this.#task('exec', ['--unit', unit], ['--', ...words]);
    return stdout;
  }

  /** Makes a user secret, and returns its URI. */
  async addSecret(name: string, content: Readonly<Record<string, Redacted>>): Promise<string> {
    const texts = Object.fromEntries(Object.entries(content).map(([key, value]) => [key, value.reveal()]));
    // JSON is YAML.
    return withFile('secret.json', JSON.stringify(texts), async (file) =>
      (await this.cli('add-secret', name, '--file', file)).trim(),
    );
  }

  /** Grants a user secret to applications. */
  async grantSecret(secret: string, ...apps: readonly string[]): Promise<void> {
    await this.cli('grant-secret', secret, apps.join(','));
  }

  /** What `juju status` shows of the model. */
  status(): Promise<ModelStatus> {
    return this.#json(ModelStatus, 'status', []);
  }

  /**
   * Asks for the status until `isReady` accepts it, and returns it: `wait((status) => areActive(status, 'web'))`.
   * @throws {WaitError} if it takes too long, or a hook fails; with what the units say
   */
  async wait(
    isReady: (status: ModelStatus) => boolean,
    { timeout = 180, delay = 1, successes = 3, error = isAnyInError }: WaitOptions = {},
  ): Promise<ModelStatus> {
    const end = performance.now() + timeout * 1000;
    for (let inARow = 0; ;) {
      const status = await this.status();
      if (error(status)) throw new WaitError('the model came to what it must not', status);
      inARow = isReady(status) ? inARow + 1 : 0;
      if (inARow >= successes) return status;
      if (performance.now() > end) throw new WaitError(`the model was not ready in ${timeout} s`, status);
      await sleep(delay * 1000);
    }
  }

  /** Destroys the model, with its storage. */
  async destroy(): Promise<void> {
    if (this.#model === undefined) throw new Error('only a model that is named is destroyed');
    await this.#checked(['destroy-model', this.#model, '--no-prompt']);
  }

  #command(verb: string, args: readonly string[]): Promise<CommandResult> {
    return this.#checked([verb, ...this.#named(), ...args]);
  }

  #named(): readonly string[] {
    return this.#model === undefined ? [] : ['--model', this.#model];
  }

  async #checked(args: readonly string[]): Promise<CommandResult> {
    const result = await this.#run(args, COMMAND_TIMEOUT);
    if (result.exitCode !== 0) throw new JujuCommandError(args, result.exitCode, result.stderr);
    return result;
  }

  async #json<T>(schema: z.ZodType<T>, verb: string, args: readonly string[]): Promise<T> {
    const { stdout } = await this.#command(verb, [...args, '--format', 'json']);
    return schema.parse(JSON.parse(stdout));
  }

  async #task(verb: string, before: readonly string[], after: readonly string[] = []): Promise<ActionResult> {
    // Without it the command gives up on an action after a minute.
    const args = [verb, ...this.#named(), ...before, '--wait', '1h', '--format', 'json', ...after];
    const { exitCode, stdout, stderr } = await this.#run(args, COMMAND_TIMEOUT);
    // It exits with 1 where a program on the unit did not end well, and says all the same how. Where there is no such unit or action, or
    // its parameters are wrong, it exits with 0 and says so on stderr alone.
    if (!stdout.trimStart().startsWith('{')) throw new JujuCommandError(args, exitCode, stderr);
    const [task] = Object.entries(Tasks.parse(JSON.parse(stdout)));
    if (!task) throw new JujuCommandError(args, exitCode, 'it told of no task');
    const [unit, { id, status, message, log, results }] = task;
    const { 'return-code': returnCode = 0, stdout: said = '', stderr: complained = '', ...own } = results;
    const result = {
      unit,
      id,
      status,
      ...(message !== undefined && message !== '' && { message }),
      results: own,
      log,
      returnCode,
      stdout: said,
      stderr: complained,
    };
    if (status !== 'completed' || returnCode !== 0) throw new ActionFailedError(result);
    return result;
  }
}

function pairs(values: Readonly<Record<string, string | number | boolean>>): readonly string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}

/** Lets something be done with a file that only this user may read. */
async function withFile<T>(name: string, content: string, use: (path: string) => Promise<T>): Promise<T> {
  // The snap of juju sees no other folder.
  const ofSnap = join(homedir(), 'snap/juju/common');
  const folder = await mkdtemp(join(existsSync(ofSnap) ? ofSnap : tmpdir(), 'juju-'));
  try {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function programRunner(program: string, isVerbose: boolean): CommandRunner {
  return async (args, timeout) => {
    const { exitCode, stdout, stderr, shortMessage } = await execa(program, args, {
      reject: false,
      timeout,
      stdin: 'ignore',
      stderr: isVerbose ? ['pipe', 'inherit'] : 'pipe',
    });
    return { exitCode, stdout: stdout ?? '', stderr: stderr || (exitCode === 0 ? '' : (shortMessage ?? '')) };
  };
}
