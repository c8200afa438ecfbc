import { z } from 'zod';
import { readBundle } from '../../bundle/bundle.ts';
import { effectiveOptions, parseOption } from '../../charm/options.ts';
import { UsageError } from '../../errors.ts';
import type { Machines } from '../../machines/machines.ts';
import type { Model } from '../../model/model.ts';
import { addUnits, checkPlace, deployBundle } from '../deploy.ts';
import { verb } from '../verb.ts';

const Juju = z.union([z.literal(3), z.literal(4)]).optional();

export const applicationVerbs = {
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
};

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
