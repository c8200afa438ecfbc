// What must not compile, and beside it what must: `npm run check` fails when one of them does. Nothing here runs.
import {
  defineAction,
  defineCharm,
  Redacted,
  type Juju,
  type NoBag,
  type Plan,
  type SecretPlan,
} from 'juju-ts-ops';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { z } from 'zod';
import { charm, charmcraft, endpoints, KEY, options, type Line, type WebJuju } from './web-charm.ts';

type WebPlan = Plan<typeof charmcraft, typeof endpoints, Line>;
type Databag = NonNullable<WebPlan['databags']>[number];

const { charmcraft: _charmcraft, ...parts } = charm;
export const right = defineCharm(charmcraft, parts);

// An option, endpoint or action that is not declared, and one that is not dealt with.
const extraOptions = { ...options, colour: z.string() };
// @ts-expect-error
export const undeclaredOption = defineCharm(charmcraft, { ...parts, options: extraOptions });
const { title: _title, ...fewerOptions } = options;
// @ts-expect-error
export const missingOption = defineCharm(charmcraft, { ...parts, options: fewerOptions });
const otherOptions = { ...options, port: z.string() };
// @ts-expect-error
export const otherType = defineCharm(charmcraft, { ...parts, options: otherOptions });
const extraEndpoints = { ...endpoints, backup: endpoints.db };
// @ts-expect-error
export const undeclaredEndpoint = defineCharm(charmcraft, { ...parts, endpoints: extraEndpoints });
const otherEndpoints = { ...endpoints, db: endpoints.site };
// @ts-expect-error
export const otherInterface = defineCharm(charmcraft, { ...parts, endpoints: otherEndpoints });
const extraActions = { ...charm.actions, dance: () => Promise.resolve({}) };
// @ts-expect-error
export const undeclaredAction = defineCharm(charmcraft, { ...parts, actions: extraActions });
const fewerActions = { crash: charm.actions.crash };
// @ts-expect-error
export const missingAction = defineCharm(charmcraft, { ...parts, actions: fewerActions });

// Rolling are taken over a peer relation.
export const turns = defineCharm(charmcraft, { ...parts, rolling: { endpoint: 'cluster', timeout: 600 } });
// @ts-expect-error
export const otherTurns = defineCharm(charmcraft, { ...parts, rolling: { endpoint: 'db', timeout: 600 } });

// What is done about a hook, and about an event of the charm's own.
const events = { moved: z.object({ to: z.string() }) };
type MovingJuju = Juju<typeof charmcraft, typeof options, typeof endpoints, NoBag, typeof events>;
export const handlers = defineCharm(charmcraft, {
  ...parts,
  events,
  on: {
    'db-relation-departed': async ({ departingUnit, relation }, juju) => {
      departingUnit satisfies string;
      relation.endpoint satisfies 'db';
      await juju.departingUnit(relation.endpoint);
      juju.emit('moved', { to: departingUnit });
      // @ts-expect-error
      juju.emit('moved', { from: departingUnit });
      // @ts-expect-error
      juju.emit('stayed', { to: departingUnit });
    },
    'db-relation-changed': async ({ remoteUnit }) => {
      // @ts-expect-error
      remoteUnit satisfies string;
      // @ts-expect-error
      remoteUnit satisfies undefined;
    },
    'data-storage-detaching': async ({ name, storage }) => {
      [name, storage] satisfies ['detaching', string];
    },
    'secret-expired': async ({ revision }) => {
      revision satisfies number;
    },
    'secret-changed': async ({ revision }) => {
      // @ts-expect-error
      revision satisfies number;
    },
    moved: async (_event, juju: MovingJuju) => asks(juju),
  },
});
const never = () => Promise.resolve();
export const onDeclared = defineCharm(charmcraft, {
  ...parts,
  on: { 'cluster-relation-broken': never, 'data-storage-attached': never, 'leader-elected': never },
});
export const onUndeclared = [
  // @ts-expect-error
  defineCharm(charmcraft, { ...parts, on: { 'backup-relation-changed': never } }),
  // @ts-expect-error
  defineCharm(charmcraft, { ...parts, on: { 'db-relation-chnaged': never } }),
  // @ts-expect-error
  defineCharm(charmcraft, { ...parts, on: { 'logs-storage-attached': never } }),
  // @ts-expect-error
  defineCharm(charmcraft, { ...parts, on: { greet: never } }),
  // @ts-expect-error
  defineCharm(charmcraft, { ...parts, on: { moved: never } }),
];
const extraHandlers = { 'update-status': never, 'backup-relation-changed': never };
// @ts-expect-error
export const onUndeclaredElsewhere = defineCharm(charmcraft, { ...parts, on: extraHandlers });
// @ts-expect-error
export const eventOfJuju = defineCharm(charmcraft, { ...parts, events: { install: z.object({}) } });

// A parameter of an action.
export const undeclaredParameter = defineCharm(charmcraft, {
  ...parts,
  actions: {
    ...charm.actions,
    // @ts-expect-error
    greet: defineAction(z.object({ name: z.string(), colour: z.string() }), (_params, _juju: WebJuju) =>
      Promise.resolve({}),
    ),
  },
});
export const maybeMissingParameter = defineCharm(charmcraft, {
  ...parts,
  actions: {
    ...charm.actions,
    // @ts-expect-error
    greet: defineAction(z.object({ name: z.string(), times: z.int() }), (_params, _juju: WebJuju) =>
      Promise.resolve({}),
    ),
  },
});

// What is asked of Juju.
export async function asks(juju: WebJuju): Promise<void> {
  await juju.relations('db');
  // @ts-expect-error
  await juju.relations('backup');
  // @ts-expect-error
  await juju.network('backup');
  const { port } = await juju.options();
  port satisfies number;
  // @ts-expect-error
  const { colour: _colour } = await juju.options();
  const [database] = await juju.relations('db');
  database?.appData.host satisfies string | undefined;
  // @ts-expect-error
  const _database = database?.appData.database;
  await juju.ownSecret(KEY);
  // @ts-expect-error
  await juju.ownSecret('key');
  // @ts-expect-error
  await juju.secretOption('title');
  // @ts-expect-error
  await juju.storage('logs');
  // @ts-expect-error
  await juju.resource('image');
}

// What is written.
const password = new Redacted('hunter2');
const key = { secret: KEY, content: { value: password }, grants: [] } satisfies SecretPlan;
const ownKey = { ...key, owner: 'unit' } as const satisfies SecretPlan;
export const written: readonly Databag[] = [
  { endpoint: 'db', relation: 1, app: { database: 'web' } },
  { endpoint: 'site', relation: 2, app: { 'key-id': key } },
  { endpoint: 'site', relation: 2, unit: { hostname: ownKey } },
  // A name alone says not what is to be made.
  // @ts-expect-error
  { endpoint: 'site', relation: 2, app: { 'key-id': KEY } },
  // Only the leader knows the URI of the application's.
  // @ts-expect-error
  { endpoint: 'site', relation: 2, unit: { hostname: key } },
  // @ts-expect-error
  { endpoint: 'db', relation: 1, app: { database: password } },
  // @ts-expect-error
  { endpoint: 'site', relation: 2, unit: { port: ownKey } },
  // @ts-expect-error
  { endpoint: 'db', relation: 1, app: { host: 'the other side writes this' } },
  // @ts-expect-error
  { endpoint: 'backup', relation: 1 },
];
export const secrets: WebPlan['secrets'] = [
  { secret: KEY, content: { value: password }, grants: [] },
  // @ts-expect-error
  { secret: 'key', content: { value: password }, grants: [] },
  // @ts-expect-error
  { secret: { label: 'key' }, content: { value: password }, grants: [] },
];
// @ts-expect-error
export const argument: string = password;
const clear = { label: 'key', content: { value: 'clear' }, grants: [] };
// @ts-expect-error
export const secret: NonNullable<WebPlan['secrets']>[number] = clear;

// What is tested.
const unit = inProcess(charm);
export const outcomes = [
  unit.run({ action: 'greet', params: { name: 'Ada' } }, stateOf(charm, { options: { port: 8080 } })),
  // @ts-expect-error
  unit.run({ action: 'dance' }, stateOf(charm)),
  // @ts-expect-error
  unit.run('config-changed', stateOf(charm, { options: { colour: 'red' } })),
  // @ts-expect-error
  unit.run('config-changed', stateOf(charm, { options: { port: '80' } })),
  // @ts-expect-error
  unit.run('config-changed', stateOf(charm, { relations: [{ id: 1, endpoint: 'backup', app: 'x' }] })),
];
