import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import type { Task } from '../agent/context.ts';
import { LEVELS, type ModelLog } from '../agent/log.ts';
import type { Scheduler } from '../agent/scheduler.ts';
import { readBundle } from '../bundle/bundle.ts';
import { readArchive } from '../charm/archive.ts';
import { checkOption, effectiveOptions, parseOption } from '../charm/options.ts';
import { UsageError } from '../errors.ts';
import type { Machines } from '../machines/machines.ts';
import type { Operation, Scalar, Unit } from '../model/documents.ts';
import { describeEndpoints, now, type Model } from '../model/model.ts';
import { fullStatus } from './status.ts';

/** What the verbs work on. */
export interface Daemon {
  readonly model: Model;
  readonly scheduler: Scheduler;
  readonly machines: Machines;
  readonly log: ModelLog;
  /** Operating system of the machines. */
  readonly base: { readonly name: string; readonly channel: string };
}

type Verb = (daemon: Daemon, args: unknown, progress: (message: string) => void) => Promise<unknown>;

/** Checks the arguments of a verb before it runs. */
function verb<T>(
  schema: z.ZodType<T>,
  run: (daemon: Daemon, args: T, progress: (message: string) => void) => unknown,
): Verb {
  return async (daemon, args, progress) => {
    const answer = await run(daemon, schema.parse(args), progress);
    daemon.scheduler.wake();
    return answer;
  };
}

const Names = z.object({ names: z.array(z.string()).min(1) });
const Pair = z.object({ first: z.string(), second: z.string() });

export const verbs: Readonly<Record<string, Verb>> = {
  ping: verb(z.unknown(), () => true),

  status: verb(z.unknown(), ({ model, base }) => fullStatus(model, base)),

  deploy: verb(
    z.object({
      path: z.string(),
      name: z.string().optional(),
      units: z.int().min(0).optional(),
      to: z.array(z.string()),
      config: z.record(z.string(), z.string()),
    }),
    async ({ model }, { path, name, units, to, config }, progress) => {
      const charm = model.revisionOf(await readArchive(path));
      const appName = name ?? charm.metadata.name;
      const options = Object.entries(config).map(
        ([key, value]) => [key, parseOption(charm, key, value)] as const,
      );
      if (charm.metadata.subordinate && units !== undefined) {
        throw new UsageError('cannot use --num-units or --to with subordinate application');
      }
      model.addApplication(appName, charm, Object.fromEntries(options));
      progress(
        `Deploying "${appName}" from local charm "${charm.metadata.name}", revision ${charm.revision}`,
      );
      if (!charm.metadata.subordinate) addUnits(model, appName, units ?? 1, to);
    },
  ),

  'deploy-bundle': verb(
    z.object({ path: z.string(), overlays: z.array(z.string()) }),
    async ({ model }, { path, overlays }, progress) => {
      const bundle = await readBundle(path, overlays);
      const charms = new Map(
        await Promise.all(
          [...bundle.applications].map(
            async ([name, { charm }]) => [name, await readArchive(charm)] as const,
          ),
        ),
      );
      // Everything is checked before anything is changed.
      const options = new Map<string, Record<string, Scalar>>();
      for (const [name, app] of bundle.applications) {
        const charm = charms.get(name);
        if (!charm) continue;
        if (charm.metadata.subordinate && app.numUnits > 0)
          throw new UsageError(`application "${name}" is a subordinate and has no units of its own`);
        const info = { ...charm, revision: 0 };
        const values = Object.entries(app.options).map(
          ([key, value]) => [key, checkOption(info, key, value)] as const,
        );
        options.set(name, Object.fromEntries(values));
      }
      for (const [name] of bundle.applications) {
        const charm = charms.get(name);
        if (!charm) continue;
        const existing = model.applications.get(name);
        if (existing) {
          Object.assign(existing.options, options.get(name));
          continue;
        }
        model.addApplication(name, model.revisionOf(charm), options.get(name) ?? {});
        progress(`- deploy application ${name}`);
      }
      const machines = new Map(bundle.machines.map((name) => [name, model.addMachine()]));
      for (const [first, second] of bundle.relations) {
        const { endpoints } = model.inferRelation(first, second);
        if (model.findRelation(endpoints)) continue;
        model.relate(first, second);
        progress(`- add relation ${first} - ${second}`);
      }
      for (const [name, { numUnits, to }] of bundle.applications) {
        const missing = numUnits - model.unitsOf(name).length;
        const places = to.map((place) => machines.get(place) ?? place);
        if (missing > 0 && !charms.get(name)?.metadata.subordinate) addUnits(model, name, missing, places);
        for (let count = 0; count < missing; count += 1) progress(`- add unit of ${name}`);
      }
    },
  ),

  'add-unit': verb(
    z.object({ app: z.string(), units: z.int().min(1), to: z.array(z.string()) }),
    ({ model }, { app, units, to }) => {
      if (model.application(app).charm.metadata.subordinate) {
        throw new UsageError(`cannot add unit to application "${app}": application is a subordinate`);
      }
      addUnits(model, app, units, to);
    },
  ),

  'remove-unit': verb(
    Names.extend({ force: z.boolean() }),
    async ({ model, scheduler }, { names, force }, progress) => {
      const units = names.map((name) => model.unit(name));
      const subordinate = units.find(({ principal }) => principal !== undefined);
      if (subordinate)
        throw new UsageError(`unit "${subordinate.name}" is a subordinate, to remove use remove-relation`);
      for (const unit of units) {
        progress(`will remove unit ${unit.name}`);
        model.destroyUnit(unit);
        if (force) await scheduler.forceRemove(unit);
      }
    },
  ),

  'remove-application': verb(Names, ({ model }, { names }, progress) => {
    for (const app of names.map((name) => model.application(name))) {
      progress(`will remove application ${app.name}`);
      model.destroyApplication(app);
    }
  }),

  integrate: verb(Pair, ({ model }, { first, second }) => void model.relate(first, second)),

  'remove-relation': verb(Pair, ({ model }, { first, second }) => {
    const { endpoints } = model.inferRelation(first, second);
    const relation = model.findRelation(endpoints);
    if (!relation) throw new UsageError(`relation "${describeEndpoints(endpoints)}" not found`);
    model.destroyRelation(relation);
  }),

  'get-config': verb(z.object({ app: z.string() }), ({ model }, { app: name }) => {
    const { charm, options } = model.application(name);
    const effective = effectiveOptions(charm, options);
    const settings = Object.entries(charm.options).map(([key, { type, default: initial, description }]) => [
      key,
      {
        ...(initial !== undefined && initial !== null && { default: initial }),
        description,
        source: key in options ? 'user' : initial === undefined || initial === null ? 'unset' : 'default',
        type,
        ...(effective[key] !== undefined && { value: effective[key] }),
      },
    ]);
    return { application: name, charm: charm.metadata.name, settings: Object.fromEntries(settings) };
  }),

  'set-config': verb(
    z.object({ app: z.string(), values: z.record(z.string(), z.string()), reset: z.array(z.string()) }),
    ({ model }, { app: name, values, reset }) => {
      const app = model.application(name);
      const parsed = Object.entries(values).map(
        ([key, value]) => [key, parseOption(app.charm, key, value)] as const,
      );
      for (const key of reset)
        if (!(key in app.charm.options)) throw new UsageError(`unknown option "${key}"`);
      Object.assign(app.options, Object.fromEntries(parsed));
      for (const key of reset) delete app.options[key];
    },
  ),

  run: verb(
    z.object({
      units: z.array(z.string()).min(1),
      action: z.string(),
      params: z.record(z.string(), z.string()),
    }),
    ({ model, scheduler }, { units, action, params }) => {
      const tasks = units.map((name) => {
        const unit = unitOrLeader(model, name);
        return newTask(
          model,
          unit,
          { kind: 'action', name: action, task: '' },
          actionParams(model, unit, action, params),
        );
      });
      return runAll(scheduler, tasks);
    },
  ),

  exec: verb(
    z.object({
      units: z.array(z.string()),
      apps: z.array(z.string()),
      all: z.boolean(),
      argv: z.array(z.string()).min(1),
    }),
    ({ model, scheduler }, { units, apps, all, argv }) => {
      const chosen = all
        ? [...model.units.values()]
        : [
            ...units.map((name) => unitOrLeader(model, name)),
            ...apps.flatMap((app) => model.unitsOf(model.application(app).name)),
          ];
      if (chosen.length === 0) throw new UsageError('no units: give --unit, --application or --all');
      // Juju hands commands to a shell, so that `juju exec --unit x 'a | b'` works.
      const script = argv.length === 1 ? (argv[0] ?? '') : argv.map(quote).join(' ');
      const tasks = chosen.map((unit) =>
        newTask(model, unit, { kind: 'exec', task: '' }, {}, ['/bin/bash', '-c', script]),
      );
      return runAll(scheduler, tasks);
    },
  ),

  'run-hook': verb(
    z.object({ unit: z.string(), hook: z.string() }),
    ({ model, scheduler }, { unit, hook }) => {
      const lifecycle = [
        'install',
        'start',
        'config-changed',
        'update-status',
        'leader-elected',
        'upgrade-charm',
      ];
      if (!lifecycle.includes(hook)) throw new UsageError(`run-hook runs one of: ${lifecycle.join(', ')}`);
      return runAll(scheduler, [newTask(model, model.unit(unit), { kind: 'hook', name: hook })]);
    },
  ),

  resolved: verb(Names.extend({ noRetry: z.boolean() }), ({ model, scheduler }, { names, noRetry }) => {
    for (const unit of names.map((name) => model.unit(name))) {
      if (!unit.failed) throw new UsageError(`unit "${unit.name}" is not in an error state`);
      scheduler.resolve(unit, noRetry);
    }
  }),

  refresh: verb(
    z.object({ app: z.string(), path: z.string() }),
    async ({ model }, { app: name, path }, progress) => {
      const app = model.application(name);
      const charm = await readArchive(path);
      if (charm.metadata.name !== app.charm.metadata.name) {
        throw new UsageError(`cannot upgrade "${app.charm.metadata.name}" to "${charm.metadata.name}"`);
      }
      app.charm = model.revisionOf(charm);
      for (const key of Object.keys(app.options)) if (!(key in app.charm.options)) delete app.options[key];
      progress(`Added local charm "${charm.metadata.name}", revision ${app.charm.revision}, to the model`);
    },
  ),

  'debug-log': verb(
    z.object({ offset: z.int().min(0), level: z.string() }),
    async ({ log }, { offset, level }) => {
      const least = LEVELS.indexOf(level);
      const read = await log.read(offset);
      return { ...read, lines: read.lines.filter((line) => LEVELS.indexOf(line.level) >= least) };
    },
  ),

  'model-config': verb(
    z.object({ values: z.record(z.string(), z.string()) }),
    async ({ model, machines }, { values }) => {
      Object.assign(model.settings.config, values);
      return { ...model.settings.config, subnet: await machines.subnet() };
    },
  ),

  'idle-units': verb(z.unknown(), ({ model, scheduler }) =>
    [...model.units.values()].filter((unit) => scheduler.isIdle(unit)).map(({ name }) => name),
  ),

  'stop-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOff(machine),
  ),
  'start-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOn(machine),
  ),

  destroy: verb(z.unknown(), async ({ scheduler, machines }) => {
    scheduler.stop();
    await machines.destroy();
  }),
};

function addUnits(model: Model, app: string, count: number, to: readonly string[]): void {
  for (let index = 0; index < count; index += 1) {
    const place = to[Math.min(index, to.length - 1)] ?? 'new';
    if (place !== 'new' && !model.machines.has(place)) throw new UsageError(`machine ${place} not found`);
    model.addUnit(app, place === 'new' ? model.addMachine() : place);
  }
}

function unitOrLeader(model: Model, name: string): Unit {
  const [app = '', number] = name.split('/');
  if (number !== 'leader') return model.unit(name);
  const { leader } = model.application(app);
  if (leader === undefined) throw new UsageError(`could not determine leader for "${app}"`);
  return model.unit(leader);
}

/** Parses parameters by the action's schema, and adds defaults. @throws {UsageError} */
function actionParams(model: Model, unit: Unit, name: string, given: Readonly<Record<string, string>>) {
  const { actions, metadata } = model.application(unit.app).charm;
  const action = actions[name];
  if (!action) throw new UsageError(`action "${name}" not defined on charm "${metadata.name}"`);
  const params: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(action.params))
    if (schema.default !== undefined) params[key] = schema.default;
  for (const [key, text] of Object.entries(given)) {
    const schema = action.params[key];
    if (!schema && !action.additionalProperties)
      throw new UsageError(`additional property "${key}" is not allowed`);
    params[key] = schema?.type === 'string' ? text : parseYaml(text);
  }
  for (const key of action.required)
    if (!(key in params))
      throw new UsageError(`validation failed: "${key}" property is missing and required`);
  return params;
}

function newTask(
  model: Model,
  unit: Unit,
  operation: Operation,
  params: Readonly<Record<string, unknown>> = {},
  argv?: readonly [string, ...string[]],
): Task {
  const id = String(model.settings.nextTask);
  model.settings.nextTask += 1;
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    id,
    unit: unit.name,
    operation: operation.kind === 'hook' ? operation : { ...operation, task: id },
    params,
    ...(argv && { argv }),
    status: 'pending',
    results: {},
    log: [],
    stdout: '',
    stderr: '',
    enqueued: now(),
    finished: promise,
    finish: resolve,
  };
}

/** Runs tasks and gives what `juju run --format json` gives. */
async function runAll(scheduler: Scheduler, tasks: readonly Task[]) {
  for (const task of tasks) scheduler.addTask(task);
  await Promise.all(tasks.map(({ finished }) => finished));
  const results = tasks.map((task) => {
    const {
      id,
      unit,
      status,
      results: own,
      message,
      log,
      exitCode,
      stdout,
      stderr,
      enqueued,
      started,
      completed,
    } = task;
    return [
      unit,
      {
        id,
        status,
        unit,
        results: {
          ...nested(own),
          'return-code': exitCode,
          ...(stdout !== '' && { stdout }),
          ...(stderr !== '' && { stderr }),
        },
        ...(message !== undefined && { message }),
        ...(log.length > 0 && { log }),
        timing: { enqueued, started, completed },
      },
    ];
  });
  return Object.fromEntries(results);
}

/** `a.b=c` → `{ a: { b: c } }` */
function nested(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(flat)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let place: Record<string, unknown> = result;
    for (const key of keys) {
      const next: Record<string, unknown> = z.record(z.string(), z.unknown()).catch({}).parse(place[key]);
      place[key] = next;
      place = next;
    }
    place[last] = value;
  }
  return result;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
