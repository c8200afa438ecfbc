import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import type { Redacted } from '../redacted.ts';
import { ActionFailedError, JujuCommandError, WaitError } from './errors.ts';
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

/** Which model is driven, and how. */
export interface JujuModelOptions {
  /** Its name, `model` or `controller:model`; absent: the one that the command takes for the current one. */
  readonly model?: string;
  /** `juju`, or another program with its grammar, such as `juju-local`. */
  readonly program?: string;
  /** Whether what the command says of its progress is shown. */
  readonly isVerbose?: boolean;
  /** What runs the command, in place of `program`. */
  readonly runner?: CommandRunner;
}

/** The options of `juju deploy`. */
export interface DeployOptions {
  /** Name of the application, where not the charm's. */
  readonly app?: string;
  readonly units?: number;
  /** Machines, one for each unit. */
  readonly to?: readonly string[];
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  readonly base?: string;
  readonly channel?: string;
  readonly revision?: number;
  readonly constraints?: Readonly<Record<string, string>>;
  /** Path of a file for each resource. */
  readonly resources?: Readonly<Record<string, string>>;
  readonly trust?: boolean;
  /** Of a bundle: paths of the files that are laid over it. */
  readonly overlays?: readonly string[];
}

/** How an action, or a command on a unit, ended. */
export interface ActionResult {
  readonly unit: string;
  /** Number of the task. */
  readonly id: string;
  /** `completed`, `failed`, `aborted`, … */
  readonly status: string;
  /** Why it failed. */
  readonly message?: string;
  /** What the action has given, with levels where its keys have dots. */
  readonly results: Readonly<Record<string, unknown>>;
  readonly log: readonly string[];
  readonly returnCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How something is waited for. */
export interface WaitOptions {
  /** Seconds; three minutes if absent. */
  readonly timeout?: number;
  /** Seconds between two looks; one if absent. */
  readonly delay?: number;
  /** How often in a row it must be so; three times if absent, because between two hooks a unit is idle for a moment. */
  readonly successes?: number;
  /** Ends the waiting at once; absent: when a hook has failed. */
  readonly error?: (status: ModelStatus) => boolean;
}

/** How long one command may take, in milliseconds. */
const COMMAND_TIMEOUT = 600_000;

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
 * A model that is driven from outside, through the command `juju`: for tests of charms that are deployed. Each method is
 * the command of its name; what has none is run by `cli`. They throw {@link JujuCommandError} when the command fails.
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

  /** Upgrades an application to a charm of this machine. */
  async refresh(app: string, path: string): Promise<void> {
    await this.cli('refresh', app, '--path', path);
  }

  async addUnit(app: string, count = 1, to: readonly string[] = []): Promise<void> {
    await this.cli(
      'add-unit',
      app,
      '--num-units',
      String(count),
      ...(to.length === 0 ? [] : ['--to', to.join(',')]),
    );
  }

  /** Removes units; `force` where their machines are gone. */
  async removeUnit(
    units: readonly string[],
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<void> {
    await this.cli('remove-unit', ...units, '--no-prompt', ...(force ? ['--force'] : []));
  }

  async removeApplication(...apps: readonly string[]): Promise<void> {
    await this.cli('remove-application', ...apps, '--no-prompt');
  }

  /** The options of an application, with their values; those that are not set and have no default are missing. */
  async options(app: string): Promise<Readonly<Record<string, string | number | boolean>>> {
    const { settings } = await this.#json(Settings, 'config', [app]);
    return Object.fromEntries(
      Object.entries(settings).flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]])),
    );
  }

  /** Sets options, and has others take their defaults again. */
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

  async integrate(first: string, second: string): Promise<void> {
    await this.cli('integrate', first, second);
  }

  async removeRelation(first: string, second: string): Promise<void> {
    await this.cli('remove-relation', first, second);
  }

  /**
   * Runs an action on a unit (`web/0`, `web/leader`), and waits for it.
   * @throws {ActionFailedError} when it fails
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
   * @throws {ActionFailedError} when it does not exit with 0
   */
  async exec(unit: string, [program, ...args]: readonly [string, ...string[]]): Promise<string> {
    // A single word juju takes for a script.
    const words = args.length === 0 ? [`'${program.replaceAll("'", `'\\''`)}'`] : [program, ...args];
    const { stdout } = await this.#task('exec', ['--unit', unit], ['--', ...words]);
    return stdout;
  }

  /** Makes a secret of the user, and returns its URI. */
  async addSecret(name: string, content: Readonly<Record<string, Redacted>>): Promise<string> {
    const texts = Object.fromEntries(Object.entries(content).map(([key, value]) => [key, value.reveal()]));
    // JSON is YAML.
    return withFile('secret.json', JSON.stringify(texts), async (file) =>
      (await this.cli('add-secret', name, '--file', file)).trim(),
    );
  }

  async grantSecret(secret: string, ...apps: readonly string[]): Promise<void> {
    await this.cli('grant-secret', secret, apps.join(','));
  }

  status(): Promise<ModelStatus> {
    return this.#json(ModelStatus, 'status', []);
  }

  /**
   * Looks at the model until it is as wanted, and returns it: `wait((status) => areActive(status, 'web'))`.
   * @throws {WaitError} when it takes too long, or a hook fails; with what the units say
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
    const args = [verb, ...this.#named(), ...before, '--format', 'json', ...after];
    const { exitCode, stdout, stderr } = await this.#run(args, COMMAND_TIMEOUT);
    // It exits with 1 where a program on the unit did not end well, and says all the same how.
    if (exitCode !== 0 && !stdout.trimStart().startsWith('{'))
      throw new JujuCommandError(args, exitCode, stderr);
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
