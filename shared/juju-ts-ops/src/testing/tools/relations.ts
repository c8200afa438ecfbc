import type { Charmcraft } from '../../charmcraft.ts';
import type { RawBag } from '../../databag.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import type { RelationState } from '../state.ts';
import {
  ANY,
  APP,
  FILE,
  filled,
  isAppName,
  isUnitName,
  keyValues,
  mapIn,
  parse,
  Refusal,
  RELATION,
} from './command-line.ts';
import { entry, format, FORMAT, OLD_FORMAT } from './format.ts';
import { OWN_ADDRESS } from './network.ts';

/** Relations and their databags. */
export function relationTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;

  function appBag(relation: RelationState<C>, app: string): RawBag {
    if (app === relation.app) return relation.appData ?? {};
    // Juju 4 does not look who asks.
    if (app === hook.app && (before.isLeader || hook.isJuju4)) return relation.ownAppData ?? {};
    throw new Refusal(1, denied());
  }

  function denied(): string {
    return hook.isJuju4 ? 'permission denied (unauthorized access)' : 'permission denied';
  }

  /** What Juju 4 says of a relation that was removed by force and is still listed. */
  function whyLost(isOwnApp: boolean): string {
    return isOwnApp ? denied() : 'getting regular relation by key: relation not found';
  }

  function unitBag({ id, units = {}, localUnitData }: RelationState<C>, unit: string): RawBag {
    const isOwn = unit === before.unit;
    const bag = isOwn ? (localUnitData ?? {}) : units[unit];
    if (!bag)
      throw new Refusal(
        1,
        `cannot read settings for unit "${unit}" in relation "${id}": unit "${unit}": settings not found`,
      );
    const names = Object.keys(units);
    const address = isOwn ? OWN_ADDRESS : `192.0.2.${100 + (id % 10) * 10 + names.indexOf(unit)}`;
    return {
      'ingress-address': address,
      'egress-subnets': `${address}/${address.includes(':') ? 128 : 32}`,
      ...(!hook.isJuju4 && { 'private-address': address }),
      ...bag,
    };
  }

  return {
    'relation-ids': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const endpoint = positionals[0] ?? hook.eventRelation()?.endpoint;
      if (endpoint === undefined) throw new Refusal(2, 'no endpoint name specified');
      const ids = hook.pending.relations
        .filter((relation) => relation.endpoint === endpoint && !hook.isBroken(relation.id))
        .map(({ id }) => `${endpoint}:${id}`)
        .sort();
      return format(ids, values);
    },

    'relation-list': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION, ...APP }, 0);
      const relation = hook.relation(values.relation);
      if (values.app) return format(relation.app, values);
      return format(hook.isBroken(relation.id) ? [] : hook.membersOf(relation), values);
    },

    'relation-get': (args) => {
      const { values, positionals } = parse(args, { ...FORMAT, ...RELATION, ...APP }, 2);
      const relation = hook.relation(values.relation);
      const [key = '', named] = positionals;
      if (named !== undefined && !values.app && !isUnitName(named))
        throw new Refusal(
          2,
          isAppName(named)
            ? `expected unit name, got application name "${named}"`
            : `invalid unit name "${named}"`,
        );
      // Without a name it is whoever the hook is about, also where `-r` names another relation.
      const unit = values.app ? undefined : (named ?? hook.eventUnit());
      const app = unit === undefined ? (named?.split('/')[0] ?? hook.eventRelation()?.app) : undefined;
      const owner = unit ?? app;
      if (owner === undefined) throw new Refusal(2, 'no unit or application specified');
      if (relation.isLost) throw new Refusal(1, whyLost(owner === hook.app));
      const bag = unit === undefined ? appBag(relation, owner) : unitBag(relation, unit);
      return format(['', '-'].includes(key) ? bag : entry(bag, key), values);
    },

    'relation-set': (args, stdin) => {
      const { values, positionals } = parse(args, { ...OLD_FORMAT, ...RELATION, ...APP, ...FILE }, ANY);
      const relation = hook.relation(values.relation);
      const over = keyValues(positionals);
      const changes = { ...mapIn(values.file, stdin), ...over };
      if (values.app && !before.isLeader) throw new Refusal(1, 'cannot write relation settings');
      if (relation.isLost) throw new Refusal(1, `cannot read relation settings: ${whyLost(values.app)}`);
      const bag = values.app ? (hook.isPeer(relation) ? 'appData' : 'ownAppData') : 'localUnitData';
      const changed = filled({ ...relation[bag], ...changes });
      hook.pending.relations = hook.pending.relations.map((other) =>
        other.id === relation.id ? { ...other, [bag]: changed } : other,
      );
      return '';
    },

    'relation-model-get': (args) => {
      const { values } = parse(args, { ...FORMAT, ...RELATION }, 0);
      return format({ uuid: hook.relation(values.relation).modelUuid ?? before.model.uuid }, values);
    },
  };
}
