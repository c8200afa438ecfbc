// A database that is restored, or another one in its place: regions of two databases never serve at the same time.
import { expect, test } from '@jest/globals';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import type { State } from '../../../../charms/maas-region/src/state.ts';
import {
  bagOf,
  changed,
  CLUSTER,
  databaseOver,
  MAAS_37,
  machineOf,
  serving,
  type Changes,
} from '../states.ts';

/** The other two regions, with what they say of their database. */
const peers = (...databases: readonly (number | undefined)[]): State['cluster']['peers'] =>
  databases.map((database, index) => ({
    unit: `maas-region/${index + 1}`,
    hostname: `region-${index + 1}`,
    address: `10.0.0.1${index + 1}`,
    version: MAAS_37,
    ready: MAAS_37,
    ...(database !== undefined && { database }),
  }));
const follower = (changes: Changes): State =>
  changed(serving({ unit: 'maas-region/1', region: { hostname: 'region-1' }, isLeader: false }), changes);
const saidOf = (state: State): unknown => bagOf(state, 'region-cluster', 'unit');
const STOPPED = 'service:maas-regiond:stopped';
const MIGRATION = 'step:migrate-database';

test('every region says whose database it serves', () => {
  expect(saidOf(serving())).toMatchObject({ database: 4 });
});

test('a database that is taken away is served by nobody', () => {
  const state = follower({ database: { kind: 'none', relations: [] } });
  expect(machineOf(state)).toContain(STOPPED);
  expect(machineOf(state).join()).not.toContain('running');
  expect(saidOf(state)).toMatchObject({ database: undefined });
  expect(plan(state).status[0]).toMatchObject({ level: 'blocked' });
});

test('one whose server has no primary for now is served on', () => {
  const state = follower({ database: { kind: 'waiting', reason: 'postgresql to have a primary' } });
  expect(machineOf(state)).not.toContain(STOPPED);
  expect(saidOf(state)).toMatchObject({ database: 4 });
});

test('another one is migrated and served once every region has left the one of before', () => {
  const database = { ...databaseOver(12), hasMigrated: false };
  const waits = serving({ database, cluster: { peers: peers(undefined, 4) } });
  expect(machineOf(waits)).toContain(STOPPED);
  expect(machineOf(waits)).not.toContain(MIGRATION);
  expect(saidOf(waits)).toMatchObject({ database: undefined });
  expect(plan(waits).status[0]).toMatchObject({
    level: 'waiting',
    message: 'maas-region/2 to stop, before the database is migrated',
  });
  const begins = serving({ database, cluster: { peers: peers(undefined, undefined) } });
  expect(machineOf(begins)).toContain(MIGRATION);
  expect(saidOf(begins)).toMatchObject({ database: 12 });
  expect(bagOf(begins, 'region-cluster', 'app')).toMatchObject({ schema: { relation: 12 } });
});

test('a restored one, whatever the leader said of it, is migrated again once nobody serves it', () => {
  const finds = serving({ database: { hasMigrated: false }, cluster: { peers: peers(4, 4) } });
  expect(machineOf(finds)).toContain(STOPPED);
  expect(machineOf(finds)).not.toContain(MIGRATION);
  expect(bagOf(finds, 'region-cluster', 'app')).toMatchObject({ schema: undefined });

  const hears = follower({ cluster: { schema: undefined } });
  expect(machineOf(hears)).toContain(STOPPED);
  expect(saidOf(hears)).toMatchObject({ database: undefined });

  const begins = serving({
    database: { hasMigrated: false },
    cluster: { schema: undefined, peers: peers(undefined, undefined) },
  });
  expect(machineOf(begins)).toContain(MIGRATION);
});

test('a database that does not answer is not taken for a restored one', () => {
  expect(machineOf(serving({ database: { hasMigrated: undefined } }))).not.toContain(STOPPED);
});

test('the name of the database is what it was when it was migrated', () => {
  const cluster = { schema: { ...CLUSTER.schema, database: 'maasdb' } };
  const state = serving({ cluster, options: { 'database-name': 'other' } });
  expect(bagOf(state, 'database', 'app')).toMatchObject({ database: 'maasdb' });
  expect(plan(state).status[0]).toEqual({
    level: 'blocked',
    message: 'database-name cannot change, MAAS is in maasdb',
    next: 'juju config maas-region database-name=maasdb',
  });
  // Of another relation it may be another one.
  const again = changed(state, { database: databaseOver(12) });
  expect(bagOf(again, 'database', 'app')).toMatchObject({ database: 'other' });
});
