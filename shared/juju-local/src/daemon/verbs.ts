import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LEVELS, type ModelLog } from '../agent/log.ts';
import type { Scheduler } from '../agent/scheduler.ts';
import { newTask, shellOf, type Task } from '../agent/task.ts';
import { readBundle } from '../bundle/bundle.ts';
import { addUnits, checkPlace, deployBundle } from './deploy.ts';
import type { CharmStore } from '../charm/archive.ts';
import { effectiveOptions, parseOption } from '../charm/options.ts';
import { UsageError } from '../errors.ts';
import { heldAddresses } from '../machines/held.ts';
import type { Machines } from '../machines/machines.ts';
import type { Relation, Unit } from '../model/documents.ts';
import { describeEndpoints } from '../model/endpoints.ts';
import type { Model } from '../model/model.ts';
import { actionParams, setPath } from '../charm/actions.ts';
import { describeApplication, describeUnit, fullStatus, workloadOf } from './status.ts';

/** What the verbs work on. */
export interface Daemon {
  readonly model: Model;
  readonly scheduler: Scheduler;
  readonly machines: Machines;
  readonly charms: CharmStore;
  readonly log: ModelLog;
  /** Operating system of the machines. */
  readonly base: { readonly name: string; readonly channel: string };
}

/** How long a command waits for its tasks, in seconds, which stay in their units' queues; absent: for ever. */
const Wait = z.number().nonnegative().optional();

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

const Juju = z.union([z.literal(3), z.literal(4)]).optional();
const Names = z.object({ names: z.array(z.string()).min(1) });
const Pair = z.object({ first: z.string(), second: z.string() });

export const verbs: Readonly<Record<string, Verb>> = {
  ping: verb(z.unknown(), () => true),

  status: verb(z.object({ selectors: z.array(z.string()) }), ({ model, base }, { selectors }) =>
    fullStatus(model, base, selectors),
  ),

  'show-unit': verb(Names, ({ model, base }, { names }) =>
    Object.fromEntries(names.map((name) => [name, describeUnit(model, model.unit(name), base)])),
  ),

  'show-application': verb(Names, ({ model, base }, { names }) =>
    Object.fromEntries(names.map((name) => [name, describeApplication(model.application(name), base)])),
  ),

  place: verb(z.object({ name: z.string() }), ({ model }, { name }) => {
    const machine = model.machine(name.includes('/') ? unitOrLeader(model, name).machine : name);
    if (machine.state !== 'started') throw new UsageError(`machine ${machine.id} is ${machine.state}`);
    return { machine: machine.id, model: model.settings.name };
  }),

  deploy: verb(
    z.object({
      path: z.string(),
      name: z.string().optional(),
      units: z.int().min(0).optional(),
      to: z.array(z.string()),
      config: z.record(z.string(), z.string()),
      juju: Juju,
    }),
    async ({ model, machines, charms }, { path, name, units, to, config, juju }, progress) => {
      requireJuju(model, juju);
      await requireMachines(machines);
      const charm = model.revisionOf(await charms.read(path));
      const appName = name ?? charm.metadata.name;
      if (!/^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$/.test(appName))
        throw new UsageError(`invalid application name "${appName}"`);
      const options = Object.entries(config).map(
        ([key, value]) => [key, parseOption(charm, key, value)] as const,
      );
      if (charm.metadata.subordinate && (units !== undefined || to.length > 0)) {
        throw new UsageError('cannot use --num-units or --to with subordinate application');
      }
      for (const place of to) checkPlace(model, place);
      model.addApplication(appName, charm, Object.fromEntries(options));
      progress(
        `Deploying "${appName}" from local charm "${charm.metadata.name}", revision ${charm.revision}`,
      );
      if (!charm.metadata.subordinate) addUnits(model, appName, units ?? 1, to);
    },
  ),

  'deploy-bundle': verb(
    z.object({ path: z.string(), overlays: z.array(z.string()), trust: z.boolean(), juju: Juju }),
    async ({ model, machines, charms }, { path, overlays, trust, juju }, progress) => {
      requireJuju(model, juju);
      await requireMachines(machines);
      const bundle = await readBundle(path, overlays, progress);
      const untrusted = [...bundle.applications].filter(([, app]) => app.trust && !trust);
      if (untrusted.length > 0) {
        const names = untrusted.map(([name]) => `  - ${name}`).join('\n');
        throw new UsageError(
          `bundle cannot be deployed without trusting applications with your cloud credentials.\nPlease repeat the deploy command with the --trust argument if you consent to trust the following application(s):\n${names}`,
        );
      }
      const read = await Promise.all(
        [...bundle.applications].map(async ([name, { charm }]) => [name, await charms.read(charm)] as const),
      );
      deployBundle(model, bundle, new Map(read), progress);
    },
  ),

  'add-unit': verb(
    z.object({ app: z.string(), units: z.int().min(1), to: z.array(z.string()) }),
    ({ model }, { app, units, to }) => {
      const { charm, life } = model.application(app);
      if (charm.metadata.subordinate) {
        throw new UsageError(`cannot add unit to application "${app}": application is a subordinate`);
      }
      if (life === 'dying')
        throw new UsageError(
          `cannot add unit to application "${app}": application is not found or not alive`,
        );
      for (const place of to) checkPlace(model, place);
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
        if (force && model.isJuju4) {
          await scheduler.forceRemoveAlone(unit);
          continue;
        }
        for (const { name } of model.subordinatesOf(unit.name)) progress(`- will remove unit ${name}`);
        model.destroyUnit(unit);
        if (force) await scheduler.forceRemove(unit);
      }
    },
  ),

  'remove-machine': verb(
    Names.extend({ force: z.boolean() }),
    async ({ model, scheduler }, { names, force }, progress) => {
      const machines = names.map((name) => {
        const { id } = model.machine(name);
        return { id, units: [...model.units.values()].filter(({ machine }) => machine === id) };
      });
      for (const { id, units } of machines) {
        const [unit] = units;
        if (unit && !force)
          throw new UsageError(`removing machine failed: machine ${id} has unit "${unit.name}" assigned`);
      }
      for (const { id, units } of machines) {
        progress(`will remove machine ${id}`);
        for (const { name } of units) progress(`- will remove unit ${name}`);
        await scheduler.forceRemoveMachine(id);
      }
    },
  ),

  'remove-application': verb(
    Names.extend({ force: z.boolean(), noWait: z.boolean() }),
    async ({ model, scheduler }, { names, force, noWait }, progress) => {
      for (const app of names.map((name) => model.application(name))) {
        progress(`will remove application ${app.name}`);
        for (const { name } of model.unitsOf(app.name)) progress(`- will remove unit ${name}`);
        if (force && noWait && model.isJuju4) model.loseRelations(app);
        model.destroyApplication(app);
        if (force) for (const unit of model.unitsOf(app.name)) await scheduler.forceRemove(unit);
      }
    },
  ),

  integrate: verb(Pair, ({ model }, { first, second }) => void model.relate(first, second)),

  'remove-relation': verb(z.union([Pair, z.object({ id: z.int() })]), ({ model }, args) => {
    const relation = 'id' in args ? model.relations.get(args.id) : relationNamed(model, args);
    if (!relation) throw new UsageError(`relation ${'id' in args ? args.id : ''} not found`);
    if (relation.endpoints.length === 1) throw new UsageError('a peer relation cannot be removed');
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
      params: z.record(z.string(), z.unknown()),
      wait: Wait,
    }),
    ({ model, scheduler }, { units, action, params, wait }, progress) => {
      const operation = model.settings.nextTask;
      model.settings.nextTask += 1;
      const problems: string[] = [];
      const tasks = units.flatMap((name) => {
        try {
          const unit = unitOrLeader(model, name);
          const checked = actionParams(model.application(unit.app).charm, action, params);
          return [newTask(model, unit, { kind: 'action', name: action, task: '' }, { params: checked })];
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          problems.push(error.message);
          return [];
        }
      });
      // There is an operation, which fails; juju exits with 0 all the same (cmd/juju/action/common.go).
      if (tasks.length === 0) {
        progress(`Operation ${operation} failed to schedule any tasks:\n${problems.join('\n')}`);
        return {};
      }
      progress(`Running operation ${operation} with ${tasks.length} task${tasks.length === 1 ? '' : 's'}`);
      for (const { id, unit } of tasks) progress(`  - task ${id} on unit-${unit.replace('/', '-')}`);
      if (problems.length > 0) progress(`Some actions could not be scheduled:\n${problems.join('\n')}\n`);
      return runAll(scheduler, tasks, wait);
    },
  ),

  exec: verb(
    z.object({
      units: z.array(z.string()),
      apps: z.array(z.string()),
      all: z.boolean(),
      argv: z.array(z.string()).min(1),
      wait: Wait,
    }),
    ({ model, scheduler }, { units, apps, all, argv, wait }) => {
      const chosen = all
        ? [...model.units.values()]
        : [
            ...units.map((name) => unitOrLeader(model, name)),
            ...apps.flatMap((app) => model.unitsOf(model.application(app).name)),
          ];
      if (chosen.length === 0) throw new UsageError('no units: give --unit, --application or --all');
      const tasks = chosen.map((unit) =>
        newTask(model, unit, { kind: 'exec', task: '' }, { argv: shellOf(argv) }),
      );
      return runAll(scheduler, tasks, wait);
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

  resolved: verb(
    z.object({ names: z.array(z.string()), all: z.boolean(), noRetry: z.boolean() }),
    async ({ model, scheduler }, { names, all, noRetry }) => {
      const units = all
        ? [...model.units.values()].filter(({ failed }) => failed)
        : names.map((name) => model.unit(name));
      for (const unit of units) {
        if (!unit.failed) throw new UsageError(`unit "${unit.name}" is not in an error state`);
        await scheduler.resolve(unit, noRetry);
      }
    },
  ),

  refresh: verb(
    z.object({ app: z.string(), path: z.string(), forceUnits: z.boolean() }),
    async ({ model, scheduler, charms }, { app: name, path, forceUnits }, progress) => {
      const app = model.application(name);
      const charm = await charms.read(path);
      if (charm.metadata.name !== app.charm.metadata.name) {
        throw new UsageError(`cannot upgrade "${app.charm.metadata.name}" to "${charm.metadata.name}"`);
      }
      if (charm.metadata.subordinate !== app.charm.metadata.subordinate)
        throw new UsageError("cannot change an application's subordinacy");
      model.upgrade(app, model.revisionOf(charm));
      progress(`Added local charm "${charm.metadata.name}", revision ${app.charm.revision}, to the model`);
      if (forceUnits) for (const unit of model.unitsOf(name)) await scheduler.forceUpgrade(unit);
    },
  ),

  addresses: verb(z.unknown(), ({ machines }) => heldAddresses(machines)),

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
      for (const [key, value] of Object.entries(values)) checkModelOption(key, value);
      Object.assign(model.settings.config, values);
      return { ...model.settings.config, subnet: await machines.subnet() };
    },
  ),

  // In one answer: a unit may become idle as it becomes blocked. What has lost its principal no status shows.
  'unsettled-units': verb(z.unknown(), ({ model, scheduler }) =>
    [...model.units.values()]
      .filter(({ principal }) => principal === undefined || model.units.has(principal))
      .filter((unit) => workloadOf(model, unit).current !== 'active' || !scheduler.isIdle(unit))
      .map(({ name }) => name),
  ),

  'stop-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOff(machine),
  ),
  'start-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOn(machine),
  ),

  destroy: verb(z.unknown(), async ({ scheduler, machines }) => {
    scheduler.stop();
    // What is being made meanwhile may be in its way: a disk is mounted in a folder that is about to go.
    await machines.destroy().catch(() => undefined);
    // That has noticed by now; its leftovers go too.
    await scheduler.settled();
    await machines.destroy();
  }),
};

function relationNamed(model: Model, { first, second }: z.infer<typeof Pair>): Relation {
  const { endpoints } = model.inferRelation(first, second);
  const relation = model.findRelation(endpoints);
  if (!relation) throw new UsageError(`relation "${describeEndpoints(endpoints)}" not found`);
  return relation;
}

/** @throws {UsageError} when the model is like another Juju than the one that is asked for. */
function requireJuju({ settings }: Model, wanted: 3 | 4 | undefined): void {
  if (wanted === undefined || wanted === settings.juju) return;
  throw new UsageError(
    `model "${settings.name}" is like Juju ${settings.juju === 3 ? '3.6' : '4'} since it was made: --juju is for a new one`,
  );
}

/** @throws {UsageError} with what this host lacks. */
async function requireMachines(machines: Machines): Promise<void> {
  const missing = await machines.missing();
  if (missing.length > 0) throw new UsageError(`this host cannot run machines:\n  ${missing.join('\n  ')}`);
}

/** What `model-config` takes, and what a value of each looks like. */
const MODEL_OPTIONS: Readonly<Record<string, { readonly pattern: RegExp; readonly example: string }>> = {
  'update-status-hook-interval': { pattern: /^\d+[smh]$/, example: '5m' },
  'automatically-retry-hooks': { pattern: /^(true|false)$/, example: 'false' },
  'machine-mounts': { pattern: /^$|^\/[^:,]*(:\/[^:,]*)?(,\/[^:,]*(:\/[^:,]*)?)*$/, example: '/srv:/srv' },
};

/** @throws {UsageError} */
function checkModelOption(key: string, value: string): void {
  const option = MODEL_OPTIONS[key];
  if (!option)
    throw new UsageError(`unknown model option "${key}": there are ${Object.keys(MODEL_OPTIONS).join(', ')}`);
  if (!option.pattern.test(value))
    throw new UsageError(`${key} looks like ${option.example}, not "${value}"`);
}

function unitOrLeader(model: Model, name: string): Unit {
  const [app = '', number] = name.split('/');
  if (number !== 'leader') return model.unit(name);
  const { leader } = model.application(app);
  if (leader === undefined) throw new UsageError(`could not determine leader for "${app}"`);
  return model.unit(leader);
}

/**
 * Runs tasks and gives what `juju run --format json` gives.
 * @throws {UsageError} naming those that have not come to an end in time, in the words of cmd/juju/action/common.go
 */
async function runAll(scheduler: Scheduler, tasks: readonly Task[], wait?: number) {
  const missing = new Set(tasks);
  for (const task of tasks) {
    scheduler.addTask(task);
    void task.finished.then(() => missing.delete(task));
  }
  const all = Promise.all(tasks.map(({ finished }) => finished));
  if (wait === undefined) await all;
  else {
    const ended = new AbortController();
    await Promise.race([all, sleep(wait * 1000, undefined, { signal: ended.signal })]);
    ended.abort();
  }
  if (missing.size > 0) {
    const receivers = [...missing].map(({ unit }) => `unit ${unit}`).sort();
    throw new UsageError(`timed out waiting for results from: ${receivers.join(', ')}`);
  }
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
          ...(exitCode !== undefined && { 'return-code': exitCode }),
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

function nested(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(flat)) setPath(result, path.split('.'), value);
  return result;
}
