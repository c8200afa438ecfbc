import { CommandLineError } from '../../errors.ts';
import { readYaml } from '../../yaml.ts';
import { list, MANY, readConfig, readYamlFile, seconds } from '../arguments.ts';
import { define, type Command } from '../command.ts';
import { FORMAT, unknownFormat } from '../format.ts';
import { showResults } from '../results.ts';

export const taskCommands = {
  run: define(
    'run <unit|application/leader>... <action> [<key>=<value>...] [--params file] [--string-args] [--wait 60s] [--format plain|json|yaml]',
    'Runs an action and shows its results.',
    {
      ...FORMAT,
      wait: { type: 'string', default: '60s' },
      params: { type: 'string' },
      'string-args': { type: 'boolean', default: false },
    },
    { least: 2 },
    async ({ request }, values, words) => {
      const units = words.filter((word) => word.includes('/') && !word.includes('='));
      const [action, ...rest] = words.slice(units.length);
      if (units.length === 0) throw new CommandLineError('no unit specified');
      if (action === undefined) throw new CommandLineError('no action specified');
      if (new Set(units.map((unit) => unit.split('/')[0])).size > 1)
        throw new CommandLineError('all units must be of the same application');
      const fromFile = values.params === undefined ? {} : await readYamlFile(values.params);
      const typed = Object.entries(await readConfig(rest, undefined)).map(([key, text]) => [
        key,
        values['string-args'] ? text : typedArgument(text),
      ]);
      const params = { ...fromFile, ...Object.fromEntries(typed) };
      const wait = waitOf(values.wait);
      return report(await request('run', { units, action, params, ...wait }), values.format ?? 'plain');
    },
  ),

  exec: {
    usage: 'exec (--unit u,... | --application a,... | --all) [--wait 5m] -- <command>',
    summary: "Runs a command on units, in a charm's environment.",
    run: async (args) => {
      const at = args.indexOf('--');
      const [before, after] = at < 0 ? [args, []] : [args.slice(0, at), args.slice(at + 1)];
      return execute.run([...before, ...(after.length > 0 ? ['--', ...after] : [])]);
    },
  },

  'run-hook': define(
    'run-hook <unit> <hook>',
    'Runs a hook once more (juju has no such command).',
    FORMAT,
    { least: 2, most: 2 },
    async ({ request }, { format = 'plain' }, [unit, hook]) =>
      report(await request('run-hook', { unit, hook }), format),
  ),

  resolved: define(
    'resolved (<unit>... | --all) [--no-retry]',
    'Tries a failed hook again, or skips it.',
    { 'no-retry': { type: 'boolean', default: false }, all: { type: 'boolean', default: false } },
    { least: 0 },
    async ({ request }, { all, 'no-retry': noRetry }, names) => {
      if (all === names.length > 0) throw new CommandLineError('name units, or give --all');
      await request('resolved', { names, all, noRetry });
    },
  ),
} satisfies Record<string, Command>;

const execute = define(
  'exec (--unit u,... | --application a,... | --all) [--wait 5m] -- <command>',
  '',
  {
    ...FORMAT,
    wait: { type: 'string', default: '5m' },
    unit: { ...MANY, short: 'u' },
    application: { ...MANY, short: 'a' },
    app: MANY,
    all: { type: 'boolean', default: false },
  },
  { least: 1 },
  async ({ request }, values, argv) => {
    const apps = [...list(values.application), ...list(values.app)];
    return report(
      await request('exec', {
        units: list(values.unit),
        apps,
        all: values.all,
        argv,
        ...waitOf(values.wait),
      }),
      values.format ?? 'plain',
    );
  },
);

/** Prints results, and returns the exit code. */
function report(answer: unknown, format: string): number {
  const output = showResults(answer, format);
  if (!output) throw new CommandLineError(unknownFormat(format));
  process.stdout.write(output.stdout);
  process.stderr.write(output.stderr);
  return output.exitCode;
}

/** An argument of an action is YAML, unless it cannot be. */
function typedArgument(text: string): unknown {
  try {
    return readYaml(text);
  } catch {
    return text;
  }
}

/** How long a command waits for its tasks; below zero for ever. */
function waitOf(text: string): { readonly wait?: number } {
  return text.startsWith('-') ? {} : { wait: seconds(text) };
}
