// How applications, units and relations go, and what goes with them.
import type { Application, Relation, Unit } from './documents.ts';
import type { Model } from './model.ts';

/** Starts the removal of a unit; what rides on it goes first. */
export function destroyUnit(model: Model, unit: Unit): void {
  unit.life = 'dying';
  for (const subordinate of model.subordinatesOf(unit.name)) subordinate.life = 'dying';
}

export function destroyRelation(model: Model, relation: Relation): void {
  relation.life = 'dying';
  if (relation.scope === 'container') {
    for (const { app } of relation.endpoints) {
      for (const unit of model.unitsOf(app)) if (!hasReasonToStay(model, unit)) destroyUnit(model, unit);
    }
  }
  removeIfDead(model, relation);
}

/** A subordinate stays while a relation in container scope ties it to its principal's application. */
function hasReasonToStay(model: Model, { app, principal }: Unit): boolean {
  if (principal === undefined) return true;
  const [host] = principal.split('/');
  return model
    .relationsOf(app)
    .some(
      (relation) =>
        relation.scope === 'container' &&
        relation.life === 'alive' &&
        model.remoteApp(relation, app) === host,
    );
}

export function destroyApplication(model: Model, app: Application): void {
  app.life = 'dying';
  for (const unit of model.unitsOf(app.name)) destroyUnit(model, unit);
  for (const relation of model.relationsOf(app.name))
    if (relation.endpoints.length > 1) destroyRelation(model, relation);
  removeDeadApplications(model);
}

/**
 * What `remove-application --force --no-wait` does on Juju 4 before the units go: the relations are deleted, and the
 * agents at their other ends go on as if they were there.
 */
export function loseRelations(model: Model, app: Application): void {
  for (const relation of model.relationsOf(app.name).filter(({ endpoints }) => endpoints.length > 1)) {
    relation.isLost = true;
    relation.units = relation.units.filter((name) => model.units.get(name)?.app !== app.name);
    dropGrants(model, relation);
    if (relation.units.length === 0) model.relations.delete(relation.id);
  }
}

/** What an agent that starts again finds out: which relations and peers are gone. */
export function restartAgent(model: Model, unit: Unit): void {
  for (const relation of model.relationsOf(unit.app).filter(({ isLost }) => isLost)) {
    delete unit.relations[relation.id];
    leaveScope(model, unit, relation);
  }
  for (const seen of Object.values(unit.relations)) delete seen.untold;
}

export function leaveScope(model: Model, unit: Unit, relation: Relation): void {
  relation.units = relation.units.filter((name) => name !== unit.name);
  if (relation.isLost && relation.units.length === 0) model.relations.delete(relation.id);
  removeIfDead(model, relation);
}

function dropGrants(model: Model, relation: Relation): void {
  for (const secret of model.secrets.values())
    secret.grants = secret.grants.filter((grant) => grant.relation !== relation.id);
}

/**
 * Whether Juju 4 deletes a unit although its last hooks have not run: one that goes, has left its last relation, and
 * has no peer relation to keep it.
 */
export function isDeletedEarly(model: Model, unit: Unit): boolean {
  if (!model.isJuju4 || unit.life !== 'dying' || model.subordinatesOf(unit.name).length > 0) return false;
  const hasPeers = Object.keys(model.application(unit.app).charm.metadata.peers).length > 0;
  const seen = Object.entries(unit.relations);
  const isIn = seen.some(([id, { broken }]) => !broken && model.relations.has(Number(id)));
  return !hasPeers && seen.length > 0 && !isIn;
}

function removeIfDead(model: Model, relation: Relation): void {
  if (relation.life !== 'dying') return;
  const waits = [...model.units.values()].some((unit) => {
    const seen = unit.relations[relation.id];
    return seen?.created === true && !seen.broken;
  });
  if (waits) return;
  model.relations.delete(relation.id);
  dropGrants(model, relation);
  removeDeadApplications(model);
}

/** Forgets a unit that is dead, and its machine if nothing else is on it: the id of that machine. */
export function removeUnit(model: Model, unit: Unit): string | undefined {
  model.units.delete(unit.name);
  if (model.isJuju4) hideRemoval(model, unit);
  for (const relation of model.relationsOf(unit.app)) leaveScope(model, unit, relation);
  for (const secret of model.secrets.values()) {
    if (secret.owner === unit.name) model.secrets.delete(secret.id);
    else delete secret.consumers[unit.name];
  }
  const app = model.applications.get(unit.app);
  if (app?.leader === unit.name) delete app.leader;
  removeDeadApplications(model);
  const isEmpty = [...model.units.values()].every(({ machine }) => machine !== unit.machine);
  if (!isEmpty) return undefined;
  model.machines.delete(unit.machine);
  return unit.machine;
}

/** Juju 4 does not tell the others of a removed unit in their peer relations (juju/juju#23326). */
function hideRemoval(model: Model, { name, app }: Unit): void {
  for (const { id } of model.relationsOf(app).filter(({ endpoints }) => endpoints.length === 1)) {
    for (const other of model.unitsOf(app)) {
      const seen = other.relations[id];
      if (seen && name in seen.members) seen.untold = [...(seen.untold ?? []), name];
    }
  }
}

function removeDeadApplications(model: Model): void {
  for (const app of model.applications.values()) {
    if (app.life !== 'dying' || model.unitsOf(app.name).length > 0) continue;
    for (const relation of model.relationsOf(app.name)) {
      if (relation.endpoints.length === 1) model.relations.delete(relation.id);
    }
    if (model.relationsOf(app.name).some(({ isLost }) => !isLost)) continue;
    model.applications.delete(app.name);
    for (const secret of model.secrets.values())
      if (secret.owner === app.name) model.secrets.delete(secret.id);
  }
}
