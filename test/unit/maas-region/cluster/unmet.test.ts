// A new leader that Juju has not told of the other regions yet: it decides nothing about them.
import { expect, test } from '@jest/globals';
import { readUnmet } from '../../../../charms/maas-region/src/cluster/read.ts';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import { bagOf, machineOf, MAAS_34, MAAS_37, prepared, serving, type Changes } from '../states.ts';

const UNMET = 'maas-region/1';
const SOURCE = 'ppa:maas/3.7';

/** It was installed with newer packages than the others have, and knows nobody. */
const newLeader = (changes: Changes = {}): ReturnType<typeof serving> =>
  serving({
    region: {
      version: '3.7',
      packageVersion: MAAS_37,
      isServing: false,
      preparation: prepared(SOURCE, MAAS_37),
    },
    cluster: { schema: { version: MAAS_34, relation: 4 }, peers: [], ...changes.cluster },
    network: changes.network ?? {},
  });

test('it migrates no database under regions that it has not met, and says what it waits for', () => {
  // Alone, it would.
  expect(machineOf(newLeader())).toContain('step:migrate-database');
  const state = newLeader({ cluster: { unmet: [UNMET] } });
  expect(machineOf(state)).not.toContain('step:migrate-database');
  expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ target: undefined });
  expect(plan(state).status).toEqual([{ level: 'waiting', message: 'Juju to tell of the other units' }]);
});

test('it goes on with an upgrade that is under way only once it has met them', () => {
  const state = newLeader({ cluster: { unmet: [UNMET], target: MAAS_37 } });
  expect(machineOf(state)).not.toContain('step:migrate-database');
});

test('it migrates no other database, because they may still serve the one of before', () => {
  const schema = { version: MAAS_37, relation: 3 };
  expect(machineOf(newLeader({ cluster: { schema } }))).toContain('step:migrate-database');
  expect(machineOf(newLeader({ cluster: { schema, unmet: [UNMET] } }))).not.toContain(
    'step:migrate-database',
  );
});

test('without a virtual address, MAAS stays where it was', () => {
  const network = { vip: undefined, balancer: undefined, address: '10.0.0.19' };
  const url = 'http://10.0.0.11:5240/MAAS';
  const met = newLeader({ cluster: { url }, network });
  expect(bagOf(met, 'region-cluster', 'app')).toMatchObject({ url: 'http://10.0.0.19:5240/MAAS' });
  const state = newLeader({ cluster: { url, unmet: [UNMET] }, network });
  expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ url });
});

test('who is gone is waited for no more', async () => {
  const since = '2026-12-01 00:00:00Z';
  const state = newLeader({ cluster: { regions: { 'maas-region/0': 'a', [UNMET]: 'b' } } });
  const goal = (status?: string) => ({
    goalState: () =>
      Promise.resolve({ units: status === undefined ? {} : { [UNMET]: { status, since } }, relations: {} }),
  });
  expect(await readUnmet(state, goal('active'))).toEqual([UNMET]);
  expect(await readUnmet(state, goal('dying'))).toEqual([]);
  expect(await readUnmet(state, goal())).toEqual([]);
});
