import type { Bundle, BundleApplication } from '../bundle/bundle.ts';
import type { CharmInfo } from '../charm/info.ts';
import { checkOption } from '../charm/options.ts';
import { UsageError } from '../errors.ts';
import type { Scalar } from '../model/documents.ts';
import { inferRelation } from '../model/endpoints.ts';
import type { Model } from '../model/model.ts';

/**
 * Puts into a model what a bundle has and the model has not: applications, then relations, then units. Everything is
 * checked before anything is changed.
 * @throws {UsageError}
 */
export function deployBundle(
  model: Model,
  bundle: Bundle,
  charms: ReadonlyMap<string, Omit<CharmInfo, 'revision'>>,
  progress: (message: string) => void,
): void {
  // The charm of an application that is there already stays what it is.
  const charmOf = (name: string): CharmInfo => {
    const charm = charms.get(name);
    const known = model.applications.get(name)?.charm;
    if (known) return known;
    return charm ? { ...charm, revision: 0 } : model.application(name).charm;
  };
  const options = new Map<string, Record<string, Scalar>>();
  for (const [name, app] of bundle.applications) {
    const charm = charmOf(name);
    if (charm.metadata.subordinate && (app.numUnits > 0 || app.to.length > 0))
      throw new UsageError(`cannot add unit to application "${name}": application is a subordinate`);
    const values = Object.entries(app.options).map(
      ([key, value]) => [key, checkOption(charm, key, value)] as const,
    );
    options.set(name, Object.fromEntries(values));
  }
  for (const pair of bundle.relations) inferRelation(charmOf, ...pair);

  let isChanged = false;
  const say = (message: string): void => {
    isChanged = true;
    progress(`- ${message}`);
  };
  for (const [name, charm] of charms) {
    const existing = model.applications.get(name);
    const values = options.get(name) ?? {};
    if (!existing) {
      model.addApplication(name, model.revisionOf(charm), values);
      say(`deploy application ${name} from local charm ${charm.metadata.name}`);
    } else if (Object.entries(values).some(([key, value]) => existing.options[key] !== value)) {
      Object.assign(existing.options, values);
      say(`set application options for ${name}`);
    }
  }
  for (const [first, second] of bundle.relations) {
    if (model.findRelation(inferRelation(charmOf, first, second).endpoints)) continue;
    model.relate(first, second);
    say(`add relation ${first} - ${second}`);
  }
  placeUnits(model, bundle, say);
  if (!isChanged) progress('No changes to apply.');
}

/** Adds the units that are missing, each where the bundle says. */
function placeUnits(model: Model, bundle: Bundle, say: (message: string) => void): void {
  // Machines of the bundle that an earlier deployment of it has made.
  const machines = new Map<string, string>();
  for (const [name, app] of bundle.applications) {
    for (const [index, unit] of model.unitsOf(name).entries()) {
      const place = placeOf(app, index);
      if (bundle.machines.includes(place)) machines.set(place, unit.machine);
    }
  }
  const isNeeded = (machine: string): boolean =>
    [...bundle.applications].some(([name, app]) =>
      app.to.some((_place, index) => index >= model.unitsOf(name).length && placeOf(app, index) === machine),
    );
  for (const machine of bundle.machines.toSorted((a, b) => Number(a) - Number(b))) {
    if (machines.has(machine) || !isNeeded(machine)) continue;
    machines.set(machine, model.addMachine());
    say(`add new machine ${machines.get(machine) ?? ''} (bundle machine ${machine})`);
  }
  for (const name of placementOrder(bundle)) {
    const app = bundle.applications.get(name);
    if (!app) continue;
    for (let index = model.unitsOf(name).length; index < app.numUnits; index += 1) {
      const place = placeOf(app, index);
      const machine =
        place === 'new' ? model.addMachine() : (machines.get(place) ?? machineBeside(model, place, index));
      say(`add unit ${model.addUnit(name, machine).name} to machine ${machine}`);
    }
  }
}

/** The last placement holds for all units that have none. */
function placeOf({ to }: BundleApplication, index: number): string {
  return to[Math.min(index, to.length - 1)] ?? 'new';
}

/** `db/1` is beside that unit, `db` beside the unit of the same number. @throws {UsageError} */
function machineBeside(model: Model, place: string, index: number): string {
  const [app = '', number] = place.split('/');
  const units = model.unitsOf(app);
  const unit = units[number === undefined ? index % units.length : Number(number)];
  if (!unit) throw new UsageError(`placement "${place}" refers to a unit that is not there`);
  return unit.machine;
}

/** Applications whose units others are placed beside come before these. */
function placementOrder({ applications }: Bundle): string[] {
  const order = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    if (above.includes(name))
      throw new UsageError(`units of ${[...above, name].join(', ')} wait for each other`);
    for (const place of applications.get(name)?.to ?? []) {
      const [target = ''] = place.split('/');
      if (applications.has(target)) visit(target, [...above, name]);
    }
    order.add(name);
  };
  for (const name of applications.keys()) visit(name, []);
  return [...order];
}

/** Checks a place of `--to`: a machine by its number. @throws {UsageError} */
export function checkPlace(model: Model, place: string): void {
  if (place === 'new') return;
  if (/^\d+$/.test(place)) {
    model.machine(place);
    return;
  }
  const isContainer = /^(lxd|kvm)(:|$)|^\d+\/lxd\//.test(place);
  throw new UsageError(
    isContainer
      ? `placement "${place}" needs a container on a machine, which juju-local does not make: name a machine by its number`
      : `placement "${place}" is not the number of a machine`,
  );
}

/** Adds units, each on the machine that is named for it, or on one of its own. */
export function addUnits(model: Model, app: string, count: number, to: readonly string[]): void {
  if (to.length > count) throw new UsageError(`cannot place ${count} unit(s) on ${to.length} machines`);
  for (let index = 0; index < count; index += 1) {
    // Juju gives the units beyond the last placement machines of their own.
    const place = to[index] ?? 'new';
    model.addUnit(app, place === 'new' ? model.addMachine() : place);
  }
}
