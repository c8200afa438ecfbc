import { z } from 'zod';
import type { Charmcraft, Option } from '../charmcraft.ts';
import { isAtLeast } from '../version.ts';
import type { RelationState, SecretState, State, TestEvent } from './state.ts';

/** A state, or an event in it, that Juju never reaches. A test with it would prove nothing. */
export class InconsistentStateError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Juju never comes to this:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
    this.name = 'InconsistentStateError';
    this.problems = problems;
  }
}

const UNIT = /^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*\/\d+$/;
const PORT = /^(icmp|\d+(-\d+)?\/(tcp|udp))$/;
const OLD_HOOKS: readonly string[] = ['leader-settings-changed', 'pre-series-upgrade', 'post-series-upgrade'];
const SECRET_URI = /^secret:[a-z0-9]{20}$/;
/** What a secret has in any state. The compiler sees to it, except where a test is in JavaScript or reads JSON. */
const Secret = z.looseObject({
  uri: z.string(),
  owner: z.enum(['application', 'unit', 'other']),
  revisions: z.array(z.looseObject({ number: z.int(), content: z.record(z.string(), z.string()) })),
  tracked: z.int().optional(),
  grants: z.array(z.looseObject({ relation: z.int(), unit: z.string().optional() })).optional(),
});

/**
 * Checks that Juju may reach a state, and run the event in it.
 * @throws {InconsistentStateError} with everything that is wrong.
 */
export function checkConsistency<C extends Charmcraft>(
  charmcraft: C,
  given: State<C>,
  event: TestEvent<C>,
): void {
  const malformed = given.secrets.flatMap(shapeProblems);
  // What is said of the others needs their shape.
  const state = { ...given, secrets: given.secrets.filter((secret) => Secret.safeParse(secret).success) };
  const problems = [
    ...malformed,
    ...unitProblems(charmcraft, state),
    ...optionProblems(charmcraft, state),
    ...state.relations.flatMap((relation) => relationProblems(charmcraft, state, relation)),
    ...duplicates(state.relations.map(({ id }) => String(id))).map(
      (id) => `two relations have the number ${id}`,
    ),
    ...peerProblems(charmcraft, state),
    ...state.secrets.flatMap((secret) => secretProblems(state, secret)),
    ...duplicates(state.secrets.map(({ uri }) => uri)).map((uri) => `two secrets have the URI ${uri}`),
    ...storageProblems(charmcraft, state),
    ...Object.keys(state.resources)
      .filter((name) => !(name in (charmcraft.resources ?? {})))
      .map((name) => `charmcraft.yaml declares no resource ${name}`),
    ...Object.keys(state.networks)
      .filter((name) => !endpointOf(charmcraft, name))
      .map((name) => `charmcraft.yaml declares no endpoint ${name} for a network to be bound to`),
    ...state.ports.filter((port) => !PORT.test(port)).map((port) => `${port} is not a port such as 80/tcp`),
    ...eventProblems(charmcraft, state, event),
  ];
  if (problems.length > 0) throw new InconsistentStateError(problems);
}

function unitProblems<C extends Charmcraft>(
  { name, subordinate }: C,
  { unit, principalUnit, plannedUnits }: State<C>,
): readonly string[] {
  return [
    ...(UNIT.test(unit) ? [] : [`${unit} is not the name of a unit, such as ${name}/0`]),
    ...(subordinate && principalUnit === undefined ? ['a subordinate unit rides on a principalUnit'] : []),
    ...(!subordinate && principalUnit !== undefined
      ? [`${name} is no subordinate, so it has no principalUnit`]
      : []),
    ...(principalUnit !== undefined && !UNIT.test(principalUnit)
      ? [`${principalUnit} is not the name of a unit`]
      : []),
    ...(plannedUnits < 1 ? ['plannedUnits counts this unit too'] : []),
  ];
}

function optionProblems<C extends Charmcraft>({ options }: C, state: State<C>): readonly string[] {
  return Object.entries<string | number | boolean | undefined>(state.options).flatMap(([name, value]) => {
    const option = options[name];
    if (!option) return [`charmcraft.yaml declares no option ${name}`];
    if (value === undefined || fits(option, value)) return [];
    return [`the option ${name} is of type ${option.type}, and cannot be ${JSON.stringify(value)}`];
  });
}

function fits({ type }: Option, value: string | number | boolean): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'secret':
      return typeof value === 'string' && (value === '' || value.startsWith('secret:'));
    case 'boolean':
      return typeof value === 'boolean';
    case 'int':
      return Number.isInteger(value);
    case 'float':
      return typeof value === 'number';
  }
}

function endpointOf({ provides, requires, peers }: Charmcraft, name: string) {
  return provides[name] ?? requires[name] ?? peers[name];
}

function relationProblems<C extends Charmcraft>(
  charmcraft: C,
  state: State<C>,
  relation: RelationState<C>,
): readonly string[] {
  const { id, endpoint, app, units = {}, gone = [], isLost = false } = relation;
  const { localUnitData = {}, appData = {}, ownAppData = {} } = relation;
  const which = `relation ${endpoint}:${id}`;
  const declared = endpointOf(charmcraft, endpoint);
  if (!declared) return [`charmcraft.yaml declares no endpoint ${endpoint}`];
  const ownApp = state.unit.slice(0, state.unit.lastIndexOf('/'));
  const isPeer = endpoint in charmcraft.peers;
  const names = Object.keys(units);
  const bags = [...Object.values(units), localUnitData, appData, ownAppData];
  return [
    ...(Number.isInteger(id) && id >= 0 ? [] : [`${which}: a relation's number is 0 or more`]),
    ...(isPeer && app !== ownApp ? [`${which} is between units of ${ownApp}, not of ${app}`] : []),
    ...(isPeer && relation.ownAppData
      ? [`${which} is a peer relation: its application's databag is appData`]
      : []),
    ...(!isPeer && app === ownApp
      ? [`${which} is of ${ownApp} with itself, without being a peer relation`]
      : []),
    ...(names.includes(state.unit)
      ? [`${which}: this unit's databag is localUnitData, not one of units`]
      : []),
    ...names
      .filter((name) => !UNIT.test(name) || name.slice(0, name.lastIndexOf('/')) !== app)
      .map((name) => `${which}: ${name} is no unit of ${app}`),
    ...(declared.scope === 'container' && charmcraft.subordinate && !isAtLeast(state.jujuVersion, '4.0')
      ? names
          .filter((name) => name !== state.principalUnit)
          .map(
            (name) =>
              `${which} is in container scope: it shows ${state.principalUnit ?? ''} only, not ${name}`,
          )
      : []),
    ...(isPeer || gone.length === 0 ? [] : [`${which}: only of peers does Juju list those that are gone`]),
    ...gone
      .filter((name) => !names.includes(name))
      .map((name) => `${which}: ${name} is gone and not listed, which is how it would be without being said`),
    ...((gone.length > 0 || isLost) && !isAtLeast(state.jujuVersion, '4.0')
      ? [`${which}: only Juju 4 lists what is gone`]
      : []),
    ...(bags.some((bag) => Object.values(bag).includes(''))
      ? [`${which}: a key that is set to nothing does not exist`]
      : []),
    ...(isAtLeast(state.jujuVersion, '4.0') && bags.some((bag) => 'private-address' in bag)
      ? [`${which}: Juju 4 writes no private-address`]
      : []),
  ];
}

function peerProblems<C extends Charmcraft>({ peers }: C, { relations }: State<C>): readonly string[] {
  const ofPeers = relations.map(({ endpoint }) => endpoint).filter((endpoint) => endpoint in peers);
  return duplicates(ofPeers).map((endpoint) => `the peer endpoint ${endpoint} has one relation only`);
}

/** What of a secret is not there, or is of another type. */
function shapeProblems(secret: SecretState, index: number): readonly string[] {
  return (Secret.safeParse(secret).error?.issues ?? []).map(
    ({ path, message }) => `secrets[${index}]${path.map((key) => `.${String(key)}`).join('')}: ${message}`,
  );
}

function secretProblems<C extends Charmcraft>(state: State<C>, secret: SecretState): readonly string[] {
  const { uri, owner, revisions, tracked, grants = [], rotate, expire } = secret;
  const numbers = revisions.map(({ number }) => number);
  return [
    ...(SECRET_URI.test(uri)
      ? []
      : [`${uri} is not the URI of a secret, such as secret:9m4e2mr0ui3e8a215n4g`]),
    ...(revisions.length > 0 ? [] : [`${uri} has no revision`]),
    ...(numbers.every((number, index) => number > (numbers[index - 1] ?? 0))
      ? []
      : [`${uri}: revisions count upwards from 1`]),
    ...(tracked !== undefined && !numbers.includes(tracked)
      ? [`${uri} has no revision ${tracked} to follow`]
      : []),
    ...(owner === 'other' && (grants.length > 0 || rotate !== undefined || expire !== undefined)
      ? [`${uri}: only its owner knows grants, rotation and expiry`]
      : []),
    ...grants
      .filter(({ relation }) => !state.relations.some((known) => known.id === relation))
      .map(({ relation }) => `${uri} is granted over the relation ${relation}, which does not exist`),
  ];
}

function storageProblems<C extends Charmcraft>(
  { storage: declared = {} }: C,
  { storage }: State<C>,
): readonly string[] {
  return [
    ...storage.flatMap(({ instance }) => {
      const [name = '', number = ''] = instance.split('/');
      if (!(name in declared)) return [`charmcraft.yaml declares no storage ${name}`];
      return /^\d+$/.test(number) ? [] : [`${instance} is not a storage instance such as ${name}/0`];
    }),
    ...duplicates(storage.map(({ instance }) => instance)).map(
      (instance) => `two storages are called ${instance}`,
    ),
  ];
}

function eventProblems<C extends Charmcraft>(
  charmcraft: C,
  state: State<C>,
  event: TestEvent<C>,
): readonly string[] {
  if (typeof event === 'string') {
    return [
      ...(event === 'leader-elected' && !state.isLeader ? ['leader-elected runs on the leader only'] : []),
      ...(OLD_HOOKS.includes(event) && isAtLeast(state.jujuVersion, '4.0') ? [`Juju 4 has no ${event}`] : []),
      ...(event === 'leader-settings-changed' && state.isLeader
        ? ['leader-settings-changed does not run on the leader']
        : []),
      ...(event === 'install' &&
      state.relations.some(({ localUnitData = {} }) => Object.keys(localUnitData).length > 0)
        ? ['before install no hook can have written into a databag']
        : []),
    ];
  }
  if ('action' in event) return actionProblems(charmcraft, event.action, event.params ?? {});
  if ('storage' in event) {
    return state.storage.some(({ instance }) => instance === event.instance)
      ? []
      : [`the state has no storage ${event.instance}`];
  }
  if ('secret' in event) return secretEventProblems(state, event);
  return relationEventProblems(charmcraft, state, event);
}

function actionProblems(
  { actions }: Charmcraft,
  name: string,
  params: Readonly<Record<string, unknown>>,
): readonly string[] {
  const action = actions[name];
  if (!action) return [`charmcraft.yaml declares no action ${name}`];
  return [
    ...Object.entries(params).flatMap(([key, value]) => {
      const declared = action.params[key];
      if (!declared) return [`the action ${name} declares no parameter ${key}`];
      return isJsonType(declared.type, value)
        ? []
        : [
            `the parameter ${key} of ${name} is of type ${declared.type}, and cannot be ${JSON.stringify(value)}`,
          ];
    }),
    ...action.required
      .filter((key) => !(key in params))
      .map((key) => `Juju does not run ${name} without its parameter ${key}`),
  ];
}

function isJsonType(type: string, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

function secretEventProblems<C extends Charmcraft>(
  { secrets, isLeader }: State<C>,
  event: Extract<TestEvent<C>, { readonly secret: string }>,
): readonly string[] {
  const secret = secrets.find(({ uri }) => uri === event.uri);
  if (!secret) return [`the state has no secret ${event.uri}`];
  const name = `secret-${event.secret}`;
  const isConsumers = event.secret === 'changed';
  const hasRevision = event.secret === 'expired' || event.secret === 'remove';
  return [
    ...(isConsumers && secret.owner !== 'other'
      ? [`${name} is for whoever reads the secret, not for its owner`]
      : []),
    ...(!isConsumers && secret.owner === 'other' ? [`${name} is for the owner of the secret`] : []),
    ...(secret.owner === 'application' && !isLeader
      ? [`${name} of a secret that the application owns runs on the leader only`]
      : []),
    ...(hasRevision && event.revision === undefined ? [`${name} is about a revision`] : []),
    ...(!hasRevision && event.revision !== undefined ? [`${name} says no revision`] : []),
    ...(event.secret === 'rotate' && (secret.rotate ?? 'never') === 'never'
      ? ['the secret does not rotate']
      : []),
    ...(event.secret === 'expired' && secret.expire === undefined ? ['the secret does not expire'] : []),
  ];
}

function relationEventProblems<C extends Charmcraft>(
  charmcraft: C,
  state: State<C>,
  event: Extract<TestEvent<C>, { readonly relation: string }>,
): readonly string[] {
  const relation = state.relations.find(({ id }) => id === event.id);
  if (!relation) return [`the state has no relation ${event.id}`];
  const { endpoint, units = {}, gone = [], isLost = false } = relation;
  const name = `${endpoint}-relation-${event.relation}`;
  const withUnit = event.relation === 'joined' || event.relation === 'departed';
  const withoutUnit = event.relation === 'created' || event.relation === 'broken';
  return [
    ...(withUnit && event.unit === undefined ? [`${name} is about a unit`] : []),
    ...(withoutUnit && event.unit !== undefined ? [`${name} is about no unit`] : []),
    ...(event.unit !== undefined && !(event.unit in units)
      ? [`${event.unit} is not in the relation ${endpoint}:${event.id}`]
      : []),
    // An agent that restarts is told of its departure.
    ...(event.unit !== undefined && gone.includes(event.unit) && event.relation !== 'departed'
      ? [`${event.unit} is gone: nobody hears of it`]
      : []),
    ...(isLost ? [`the relation ${endpoint}:${event.id} cannot be read: nobody hears of it`] : []),
    ...(event.departing !== undefined && event.relation !== 'departed'
      ? [`${name} says not who departs`]
      : []),
    ...(event.departing !== undefined && event.departing !== event.unit && event.departing !== state.unit
      ? [`${event.departing} departs neither from here nor from there`]
      : []),
    ...(event.relation === 'broken' && endpoint in charmcraft.peers && !isAtLeast(state.jujuVersion, '4.0')
      ? ['a peer relation is broken only by Juju 4, which removes an application so']
      : []),
    ...(event.relation === 'broken' && Object.keys(units).length > 0
      ? [`when ${name} runs, all units have departed`]
      : []),
  ];
}

function duplicates(items: readonly string[]): readonly string[] {
  return [...new Set(items.filter((item, index) => items.indexOf(item) !== index))];
}
