// States that Juju never comes to are refused, each for its reason.
import { expect, test } from '@jest/globals';
import {
  inProcess,
  InconsistentStateError,
  stateOf,
  type RelationState,
  type State,
  type TestEvent,
} from 'juju-ts-ops/testing';
import { z } from 'zod';
import { charm, type charmcraft } from './web-charm.ts';

type Known = Partial<State<typeof charmcraft>>;
type Event = TestEvent<typeof charmcraft>;

const database = { id: 3, endpoint: 'db', app: 'mysql', units: { 'mysql/0': {} } } as const;
const secret = {
  uri: 'secret:c1234567890123456789',
  owner: 'application',
  revisions: [{ number: 1, content: { a: 'b' } }],
} as const;
const others = { ...secret, owner: 'other' } as const;

/** What a test in JavaScript could write, and the compiler would not let pass. */
const untypedState = z.custom<Known>();
const untypedEvent = z.custom<Event>();

const relations = (...given: RelationState<typeof charmcraft>[]): Known => ({ relations: given });

test.each<[string, Known, Event?]>([
  ['web is no subordinate, so it has no principalUnit', { principalUnit: 'db/0' }],
  ['web-0 is not the name of a unit, such as web/0', { unit: 'web-0' }],
  ['charmcraft.yaml declares no option colour', untypedState.parse({ options: { colour: 'red' } })],
  ['the option port is of type int, and cannot be 1.5', { options: { port: 1.5 } }],
  [
    'charmcraft.yaml declares no endpoint backup',
    untypedState.parse({ relations: [{ ...database, endpoint: 'backup' }] }),
  ],
  ['two relations have the number 3', relations(database, database)],
  ['relation db:3: mariadb/0 is no unit of mysql', relations({ ...database, units: { 'mariadb/0': {} } })],
  [
    'relation db:3: a key that is set to nothing does not exist',
    relations({ ...database, appData: { host: '' } }),
  ],
  [
    'relation db:3 is of web with itself, without being a peer relation',
    relations({ id: 3, endpoint: 'db', app: 'web' }),
  ],
  [
    'relation cluster:0 is between units of web, not of mysql',
    relations({ id: 0, endpoint: 'cluster', app: 'mysql' }),
  ],
  [
    "relation cluster:0: this unit's databag is localUnitData, not one of units",
    relations({ id: 0, endpoint: 'cluster', app: 'web', units: { 'web/0': {} } }),
  ],
  [
    "relation cluster:0 is a peer relation: its application's databag is appData",
    relations({ id: 0, endpoint: 'cluster', app: 'web', ownAppData: {} }),
  ],
  [
    'the peer endpoint cluster has one relation only',
    relations({ id: 0, endpoint: 'cluster', app: 'web' }, { id: 1, endpoint: 'cluster', app: 'web' }),
  ],
  [
    'relation db:3: Juju 4 writes no private-address',
    {
      jujuVersion: '4.0.15',
      ...relations({ ...database, units: { 'mysql/0': { 'private-address': '10.0.0.1' } } }),
    },
  ],
  ['two secrets have the URI secret:c1234567890123456789', { secrets: [secret, secret] }],
  [
    'x is not the URI of a secret, such as secret:9m4e2mr0ui3e8a215n4g',
    { secrets: [{ ...secret, uri: 'x' }] },
  ],
  [
    'secrets[1].revisions: Invalid input: expected array, received undefined',
    untypedState.parse({ secrets: [secret, { ...secret, revisions: undefined }] }),
  ],
  [
    'secrets[0].uri: Invalid input: expected string, received undefined',
    untypedState.parse({ secrets: [{ ...secret, uri: undefined, id: 'c1234567890123456789' }] }),
  ],
  ['secrets[0]: Invalid input: expected object, received null', untypedState.parse({ secrets: [null] })],
  ['secret:c1234567890123456789 has no revision', { secrets: [{ ...secret, revisions: [] }] }],
  ['secret:c1234567890123456789 has no revision 7 to follow', { secrets: [{ ...others, tracked: 7 }] }],
  [
    'secret:c1234567890123456789: only its owner knows grants, rotation and expiry',
    { secrets: [{ ...others, rotate: 'daily' }] },
  ],
  [
    'secret:c1234567890123456789 is granted over the relation 9, which does not exist',
    { secrets: [{ ...secret, grants: [{ relation: 9 }] }] },
  ],
  ['charmcraft.yaml declares no storage logs', { storage: [{ instance: 'logs/0', location: '/srv' }] }],
  ['charmcraft.yaml declares no resource image', { resources: { image: '/tmp/x' } }],
  ['80 is not a port such as 80/tcp', { ports: ['80'] }],

  ['leader-elected runs on the leader only', {}, 'leader-elected'],
  ['Juju 4 has no pre-series-upgrade', { jujuVersion: '4.0.15' }, 'pre-series-upgrade'],
  ['Juju 4 has no leader-settings-changed', { jujuVersion: '4.0.15' }, 'leader-settings-changed'],
  [
    'before install no hook can have written into a databag',
    relations({ ...database, localUnitData: { a: 'b' } }),
    'install',
  ],
  ['the state has no relation 9', {}, { relation: 'changed', id: 9 }],
  [
    'relation cluster:0: only Juju 4 lists what is gone',
    relations({ id: 0, endpoint: 'cluster', app: 'web', units: { 'web/1': {} }, gone: ['web/1'] }),
  ],
  ['relation db:3: only Juju 4 lists what is gone', relations({ ...database, isLost: true })],
  [
    'relation db:3: only of peers does Juju list those that are gone',
    { jujuVersion: '4.0.15', ...relations({ ...database, gone: ['mysql/0'] }) },
  ],
  [
    'relation cluster:0: web/1 is gone and not listed, which is how it would be without being said',
    {
      jujuVersion: '4.0.15',
      ...relations({ id: 0, endpoint: 'cluster', app: 'web', gone: ['web/1'] }),
    },
  ],
  [
    'web/1 is gone: nobody hears of it',
    {
      jujuVersion: '4.0.15',
      ...relations({ id: 0, endpoint: 'cluster', app: 'web', units: { 'web/1': {} }, gone: ['web/1'] }),
    },
    { relation: 'changed', id: 0, unit: 'web/1' },
  ],
  [
    'the relation db:3 cannot be read: nobody hears of it',
    { jujuVersion: '4.0.15', ...relations({ ...database, isLost: true }) },
    { relation: 'changed', id: 3 },
  ],
  ['db-relation-joined is about a unit', relations(database), { relation: 'joined', id: 3 }],
  [
    'mysql/7 is not in the relation db:3',
    relations(database),
    { relation: 'changed', id: 3, unit: 'mysql/7' },
  ],
  [
    'when db-relation-broken runs, all units have departed',
    relations(database),
    { relation: 'broken', id: 3 },
  ],
  [
    'a peer relation is broken only by Juju 4, which removes an application so',
    relations({ id: 0, endpoint: 'cluster', app: 'web' }),
    { relation: 'broken', id: 0 },
  ],
  [
    'mysql/1 departs neither from here nor from there',
    relations(database),
    { relation: 'departed', id: 3, unit: 'mysql/0', departing: 'mysql/1' },
  ],
  ['charmcraft.yaml declares no action dance', {}, untypedEvent.parse({ action: 'dance' })],
  ['Juju does not run greet without its parameter name', {}, { action: 'greet' }],
  [
    'the action greet declares no parameter colour',
    {},
    { action: 'greet', params: { name: 'Ada', colour: 'red' } },
  ],
  [
    'the parameter times of greet is of type integer, and cannot be "2"',
    {},
    { action: 'greet', params: { name: 'Ada', times: '2' } },
  ],
  ['the state has no secret secret:c1234567890123456789', {}, { secret: 'changed', uri: secret.uri }],
  [
    'secret-changed is for whoever reads the secret, not for its owner',
    { isLeader: true, secrets: [secret] },
    { secret: 'changed', uri: secret.uri },
  ],
  [
    'secret-rotate of a secret that the application owns runs on the leader only',
    { secrets: [{ ...secret, rotate: 'daily' }] },
    { secret: 'rotate', uri: secret.uri },
  ],
  [
    'secret-remove is about a revision',
    { isLeader: true, secrets: [secret] },
    { secret: 'remove', uri: secret.uri },
  ],
  [
    'the secret does not rotate',
    { isLeader: true, secrets: [secret] },
    { secret: 'rotate', uri: secret.uri },
  ],
  ['the state has no storage data/0', {}, { storage: 'attached', instance: 'data/0' }],
])('%s', async (problem, known, event = 'update-status') => {
  const run = inProcess(charm).run(event, stateOf(charm, known));
  await expect(run).rejects.toMatchObject({ problems: [problem] });
  await expect(run).rejects.toBeInstanceOf(InconsistentStateError);
});

test('everything that is wrong is said at once', async () => {
  await expect(
    inProcess(charm).run('leader-elected', stateOf(charm, { ports: ['80'], plannedUnits: 0 })),
  ).rejects.toThrow(
    'Juju never comes to this:\n- plannedUnits counts this unit too\n- 80 is not a port such as 80/tcp\n- leader-elected runs on the leader only',
  );
});
