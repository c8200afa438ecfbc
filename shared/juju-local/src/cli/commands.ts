import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { LEVELS } from '../agent/log.ts';
import { ask, modelDirectory, socketPath } from '../daemon/protocol.ts';
import { CommandLineError, UsageError } from '../errors.ts';
import type { Machines } from '../machines/machines.ts';
import { Scalar } from '../model/documents.ts';
import { readYaml } from '../yaml.ts';
import { chooseModel, ensureDaemon, isRunning, models, requireRoot } from './connect.ts';
import { showResults } from './results.ts';
import { FullStatus, statusFormats, unitsOf } from './status.ts';
import { printOnce, viewer, watch } from './watch.ts';

/** A command: its grammar as juju has it, and what it does. */
export interface Command {
  readonly usage: string;
  readonly summary: string;
  /** Returns the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const MODEL = { model: { type: 'string', short: 'm' } } as const;

/** Lists that juju takes as one word with commas, or several times. */
function list(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap((value) => value.split(',')).filter((value) => value !== '');
}

function define<const O extends ParseArgsOptionsConfig>(
  usage: string,
  summary: string,
  options: O,
  positionals: { readonly least: number; readonly most?: number },
  run: (
    call: {
      /** The model of `--model`. */
      readonly named: string | undefined;
      readonly request: (verb: string, args: unknown) => Promise<unknown>;
    },
    values: ReturnType<
      typeof parseArgs<{ options: O & typeof MODEL; allowPositionals: true; strict: true }>
    >['values'],
    words: readonly string[],
  ) => Promise<number | void>,
  makesModel = false,
): Command {
  return {
    usage,
    summary,
    run: async (args) => {
      let parsed;
      try {
        parsed = parseArgs({
          args: [...args],
          options: { ...options, ...MODEL },
          allowPositionals: true,
          strict: true,
        });
      } catch (error) {
        throw new CommandLineError(
          `${error instanceof Error ? error.message : String(error)}\nusage: juju-local ${usage}`,
        );
      }
      const { values, positionals: words } = parsed;
      if (words.length < positionals.least || words.length > (positionals.most ?? Number.POSITIVE_INFINITY)) {
        throw new CommandLineError(`usage: juju-local ${usage}`);
      }
      const named = z.object({ model: z.string().optional() }).parse(values).model;
      const request = async (verb: string, body: unknown): Promise<unknown> => {
        requireRoot();
        const model = await chooseModel(named, makesModel);
        await ensureDaemon(model, jujuOf(values));
        return ask(model, verb, body, (message) => console.error(message));
      };
      return (await run({ named, request }, values, words)) ?? 0;
    },
  };
}

/** @throws {UsageError} */
function jujuOf(values: unknown): 3 | 4 | undefined {
  const { juju } = z.object({ juju: z.string().optional() }).parse(values);
  if (juju === undefined) return undefined;
  if (/^3(\.6)?$/.test(juju)) return 3;
  if (/^4(\.[01])?$/.test(juju)) return 4;
  throw new CommandLineError(`--juju ${juju}: a model is like Juju 3.6 or like Juju 4`);
}

const MANY = { type: 'string', multiple: true } as const;
/** Which Juju a new model is like. */
const JUJU = { juju: { type: 'string' } } as const;
const FORMAT = { format: { type: 'string' } } as const;
const FORCE = {
  force: { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  'no-prompt': { type: 'boolean' },
} as const;

/** @throws {CommandLineError} */
function isForced(values: { readonly force: boolean; readonly 'no-wait': boolean }): boolean {
  if (values['no-wait'] && !values.force) throw new CommandLineError('--no-wait without --force not valid');
  return values.force;
}

export const commands: Readonly<Record<string, Command>> = {
  deploy: define(
    'deploy <bundle.yaml|charm file> [<application>] [-n N] [--to M] [--config k=v|file] [--overlay file] [--juju 3.6|4]',
    'Deploys a bundle or a local charm.',
    {
      overlay: MANY,
      config: MANY,
      to: MANY,
      'num-units': { type: 'string', short: 'n' },
      trust: { type: 'boolean' },
      ...JUJU,
    },
    { least: 1, most: 2 },
    async ({ request }, values, [path = '', name]) => {
      if (!existsSync(path))
        throw new UsageError(
          `"${path}" was not found; juju-local deploys local .charm files and bundles, by their path`,
        );
      if (/\.ya?ml$/.test(path)) {
        await request('deploy-bundle', {
          path: resolve(path),
          overlays: (values.overlay ?? []).map((file) => resolve(file)),
          trust: values.trust === true,
          juju: jujuOf(values),
        });
        console.error('Deploy of bundle completed.');
        return;
      }
      if (values.overlay) throw new CommandLineError('--overlay is for bundles');
      const units = values['num-units'];
      await request('deploy', {
        path: resolve(path),
        ...(name !== undefined && { name }),
        ...(units !== undefined && { units: count(units) }),
        to: list(values.to),
        config: await readConfig(values.config ?? [], name),
        juju: jujuOf(values),
      });
    },
    true,
  ),

  'add-model': define(
    'add-model <model> [--juju 3.6|4]',
    'Makes an empty model, like Juju 3.6 or like Juju 4; deploy makes one by itself.',
    JUJU,
    { least: 1, most: 1 },
    async (_call, values, [name]) => {
      const model = await chooseModel(name, true);
      if ((await models()).includes(model))
        throw new UsageError(`failed to create new model: model "${model}" already exists (already exists)`);
      await ensureDaemon(model, jujuOf(values));
      console.error(`Added '${model}' model on juju-local`);
    },
  ),

  status: define(
    'status [<application|unit|machine>...] [--format tabular|json|yaml|summary|line] [--relations] [--watch seconds]',
    'Shows the model, or the applications and units that you name.',
    {
      ...FORMAT,
      relations: { type: 'boolean', default: false },
      integrations: { type: 'boolean', default: false },
      watch: { type: 'string' },
    },
    { least: 0 },
    async ({ request }, { format = 'tabular', relations, integrations, watch }, selectors) => {
      const show = statusFormats[format];
      if (!show) throw new CommandLineError(unknownFormat(format));
      for (;;) {
        const status = FullStatus.parse(await request('status', { selectors }));
        const text = show(status, relations || integrations);
        if (watch === undefined) {
          process.stdout.write(text);
          return;
        }
        process.stdout.write(`\u001B[H\u001B[2J${text}`);
        await sleep(seconds(watch) * 1000);
      }
    },
  ),

  'show-unit': define(
    'show-unit <unit>... [--format yaml|json]',
    'Shows units with the databags of their relations.',
    FORMAT,
    { least: 1 },
    async ({ request }, { format = 'yaml' }, names) => print(await request('show-unit', { names }), format),
  ),

  'show-application': define(
    'show-application <application>... [--format yaml|json]',
    'Shows applications with their endpoints.',
    FORMAT,
    { least: 1 },
    async ({ request }, { format = 'yaml' }, names) =>
      print(await request('show-application', { names }), format),
  ),

  'add-unit': define(
    'add-unit <application> [-n N] [--to M]',
    'Adds units to an application.',
    { 'num-units': { type: 'string', short: 'n', default: '1' }, to: MANY },
    { least: 1, most: 1 },
    async ({ request }, values, [app]) => {
      const units = count(values['num-units']);
      if (units < 1) throw new CommandLineError('--num-units must be a positive integer');
      await request('add-unit', { app, units, to: list(values.to) });
    },
  ),

  'remove-unit': define(
    'remove-unit <unit>... [--force [--no-wait]]',
    'Removes units; --force for a unit whose machine is gone.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-unit', { names, force: isForced(values) })),
  ),

  'remove-machine': define(
    'remove-machine <machine>... [--force [--no-wait]]',
    'Removes machines; --force with all units on them, without running their hooks.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-machine', { names, force: isForced(values) })),
  ),

  'remove-application': define(
    'remove-application <application>... [--force [--no-wait]]',
    'Removes applications with all their units.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-application', {
        names,
        force: isForced(values),
        noWait: values['no-wait'],
      })),
  ),

  config: define(
    'config <application> [<option>] [<option>=<value>...] [--reset option,...] [--file file]',
    'Shows or sets options.',
    { ...FORMAT, reset: MANY, file: { type: 'string' } },
    { least: 1 },
    async ({ request }, values, [app = '', ...words]) => {
      if (values.file !== undefined) {
        const { model } = FullStatus.parse(await request('status', { selectors: [] }));
        // Seen on 4.1; `option=@file` is left.
        if (!model.version.startsWith('3.'))
          throw new CommandLineError('option provided but not defined: --file');
      }
      const assignments = words.filter((word) => word.includes('='));
      const fromFile = values.file === undefined ? {} : await readConfig([values.file], app);
      const given = { ...fromFile, ...(await readConfig(assignments, app)) };
      const reset = list(values.reset);
      if (Object.keys(given).length > 0 || reset.length > 0) {
        await request('set-config', { app, values: given, reset });
        return;
      }
      const answer = await request('get-config', { app });
      const [key] = words;
      if (key !== undefined) {
        const Settings = z.object({ settings: z.record(z.string(), z.object({ value: Scalar.optional() })) });
        const setting = Settings.parse(answer).settings[key];
        if (!setting)
          throw new UsageError(`key "${key}" not found in "${app}" application config or charm settings.`);
        console.log(String(setting.value ?? ''));
      } else print(answer, values.format ?? 'yaml');
    },
  ),

  integrate: relate('integrate'),
  relate: relate('relate'),
  'add-relation': relate('add-relation'),

  'remove-relation': define(
    'remove-relation <application>[:<endpoint>] <application>[:<endpoint>] | <relation id>',
    'Removes a relation.',
    {},
    { least: 1, most: 2 },
    async ({ request }, _values, [first = '', second]) => {
      if (second !== undefined) await request('remove-relation', { first, second });
      else await request('remove-relation', { id: count(first) });
    },
  ),

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

  refresh: define(
    'refresh <application> --path <charm file> [--force-units]',
    'Upgrades the charm of an application; with --force-units also on units in error.',
    { path: { type: 'string' }, 'force-units': { type: 'boolean', default: false } },
    { least: 1, most: 1 },
    async ({ request }, { path, 'force-units': forceUnits }, [app]) => {
      if (path === undefined) throw new UsageError('juju-local has no store: give --path');
      await request('refresh', { app, path: resolve(path), forceUnits });
    },
  ),

  'debug-log': define(
    'debug-log [-n N] [--replay] [--tail|--no-tail] [--limit N] [-l LEVEL] [-i unit] [-x unit] [--include-module M] [--exclude-module M] [--ms] [--date]',
    'Shows the log of units and charms.',
    {
      lines: { type: 'string', short: 'n', default: '10' },
      limit: { type: 'string' },
      replay: { type: 'boolean' },
      tail: { type: 'boolean' },
      'no-tail': { type: 'boolean' },
      level: { type: 'string', short: 'l', default: 'DEBUG' },
      include: { ...MANY, short: 'i' },
      exclude: { ...MANY, short: 'x' },
      'include-module': MANY,
      'exclude-module': MANY,
      ms: { type: 'boolean', default: false },
      date: { type: 'boolean', default: false },
    },
    { least: 0, most: 0 },
    async ({ request }, values) => {
      const level = values.level.toUpperCase();
      if (!LEVELS.includes(level))
        throw new UsageError(`level value "${values.level}" is not one of ${LEVELS.join(', ')}`);
      const isShown = logFilter({
        included: list(values.include),
        excluded: list(values.exclude),
        modules: list(values['include-module']),
        excludedModules: list(values['exclude-module']),
      });
      const most = values.replay === true ? Number.POSITIVE_INFINITY : count(values.lines);
      const follow = values.tail === true || (values['no-tail'] !== true && process.stdout.isTTY);
      let left = values.limit === undefined ? Number.POSITIVE_INFINITY : count(values.limit);
      let offset = 0;
      for (let isFirst = true; ; isFirst = false) {
        const read = Log.parse(await request('debug-log', { offset, level }));
        const lines = read.lines.filter(isShown);
        for (const { entity, time, level: each, module, message } of isFirst ? lines.slice(-most) : lines) {
          if (left === 0) return;
          left -= 1;
          const at = time.slice(values.date ? 0 : 11, values.ms ? 23 : 19).replace('T', ' ');
          console.log(`${entity}: ${at} ${each} ${module} ${message}`);
        }
        offset = read.offset;
        if (!follow) return;
        await sleep(500);
      }
    },
  ),

  'model-config': define(
    'model-config [<key>=<value>...]',
    'Shows or sets options of the model.',
    {},
    { least: 0 },
    async ({ request }, _values, words) => {
      const answer = await request('model-config', { values: await readConfig(words, undefined) });
      if (words.length === 0) console.log(stringify(answer).trimEnd());
    },
    true,
  ),

  ssh: define(
    'ssh <unit|machine> [<command>...]',
    'Opens a shell on a machine, or runs a command there, as root.',
    {},
    { least: 1 },
    async ({ request }, _values, [place = '', ...words]) => {
      const { machine, model } = Place.parse(await request('place', { name: place }));
      const machines = await machinesOf(model);
      if (words.length > 0) return machines.attach(machine, ['/bin/bash', '-c', words.join(' ')]);
      // script(1) gives the shell a terminal of the machine's own.
      return machines.attach(
        machine,
        process.stdin.isTTY
          ? ['/usr/bin/script', '--quiet', '--return', '--command', '/bin/bash --login', '/dev/null']
          : ['/bin/bash', '-s'],
      );
    },
  ),

  'stop-machine': define(
    'stop-machine <machine>',
    'Pulls the plug of a machine (juju has no such command).',
    {},
    { least: 1, most: 1 },
    async ({ request }, _values, [machine]) => void (await request('stop-machine', { machine })),
  ),

  'start-machine': define(
    'start-machine <machine>',
    'Boots a machine that is down (juju has no such command).',
    {},
    { least: 1, most: 1 },
    async ({ request }, _values, [machine]) => void (await request('start-machine', { machine })),
  ),

  watch: define(
    'watch [--once]',
    'Shows machines, units, who holds which address, and the last hooks, until q (juju has no such command).',
    { once: { type: 'boolean', default: false } },
    { least: 0, most: 0 },
    async ({ request }, { once }) => {
      const view = viewer(request);
      await (once || !process.stdout.isTTY ? printOnce(view) : watch(view));
    },
  ),

  wait: define(
    'wait [--timeout seconds]',
    'Waits until every unit is idle and active, and shows what changes (juju has no such command).',
    { timeout: { type: 'string', default: '900' } },
    { least: 0, most: 0 },
    ({ request }, { timeout }) => waitForActive(request, count(timeout)),
  ),

  models: define('models', 'Lists the models of this machine.', {}, { least: 0, most: 0 }, async () => {
    for (const name of await models()) console.log(name);
  }),

  'destroy-model': define(
    'destroy-model [<model>] [--no-prompt]',
    'Removes a model with all its machines, even after a crash.',
    { 'no-prompt': { type: 'boolean' }, force: { type: 'boolean' } },
    { least: 0, most: 1 },
    async ({ named }, _values, [name = named]) => {
      const model = await chooseModel(name, false);
      requireRoot();
      if (await isRunning(model)) await ask(model, 'destroy', null);
      else {
        await (await machinesOf(model)).destroy();
        await rm(modelDirectory(model), { recursive: true, force: true });
        await rm(socketPath(model), { force: true });
        await rm(`${socketPath(model)}.lock`, { force: true });
      }
      console.error(`Model "${model}" destroyed.`);
    },
  ),
};

/** Loaded here, because every other command would take longer for it. */
async function machinesOf(model: string): Promise<Machines> {
  const { nspawnMachines } = await import('../machines/nspawn.ts');
  return nspawnMachines({ model, directory: modelDirectory(model) });
}

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

const Log = z.object({
  lines: z.array(
    z.object({
      time: z.string(),
      entity: z.string(),
      level: z.string(),
      module: z.string(),
      message: z.string(),
    }),
  ),
  offset: z.int(),
});

const Place = z.object({ machine: z.string(), model: z.string() });

function relate(name: string): Command {
  return define(
    `${name} <application>[:<endpoint>] <application>[:<endpoint>]`,
    'Relates two applications.',
    {},
    { least: 2, most: 2 },
    async ({ request }, _values, [first, second]) => void (await request('integrate', { first, second })),
  );
}

/** Prints results, and returns the exit code. */
function report(answer: unknown, format: string): number {
  const output = showResults(answer, format);
  if (!output) throw new CommandLineError(unknownFormat(format));
  process.stdout.write(output.stdout);
  process.stderr.write(output.stderr);
  return output.exitCode;
}

async function waitForActive(
  request: (verb: string, args: unknown) => Promise<unknown>,
  timeout: number,
): Promise<number> {
  const end = performance.now() + timeout * 1000;
  const started = performance.now();
  const said = new Map<string, string>();
  for (;;) {
    const status = FullStatus.parse(await request('status', { selectors: [] }));
    const units = unitsOf(status);
    const say = (name: string, text: string): void => {
      if (said.get(name) === text) return;
      said.set(name, text);
      const time = String(Math.round((performance.now() - started) / 1000)).padStart(4);
      console.error(`${time}s  ${name.padEnd(20)} ${text}`);
    };
    for (const [id, machine] of Object.entries(status.machines)) {
      const { current, message = '' } = machine['machine-status'];
      if (current !== 'running') say(`machine ${id}`, `${current} ${message}`.trimEnd());
    }
    for (const { name, unit } of units) {
      const { current, message = '' } = unit['workload-status'];
      say(name, `${current} ${message}`.trimEnd());
    }
    const unsettled = z.array(z.string()).parse(await request('unsettled-units', null));
    if (units.length > 0 && unsettled.length === 0) return 0;
    if (performance.now() > end) {
      const names = unsettled.join(', ');
      console.error(`after ${timeout} s these are not active and idle: ${names || 'there are no units'}`);
      return 1;
    }
    await sleep(500);
  }
}

function print(value: unknown, format: string): void {
  if (format === 'json') console.log(JSON.stringify(value));
  else if (format === 'yaml') console.log(stringify(value).trimEnd());
  else throw new CommandLineError(unknownFormat(format));
}

function unknownFormat(format: string): string {
  return `invalid value "${format}" for option --format: unknown format "${format}"`;
}

/** An argument of an action is YAML, unless it cannot be. */
function typedArgument(text: string): unknown {
  try {
    return readYaml(text);
  } catch {
    return text;
  }
}

async function readYamlFile(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UsageError(`no file was found at "${file}"`);
  });
  return z.record(z.string(), z.unknown()).parse(readYaml(text));
}

/** Which lines of the log are asked for; a module includes those below it. */
function logFilter(chosen: {
  readonly included: readonly string[];
  readonly excluded: readonly string[];
  readonly modules: readonly string[];
  readonly excludedModules: readonly string[];
}): (line: z.infer<typeof Log>['lines'][number]) => boolean {
  const matches = (entity: string) => (name: string) => {
    const tag = name.includes('/') ? `unit-${name.replace('/', '-')}` : name;
    return entity === tag || (tag.endsWith('*') && entity.startsWith(tag.slice(0, -1)));
  };
  const covers = (module: string) => (name: string) => module === name || module.startsWith(`${name}.`);
  const { included, excluded, modules, excludedModules } = chosen;
  return ({ entity, module }) =>
    (included.length === 0 || included.some(matches(entity))) &&
    !excluded.some(matches(entity)) &&
    (modules.length === 0 || modules.some(covers(module))) &&
    !excludedModules.some(covers(module));
}

/** `key=value`, `key=@file`, or the path of a YAML file of one application's options → texts by key. */
async function readConfig(
  words: readonly string[],
  app: string | undefined,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    if (at > 0) {
      const text = word.slice(at + 1);
      values[word.slice(0, at)] = text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text;
      continue;
    }
    const all = await readYamlFile(word);
    const own = app !== undefined && app in all ? z.record(z.string(), z.unknown()).parse(all[app]) : all;
    for (const [key, value] of Object.entries(own)) values[key] = String(value);
  }
  return values;
}

/** `5`, `5s`, `2m`, `1h` → seconds. */
function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (!match) throw new CommandLineError(`"${text}" is no duration such as 5s`);
  return Number(match[1]) * ({ h: 3600, m: 60 }[match[2] ?? 's'] ?? 1);
}

/** How long a command waits for its tasks; below zero for ever. */
function waitOf(text: string): { readonly wait?: number } {
  return text.startsWith('-') ? {} : { wait: seconds(text) };
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new CommandLineError(`"${text}" is not a number`);
  return number;
}
