import type { Operation, Relation, Secret, Unit, UnitRelation } from '../model/documents.ts';
import type { Model } from '../model/model.ts';
import { leaveScope } from '../model/removal.ts';

export type Hook = Extract<Operation, { kind: 'hook' }>;

/** What may run beside hooks, waiting in the order in which it was asked for. */
export interface Waiting {
  readonly tasks: readonly Operation[];
  readonly isUpdateStatusDue: boolean;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** How long an owner that ignores `secret-expired` or `secret-rotate` is left alone, in milliseconds. */
const REMINDER = 300_000;

const HOUR = 3_600_000;
/** How often a secret is rotated, in milliseconds, by what `--rotate` says (core/secrets/rotate.go). */
export const ROTATION: Readonly<Record<string, number>> = {
  hourly: HOUR,
  daily: 24 * HOUR,
  weekly: 7 * 24 * HOUR,
  monthly: 30 * 24 * HOUR,
  quarterly: 91 * 24 * HOUR,
  yearly: 365 * 24 * HOUR,
};

/**
 * What a unit runs next, in Juju's own order (internal/worker/uniter/resolver.go): reboot, created relations,
 * leadership, secrets, actions, then removal, installation, upgrade, configuration, relations. Relations are in the
 * order that `shuffle` gives them, because Juju promises none; peers come last, but for the removal of an application in
 * Juju 4.
 */
export function nextOperation(
  model: Model,
  unit: Unit,
  waiting: Waiting,
  shuffle: <T>(items: readonly T[]) => T[],
): Operation | undefined {
  const [task] = waiting.tasks;
  if (unit.failed) return task;
  if (unit.rebooted) return hook('start');
  // Queued behind the first config-changed: nothing comes between the two.
  if (unit.installed && !unit.started && unit.configSeen !== undefined) return hook('start');
  const own = model.relationsOf(unit.app).filter((relation) => model.hasHooks(relation, unit));
  const others = shuffle(own.filter((relation) => !isPeer(relation)));
  const peers = own.filter(isPeer);
  const relations = breaksPeers(model, unit) ? [...peers, ...others] : [...others, ...peers];
  if (unit.installed && !unit.stopped) {
    const first =
      createdRelation(model, unit, relations) ??
      leadershipHook(model, unit) ??
      secretHook(model, unit, waiting.time) ??
      task;
    if (first) return first;
  }
  if (unit.life === 'dying') return nextOfDying(model, unit, relations);
  if (!unit.installed) return hook('install');
  if (unit.charm !== model.application(unit.app).charm.digest) return hook('upgrade-charm');
  if (unit.configSeen !== model.configDigest(unit)) return hook('config-changed');
  for (const relation of relations) {
    const next = nextOfRelation(model, unit, relation);
    if (next) return next;
  }
  return waiting.isUpdateStatusDue ? hook('update-status') : undefined;
}

function createdRelation(model: Model, unit: Unit, relations: readonly Relation[]): Hook | undefined {
  if (unit.life === 'dying') return undefined;
  const created = relations.find(
    ({ id, life, isLost }) => life === 'alive' && !isLost && !unit.relations[id]?.created,
  );
  return created && relationHook(model, unit, created, 'created');
}

/** Juju 3 tells all others of what the leader has set, and at first that there is a leader; Juju 4 does not. */
function leadershipHook(model: Model, unit: Unit): Hook | undefined {
  const { leader, leaderSettingsVersion } = model.application(unit.app);
  if (leader === undefined || unit.life === 'dying') return undefined;
  if (leader === unit.name) return unit.elected ? undefined : hook('leader-elected');
  if (model.isJuju4 || unit.leaderSettingsSeen === leaderSettingsVersion) return undefined;
  return { ...hook('leader-settings-changed'), version: leaderSettingsVersion };
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

function nextOfRelation(model: Model, unit: Unit, relation: Relation): Hook | undefined {
  const seen = unit.relations[relation.id];
  if (relation.isLost || !seen?.created || seen.broken) return undefined;
  // Promised with -joined, even if the unit has left since.
  if (seen.changedNext !== undefined) return relationHook(model, unit, relation, 'changed', seen.changedNext);
  const isEnding = relation.life === 'dying' || unit.life === 'dying';
  const remotes = isEnding ? [] : model.remoteUnits(relation, unit);
  const departed = Object.keys(seen.members)
    .sort()
    .find((name) => !remotes.includes(name) && (isEnding || !seen.untold?.includes(name)));
  if (departed !== undefined) return relationHook(model, unit, relation, 'departed', departed);
  if (isEnding) {
    if (isPeer(relation) && !breaksPeers(model, unit)) return undefined;
    return relationHook(model, unit, relation, 'broken');
  }
  if ((relation.versions[model.remoteApp(relation, unit.app)] ?? 0) > seen.appVersion) {
    return relationHook(model, unit, relation, 'changed');
  }
  const joined = remotes.find((name) => !(name in seen.members));
  if (joined !== undefined) return relationHook(model, unit, relation, 'joined', joined);
  const changed = remotes.find((name) => (relation.versions[name] ?? 0) > (seen.members[name] ?? 0));
  return changed === undefined ? undefined : relationHook(model, unit, relation, 'changed', changed);
}

function secretHook(model: Model, unit: Unit, time: number): Hook | undefined {
  const secrets = [...model.secrets.values()];
  const owned = secrets.filter(
    ({ owner }) => owner === unit.name || (owner === unit.app && model.isLeader(unit)),
  );
  const about = (name: string, { id }: Secret, version: number): Hook => ({
    ...hook(name),
    secret: id,
    version,
  });
  for (const secret of owned) {
    const isToldNow = secret.expiryTold !== undefined && time - Date.parse(secret.expiryTold) < REMINDER;
    if (isDue(secret.expire, time) && !isToldNow) return about('secret-expired', secret, latest(secret));
  }
  for (const secret of owned)
    if (isDue(secret.nextRotate, time)) return about('secret-rotate', secret, latest(secret));
  for (const secret of secrets) {
    const consumer = secret.consumers[unit.name];
    if (!consumer || secret.owner === unit.name || secret.owner === unit.app) continue;
    const newest = latest(secret);
    if (newest > consumer.revision && newest > (unit.secretsSeen[secret.id] ?? 0))
      return about('secret-changed', secret, newest);
  }
  for (const secret of owned) {
    const read = new Set(Object.values(secret.consumers).map(({ revision }) => revision));
    const orphan = secret.revisions.find(
      ({ number, isRemovalTold }) => number !== latest(secret) && !read.has(number) && !isRemovalTold,
    );
    if (orphan) return about('secret-remove', secret, orphan.number);
  }
  return undefined;
}

function isDue(date: string | undefined, time: number): boolean {
  return date !== undefined && Date.parse(date) <= time;
}

function latest({ revisions }: Secret): number {
  return revisions.at(-1)?.number ?? 0;
}

/** What a hook that has succeeded means for its unit, beside what its charm asked for. */
export function afterHook(model: Model, unit: Unit, operation: Hook, time: number): void {
  const { name, version } = operation;
  if (operation.relation !== undefined) return afterRelationHook(model, unit, operation);
  if (operation.secret !== undefined) return afterSecretHook(model, unit, operation, time);
  switch (name) {
    case 'install':
      unit.installed = true;
      for (const relation of model.relationsOf(unit.app)) model.enterScope(unit, relation);
      return;
    case 'start':
      unit.started = true;
      unit.rebooted = false;
      if (unit.workload.message === 'installing charm software')
        unit.workload = { ...unit.workload, current: 'unknown', message: '' };
      return;
    case 'upgrade-charm':
      delete unit.configSeen; // a config-changed always follows
      return;
    case 'stop':
      unit.stopped = true;
      unit.workload = { ...unit.workload, current: 'maintenance', message: '' };
      return;
    case 'leader-elected':
      unit.elected = true;
      return;
    case 'leader-settings-changed':
      unit.leaderSettingsSeen = version;
  }
}

function afterSecretHook(
  model: Model,
  unit: Unit,
  { name, secret: id = '', version = 0 }: Hook,
  time: number,
) {
  const secret = model.secrets.get(id);
  if (!secret) return;
  switch (name) {
    case 'secret-changed':
      unit.secretsSeen[id] = version;
      return;
    case 'secret-expired':
      if (latest(secret) === version) secret.expiryTold = new Date(time).toISOString();
      return;
    case 'secret-rotate': {
      const period = latest(secret) > version ? (ROTATION[secret.rotate ?? ''] ?? REMINDER) : REMINDER;
      if (secret.nextRotate !== undefined) secret.nextRotate = new Date(time + period).toISOString();
      return;
    }
    case 'secret-remove':
      for (const revision of secret.revisions) if (revision.number === version) revision.isRemovalTold = true;
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
    leaveScope(model, unit, relation);
  } else if (remoteUnit === undefined) seen.appVersion = version;
  else if (name.endsWith('-joined')) {
    seen.members[remoteUnit] = 0;
    seen.changedNext = remoteUnit;
  } else if (name.endsWith('-departed')) {
    delete seen.members[remoteUnit];
  } else {
    seen.members[remoteUnit] = version;
    delete seen.changedNext;
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

/** In Juju 4 the removal of an application breaks its peer relations, and before all others. */
function breaksPeers(model: Model, { app }: Unit): boolean {
  return model.isJuju4 && model.application(app).life === 'dying';
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
