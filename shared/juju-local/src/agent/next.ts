import type { Operation, Relation, Unit, UnitRelation } from '../model/documents.ts';
import type { Model } from '../model/model.ts';

type Hook = Extract<Operation, { kind: 'hook' }>;

/** What may run beside hooks, waiting in the order in which it was asked for. */
export interface Waiting {
  readonly tasks: readonly Operation[];
  readonly isUpdateStatusDue: boolean;
}

/**
 * What a unit runs next, in Juju's own order (internal/worker/uniter/resolver.go): created relations, leadership,
 * secrets, actions, then removal, installation, upgrade, configuration, relations. Relations are in the order
 * that `shuffle` gives them, because Juju promises none; peers come last.
 */
export function nextOperation(
  model: Model,
  unit: Unit,
  waiting: Waiting,
  shuffle: <T>(items: readonly T[]) => T[],
): Operation | undefined {
  const [task] = waiting.tasks;
  if (unit.failed) return task;
  const relations = model.relationsOf(unit.app).filter((relation) => model.hasHooks(relation, unit));
  if (unit.installed && !unit.stopped) {
    const created = relations.find(
      (relation) =>
        relation.life === 'alive' && unit.life === 'alive' && unit.relations[relation.id]?.created !== true,
    );
    if (created) return relationHook(model, unit, created, 'created');
    if (model.isLeader(unit) && !unit.elected) return hook('leader-elected');
    const secret = changedSecret(model, unit);
    if (secret) return secret;
    if (task) return task;
  }
  if (unit.life === 'dying') return nextOfDying(model, unit, relations);
  if (!unit.installed) return hook('install');
  if (unit.charm !== model.application(unit.app).charm.digest) return hook('upgrade-charm');
  if (unit.configSeen !== model.configDigest(unit)) return hook('config-changed');
  if (!unit.started) return hook('start');
  const peersLast = [
    ...shuffle(relations.filter((relation) => !isPeer(relation))),
    ...relations.filter(isPeer),
  ];
  for (const relation of peersLast) {
    const next = nextOfRelation(model, unit, relation);
    if (next) return next;
  }
  return waiting.isUpdateStatusDue ? hook('update-status') : undefined;
}

function nextOfDying(model: Model, unit: Unit, relations: readonly Relation[]): Operation | undefined {
  for (const relation of relations) {
    const next = nextOfRelation(model, unit, relation);
    if (next) return next;
  }
  if (model.subordinatesOf(unit.name).length > 0) return undefined;
  if (unit.started && !unit.stopped) return hook('stop');
  return hook('remove');
}

function nextOfRelation(model: Model, unit: Unit, relation: Relation): Operation | undefined {
  const seen = unit.relations[relation.id];
  if (!seen?.created || seen.broken) return undefined;
  const isLeaving = relation.life === 'dying' || unit.life === 'dying';
  const remotes = isLeaving ? [] : model.remoteUnits(relation, unit);
  const next = seen.changedNext;
  if (next !== undefined && remotes.includes(next))
    return relationHook(model, unit, relation, 'changed', next);
  const departed = Object.keys(seen.members)
    .sort()
    .find((name) => !remotes.includes(name));
  if (departed !== undefined) return relationHook(model, unit, relation, 'departed', departed);
  if (isLeaving) return isPeer(relation) ? undefined : relationHook(model, unit, relation, 'broken');
  if ((relation.versions[model.remoteApp(relation, unit.app)] ?? 0) > seen.appVersion) {
    return relationHook(model, unit, relation, 'changed');
  }
  const joined = remotes.find((name) => !(name in seen.members));
  if (joined !== undefined) return relationHook(model, unit, relation, 'joined', joined);
  const changed = remotes.find((name) => (relation.versions[name] ?? 0) > (seen.members[name] ?? 0));
  return changed === undefined ? undefined : relationHook(model, unit, relation, 'changed', changed);
}

function changedSecret(model: Model, unit: Unit): Hook | undefined {
  for (const secret of model.secrets.values()) {
    const consumer = secret.consumers[unit.name];
    const latest = secret.revisions.at(-1)?.number ?? 0;
    if (!consumer || secret.owner === unit.name || secret.owner === unit.app) continue;
    if (latest > consumer.revision && latest > (unit.secretsSeen[secret.id] ?? 0)) {
      return { kind: 'hook', name: 'secret-changed', secret: secret.id, version: latest };
    }
  }
  return undefined;
}

/** What a hook that has succeeded means for its unit, beside what its charm asked for. */
export function afterHook(model: Model, unit: Unit, operation: Hook): void {
  const { name, secret, version } = operation;
  if (operation.relation !== undefined) return afterRelationHook(model, unit, operation);
  switch (name) {
    case 'install':
      unit.installed = true;
      for (const relation of model.relationsOf(unit.app)) {
        if (relation.life === 'alive') model.enterScope(unit, relation);
      }
      return;
    case 'start':
      unit.started = true;
      return;
    case 'stop':
      unit.stopped = true;
      return;
    case 'leader-elected':
      unit.elected = true;
      return;
    case 'secret-changed':
      if (secret !== undefined && version !== undefined) unit.secretsSeen[secret] = version;
  }
}

function afterRelationHook(
  model: Model,
  unit: Unit,
  { name, relation: id = -1, remoteUnit, version = 0 }: Hook,
): void {
  const relation = model.relations.get(id);
  if (!relation) return;
  const seen = (unit.relations[id] ??= emptyRelation());
  if (name.endsWith('-created')) seen.created = true;
  else if (name.endsWith('-broken')) {
    seen.broken = true;
    model.leaveScope(unit, relation);
  } else if (remoteUnit === undefined) seen.appVersion = version;
  else if (name.endsWith('-joined')) {
    seen.members[remoteUnit] = 0;
    seen.changedNext = remoteUnit;
  } else if (name.endsWith('-departed')) {
    delete seen.members[remoteUnit];
    if (seen.changedNext === remoteUnit) delete seen.changedNext;
  } else {
    seen.members[remoteUnit] = version;
    if (seen.changedNext === remoteUnit) delete seen.changedNext;
  }
}

function relationHook(
  model: Model,
  unit: Unit,
  relation: Relation,
  suffix: 'created' | 'joined' | 'changed' | 'departed' | 'broken',
  remoteUnit?: string,
): Hook {
  const remoteApp = model.remoteApp(relation, unit.app);
  return {
    kind: 'hook',
    name: `${model.ownEndpoint(relation, unit.app).name}-relation-${suffix}`,
    relation: relation.id,
    remoteApp,
    ...(remoteUnit !== undefined && { remoteUnit }),
    ...(suffix === 'departed' && { departingUnit: unit.life === 'dying' ? unit.name : (remoteUnit ?? '') }),
    version: relation.versions[remoteUnit ?? remoteApp] ?? 0,
  };
}

function isPeer(relation: Relation): boolean {
  return relation.endpoints.length === 1;
}

function emptyRelation(): UnitRelation {
  return { created: false, members: {}, appVersion: 0, broken: false };
}

function hook(name: string): Hook {
  return { kind: 'hook', name };
}
