import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { parse as parseYaml, stringify } from 'yaml';
import { z } from 'zod';
import { LEVELS } from '../agent/log.ts';
import { ask, modelDirectory } from '../daemon/protocol.ts';
import { UsageError } from '../errors.ts';
import { Scalar } from '../model/documents.ts';
import { nspawnMachines } from '../machines/nspawn.ts';
import { chooseModel, ensureDaemon, isRunning, models } from './connect.ts';
import { FullStatus, tabularStatus, unitsOf } from './status.ts';

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
    call: { readonly model: string; readonly request: (verb: string, args: unknown) => Promise<unknown> },
    values: ReturnType<
      typeof parseArgs<{ options: O & typeof MODEL; allowPositionals: true; strict: true }>
    >['values'],
    words: readonly string[],
  ) => Promise<number | void>,
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
        throw new UsageError(
          `${error instanceof Error ? error.message : String(error)}\nusage: juju-local ${usage}`,
        );
      }
      const { values, positionals: words } = parsed;
      if (words.length < positionals.least || words.length > (positionals.most ?? Number.POSITIVE_INFINITY)) {
        throw new UsageError(`usage: juju-local ${usage}`);
      }
      const named = z.object({ model: z.string().optional() }).parse(values).model;
      const model = await chooseModel(named);
      const request = async (verb: string, body: unknown): Promise<unknown> => {
        await ensureDaemon(model);
        return ask(model, verb, body, (message) => console.error(message));
      };
      return (await run({ model, request }, values, words)) ?? 0;
    },
  };
}

const MANY = { type: 'string', multiple: true } as const;
const FORMAT = { format: { type: 'string' } } as const;

export const commands: Readonly<Record<string, Command>> = {
  deploy: define(
    'deploy <bundle.yaml|charm file> [<application>] [-n N] [--to M] [--config k=v|file] [--overlay file]',
    'Deploys a bundle or a local charm.',
    {
      overlay: MANY,
      config: MANY,
      to: MANY,
      'num-units': { type: 'string', short: 'n' },
      trust: { type: 'boolean' },
      force: { type: 'boolean' },
      base: { type: 'string' },
      'dry-run': { type: 'boolean' },
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
        });
        console.error('Deploy of bundle completed.');
        return;
      }
      const units = values['num-units'];
      await request('deploy', {
        path: resolve(path),
        ...(name !== undefined && { name }),
        ...(units !== undefined && { units: count(units) }),
        to: list(values.to),
        config: await readConfig(values.config ?? [], name),
      });
    },
  ),

  status: define(
    'status [--format tabular|json|yaml] [--relations]',
    'Shows the model.',
    { ...FORMAT, relations: { type: 'boolean' }, integrations: { type: 'boolean' } },
    { least: 0 },
    async ({ request }, { format = 'tabular', relations, integrations }) => {
      const answer = await request('status', null);
      if (format === 'json') console.log(JSON.stringify(answer));
      else if (format === 'yaml') console.log(stringify(answer).trimEnd());
      else if (format === 'tabular')
        process.stdout.write(
          tabularStatus(FullStatus.parse(answer), relations === true || integrations === true),
        );
      else throw new UsageError(`unknown format "${format}"`);
    },
  ),

  'add-unit': define(
    'add-unit <application> [-n N] [--to M]',
    'Adds units to an application.',
    { 'num-units': { type: 'string', short: 'n', default: '1' }, to: MANY },
    { least: 1, most: 1 },
    async ({ request }, values, [app]) => {
      await request('add-unit', { app, units: count(values['num-units']), to: list(values.to) });
    },
  ),

  'remove-unit': define(
    'remove-unit <unit>... [--force]',
    'Removes units; --force for a unit whose machine is gone.',
    {
      force: { type: 'boolean', default: false },
      'no-prompt': { type: 'boolean' },
      'no-wait': { type: 'boolean' },
    },
    { least: 1 },
    async ({ request }, { force }, names) => void (await request('remove-unit', { names, force })),
  ),

  'remove-application': define(
    'remove-application <application>...',
    'Removes applications with all their units.',
    { force: { type: 'boolean' }, 'no-prompt': { type: 'boolean' } },
    { least: 1 },
    async ({ request }, _values, names) => void (await request('remove-application', { names })),
  ),

  config: define(
    'config <application> [<option>] [<option>=<value>...] [--reset option,...] [--file file]',
    'Shows or sets options.',
    { ...FORMAT, reset: MANY, file: { type: 'string' } },
    { least: 1 },
    async ({ request }, values, [app = '', ...words]) => {
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
      } else console.log(values.format === 'json' ? JSON.stringify(answer) : stringify(answer).trimEnd());
    },
  ),

  integrate: relate('integrate'),
  relate: relate('relate'),
  'add-relation': relate('add-relation'),

  'remove-relation': define(
    'remove-relation <application>[:<endpoint>] <application>[:<endpoint>]',
    'Takes a relation away.',
    { force: { type: 'boolean' } },
    { least: 2, most: 2 },
    async ({ request }, _values, [first, second]) =>
      void (await request('remove-relation', { first, second })),
  ),

  run: define(
    'run <unit|application/leader>... <action> [<key>=<value>...] [--format plain|json|yaml]',
    'Runs an action and shows its results.',
    { ...FORMAT, wait: { type: 'string' }, params: { type: 'string' } },
    { least: 2 },
    async ({ request }, values, words) => {
      const units = words.filter((word) => word.includes('/') && !word.includes('='));
      const [action, ...rest] = words.slice(units.length);
      const fromFile = values.params === undefined ? {} : await readConfig([values.params], undefined);
      const answer = await request('run', {
        units,
        action,
        params: { ...fromFile, ...(await readConfig(rest, undefined)) },
      });
      return showResults(answer, values.format ?? 'plain');
    },
  ),

  exec: {
    usage: 'exec (--unit u,... | --application a,... | --all) -- <command>',
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
      showResults(await request('run-hook', { unit, hook }), format),
  ),

  resolved: define(
    'resolved <unit>... [--no-retry]',
    'Tries a failed hook again, or skips it.',
    { 'no-retry': { type: 'boolean', default: false } },
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('resolved', { names, noRetry: values['no-retry'] })),
  ),

  refresh: define(
    'refresh <application> --path <charm file>',
    'Gives an application a newer charm.',
    { path: { type: 'string' }, 'force-units': { type: 'boolean' } },
    { least: 1, most: 1 },
    async ({ request }, { path }, [app]) => {
      if (path === undefined) throw new UsageError('juju-local has no store: give --path');
      await request('refresh', { app, path: resolve(path) });
    },
  ),

  'debug-log': define(
    'debug-log [-n N] [--replay] [--tail] [--level L] [--include unit]',
    'Shows what units and charms have said.',
    {
      lines: { type: 'string', short: 'n', default: '10' },
      replay: { type: 'boolean' },
      tail: { type: 'boolean' },
      'no-tail': { type: 'boolean' },
      level: { type: 'string', short: 'l', default: 'INFO' },
      include: { ...MANY, short: 'i' },
    },
    { least: 0, most: 0 },
    async ({ request }, values) => {
      const level = values.level.toUpperCase();
      if (!LEVELS.includes(level))
        throw new UsageError(`level value "${values.level}" is not one of ${LEVELS.join(', ')}`);
      const included = list(values.include).map((name) =>
        name.includes('/') ? `unit-${name.replace('/', '-')}` : name,
      );
      const most = values.replay === true ? Number.POSITIVE_INFINITY : count(values.lines);
      const follow = values.tail === true || (values['no-tail'] !== true && process.stdout.isTTY);
      let offset = 0;
      for (let isFirst = true; ; isFirst = false) {
        const read = Log.parse(await request('debug-log', { offset, level }));
        const lines = read.lines.filter(
          ({ entity }) => included.length === 0 || included.some((name) => matches(entity, name)),
        );
        for (const { entity, time, level: each, module, message } of isFirst ? lines.slice(-most) : lines) {
          console.log(`${entity}: ${time.slice(11, 19)} ${each} ${module} ${message}`);
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
  ),

  ssh: define(
    'ssh <unit|machine> [<command>...]',
    'Runs a command on a machine, as root.',
    {},
    { least: 1 },
    async ({ model, request }, _values, [place = '', ...words]) => {
      const status = FullStatus.parse(await request('status', null));
      const machine = place.includes('/') ? machineOf(status, place) : place;
      const machines = nspawnMachines({ model, directory: modelDirectory(model) });
      const argv =
        words.length === 0 ? (['/bin/bash', '-s'] as const) : (['/bin/bash', '-c', words.join(' ')] as const);
      const { exitCode } = await machines.run(machine, argv, {
        onStdoutLine: (line) => console.log(line),
        onStderrLine: (line) => console.error(line),
        ...(words.length === 0 && { stdin: await readStdin() }),
      });
      return exitCode ?? 1;
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

  wait: define(
    'wait [--timeout seconds]',
    'Waits until every unit is idle and active, saying what changes (juju has no such command).',
    { timeout: { type: 'string', default: '900' } },
    { least: 0, most: 0 },
    ({ request }, { timeout }) => waitForActive(request, count(timeout)),
  ),

  models: define('models', 'Lists the models of this machine.', {}, { least: 0, most: 0 }, async () => {
    for (const name of await models()) console.log(name);
  }),

  'destroy-model': define(
    'destroy-model [<model>] [--no-prompt]',
    'Removes a model with all its machines, also after a crash.',
    { 'no-prompt': { type: 'boolean' }, force: { type: 'boolean' } },
    { least: 0, most: 1 },
    async ({ model: chosen }, _values, [named]) => {
      const model = await chooseModel(named ?? chosen);
      if (await isRunning(model)) await ask(model, 'destroy', null);
      else {
        await nspawnMachines({ model, directory: modelDirectory(model) }).destroy();
        await rm(modelDirectory(model), { recursive: true, force: true });
      }
      console.error(`Model "${model}" destroyed.`);
    },
  ),
};

const execute = define(
  'exec (--unit u,... | --application a,... | --all) -- <command>',
  '',
  {
    ...FORMAT,
    unit: { ...MANY, short: 'u' },
    application: { ...MANY, short: 'a' },
    app: MANY,
    all: { type: 'boolean', default: false },
  },
  { least: 1 },
  async ({ request }, values, argv) => {
    const apps = [...list(values.application), ...list(values.app)];
    return showResults(
      await request('exec', { units: list(values.unit), apps, all: values.all, argv }),
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

const Results = z.record(
  z.string(),
  z.looseObject({
    id: z.string(),
    status: z.string(),
    message: z.string().optional(),
    log: z.array(z.string()).default([]),
    results: z.looseObject({
      'return-code': z.int().optional(),
      stdout: z.string().default(''),
      stderr: z.string().default(''),
    }),
  }),
);

function relate(name: string): Command {
  return define(
    `${name} <application>[:<endpoint>] <application>[:<endpoint>]`,
    'Relates two applications.',
    {},
    { least: 2, most: 2 },
    async ({ request }, _values, [first, second]) => void (await request('integrate', { first, second })),
  );
}

/** Prints results as juju does; the exit code is 1 only if a process failed. */
function showResults(answer: unknown, format: string): number {
  const results = Results.parse(answer);
  if (format === 'json') console.log(JSON.stringify(results));
  else if (format === 'yaml') console.log(stringify(results).trimEnd());
  else {
    const isAlone = Object.keys(results).length === 1;
    for (const [unit, { id, status, message, log, results: values }] of Object.entries(results)) {
      const { 'return-code': _code, stdout, stderr, ...own } = values;
      if (!isAlone) console.log(`${unit}:`);
      for (const line of log) console.log(line);
      if (Object.keys(own).length > 0) console.log(stringify(own).trimEnd());
      if (stdout !== '') process.stdout.write(stdout.endsWith('\n') ? stdout : `${stdout}\n`);
      if (stderr !== '') process.stderr.write(stderr.endsWith('\n') ? stderr : `${stderr}\n`);
      if (status === 'failed') console.error(`Action id ${id} failed: ${message ?? ''}`);
    }
  }
  return Object.values(results).some(({ results: values }) => (values['return-code'] ?? 0) !== 0) ? 1 : 0;
}

async function waitForActive(
  request: (verb: string, args: unknown) => Promise<unknown>,
  timeout: number,
): Promise<number> {
  const end = Date.now() + timeout * 1000;
  const started = Date.now();
  const said = new Map<string, string>();
  for (;;) {
    const status = FullStatus.parse(await request('status', null));
    const units = unitsOf(status);
    for (const { name, unit } of units) {
      const { current, message } = unit['workload-status'];
      const text = `${current} ${message}`.trimEnd();
      if (said.get(name) === text) continue;
      said.set(name, text);
      const seconds = String(Math.round((Date.now() - started) / 1000)).padStart(4);
      console.error(`${seconds}s  ${name.padEnd(20)} ${text}`);
    }
    const idle = new Set(z.array(z.string()).parse(await request('idle-units', null)));
    const isActive = units.every(({ unit }) => unit['workload-status'].current === 'active');
    if (units.length > 0 && isActive && units.every(({ name }) => idle.has(name))) return 0;
    if (Date.now() > end) {
      console.error(`after ${timeout} s not all units are active`);
      return 1;
    }
    await sleep(500);
  }
}

function machineOf(status: FullStatus, name: string): string {
  for (const app of Object.values(status.applications)) {
    for (const [principal, unit] of Object.entries(app.units)) {
      if (principal === name || name in unit.subordinates) return unit.machine ?? '';
    }
  }
  throw new UsageError(`unit "${name}" not found`);
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
    const Config = z.record(z.string(), z.unknown());
    const all = Config.parse(parseYaml(await readFile(word, 'utf8')));
    const own = app !== undefined && app in all ? Config.parse(all[app]) : all;
    for (const [key, value] of Object.entries(own)) values[key] = String(value);
  }
  return values;
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new UsageError(`"${text}" is not a number`);
  return number;
}

function matches(entity: string, name: string): boolean {
  return entity === name || (name.endsWith('*') && entity.startsWith(name.slice(0, -1)));
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
