import type { Charmcraft } from '../../charmcraft.ts';
import type { RawBag } from '../../databag.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, parse, Refusal } from './command-line.ts';
import { entry, format, FORMAT, PLAIN_FORMATS, YAML } from './format.ts';

/** What the model has for the unit: storage, resources, the units that there are going to be, the cloud. */
export function modelTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;

  /** The peers that are in Juju's records, with their databags. */
  function livingPeers(): readonly (readonly [string, RawBag])[] {
    return before.relations
      .filter((relation) => hook.isPeer(relation))
      .flatMap(({ units = {}, gone = [] }) => Object.entries(units).filter(([name]) => !gone.includes(name)));
  }

  /** The units of this application that `goal-state` tells of. A subordinate hears of none, not even of itself. */
  function goalUnits(): readonly string[] {
    const { unit, principalUnit, plannedUnits } = before;
    if (principalUnit !== undefined) return [];
    const gone = before.relations.flatMap((relation) => relation.gone ?? []);
    const living = new Set([unit, ...livingPeers().map(([name]) => name)]);
    for (let number = 0; living.size < plannedUnits; number += 1)
      if (!gone.includes(`${hook.app}/${number}`)) living.add(`${hook.app}/${number}`);
    return [...living].sort();
  }

  /** The units of an application that the peers say they ride on. */
  function goalPrincipals(app: string): readonly string[] {
    return livingPeers().flatMap(([, { principal = '' }]) =>
      principal.startsWith(`${app}/`) ? [principal] : [],
    );
  }

  return {
    'storage-list': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [name = ''] = positionals;
      const instances = before.storage.map(({ instance }) => instance);
      return format(
        instances.filter((instance) => name === '' || instance.startsWith(`${name}/`)),
        values,
      );
    },

    'storage-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, storage: { type: 'string', short: 's' } }, 1);
      const wanted = values.storage ?? hook.eventStorage();
      if (wanted === undefined) throw new Refusal(2, 'no storage instance specified');
      const storage = before.storage.find(({ instance }) => instance === wanted);
      if (!storage) throw new Refusal(2, `invalid value "${wanted}" for option -s: storage not found`);
      const attributes = { kind: storage.kind ?? 'filesystem', location: storage.location };
      const [name = ''] = positionals;
      if (name === '') return format(attributes, values);
      if (!(name in attributes)) throw new Refusal(1, `invalid storage attribute "${name}"`);
      return format(entry(attributes, name), values);
    },

    'storage-add': (args) => {
      const { positionals } = parse(args, {}, ANY);
      if (positionals.length === 0) throw new Refusal(2, 'storage add requires a storage directive');
      for (const [name = '', count = '1'] of positionals.map((arg) => arg.split('='))) {
        if (!/^[1-9]\d*$/.test(count)) throw new Refusal(2, `only count can be specified for "${name}"`);
        if (!(name in (hook.charmcraft.storage ?? {})))
          hook.refuseAtEnd(`adding storage to unit ${before.unit}: charm storage "${name}" not found`);
        hook.storageAdded[name] = (hook.storageAdded[name] ?? 0) + Number(count);
      }
      return '';
    },

    'resource-get': (args) => {
      const [name] = parse(args, {}, 1).positionals;
      if (name === undefined) throw new Refusal(2, 'missing required resource name');
      const path = before.resources[name];
      if (path === undefined)
        throw new Refusal(1, `could not download resource: resource#${hook.app}/${name} not found`);
      return path;
    },

    'goal-state': (args) => {
      const { values } = parse(args, YAML, 0);
      const since = '2026-01-01 00:00:00Z';
      const departing = hook.departingUnit();
      const unitStatus = (name: string) => ({ status: name === departing ? 'dying' : 'active', since });
      const units = goalUnits().map((name) => [name, unitStatus(name)] as const);
      const relations: Record<string, Record<string, unknown>> = {};
      for (const relation of hook.pending.relations.filter((other) => !hook.isPeer(other))) {
        relations[relation.endpoint] = {
          ...relations[relation.endpoint],
          [relation.app]: { status: 'joined', since },
          ...Object.fromEntries(
            [...Object.keys(relation.units ?? {}), ...goalPrincipals(relation.app)].map((name) => [
              name,
              unitStatus(name),
            ]),
          ),
        };
      }
      return format({ units: Object.fromEntries(units), relations }, values, PLAIN_FORMATS);
    },

    'credential-get': (args) => {
      const { values } = parse(args, FORMAT, 0);
      const { cloud } = before;
      if (!cloud) throw new Refusal(1, 'cannot access cloud credentials: permission denied');
      const { type, name, region = '', endpoint = '', authType = '', attributes = {} } = cloud;
      const credential = { 'auth-type': authType, attrs: attributes };
      return format({ type, name, region, endpoint, credential }, values);
    },
  };
}
