// Who leaves while no leader watches: MAAS has to forget them all the same.
import { describe, expect, test } from '@jest/globals';
import { inProcess, stateOf, type State, type TestEvent } from 'juju-ts-ops/testing';
import { HookToolError } from 'juju-ts-ops';
import { charm } from '../../../../charms/maas-region/src/charm.ts';
import { readDeparted } from '../../../../charms/maas-region/src/cluster/read.ts';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import { bagOf, machineOf, serving } from '../states.ts';

type RegionState = State<typeof charm.charmcraft>;

const PEERS = 1;
const RACKS = 7;
const RACK = { 'maas-rack/2': 'rack-2' };

function state(juju: string, named: Readonly<Record<string, string>>, left?: unknown): RegionState {
  return stateOf(charm, {
    jujuVersion: juju,
    options: { source: 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./', 'maas-url': 'http://maas.example.com' },
    relations: [
      {
        id: PEERS,
        endpoint: 'region-cluster',
        app: 'maas-region',
        units: { 'maas-region/1': { hostname: 'region-1' } },
        appData: { racks: JSON.stringify(named) },
        ...(left !== undefined && { localUnitData: { left: JSON.stringify(left) } }),
      },
      { id: RACKS, endpoint: 'rpc', app: 'maas-rack', units: { 'maas-rack/2': { hostname: 'rack-2' } } },
    ],
  });
}

const rackLeaves: TestEvent<typeof charm.charmcraft> = {
  relation: 'departed',
  id: RACKS,
  unit: 'maas-rack/2',
  departing: 'maas-rack/2',
};

async function leftAfter(event: TestEvent<typeof charm.charmcraft>, before: RegionState): Promise<unknown> {
  const { state: after, exitCode } = await inProcess(charm).run(event, before);
  expect(exitCode).toBe(0);
  const bag = after.relations.find(({ id }) => id === PEERS)?.localUnitData?.['left'];
  return bag === undefined ? undefined : JSON.parse(bag);
}

describe.each(['3.6.0', '4.0.0'])('Juju %s', (juju) => {
  test('a rack that leaves before the leader has named it is remembered by every region that sees it leave', async () => {
    expect(await leftAfter(rackLeaves, state(juju, {}))).toEqual({ regions: {}, racks: RACK });
  });

  test('also where the hook ends without having done anything else', async () => {
    expect(await leftAfter(rackLeaves, { ...state(juju, {}), options: {} })).toEqual({
      regions: {},
      racks: RACK,
    });
  });

  test('one whose host has another unit by now is not', async () => {
    expect(await leftAfter(rackLeaves, state(juju, { 'maas-rack/3': 'rack-2' }))).toBeUndefined();
  });

  test('one that the leader has named is not', async () => {
    expect(await leftAfter(rackLeaves, state(juju, RACK))).toBeUndefined();
  });

  test('until MAAS has forgotten it, or the leader names it', async () => {
    const left = { regions: {}, racks: { 'maas-rack/9': 'rack-9' } };
    expect(await leftAfter('update-status', state(juju, {}, left))).toEqual(left);
    expect(await leftAfter('update-status', state(juju, left.racks, left))).toBeUndefined();
  });

  test('a region that leaves', async () => {
    const event = {
      relation: 'departed',
      id: PEERS,
      unit: 'maas-region/1',
      departing: 'maas-region/1',
    } as const;
    expect(await leftAfter(event, state(juju, {}))).toEqual({
      regions: { 'maas-region/1': 'region-1' },
      racks: {},
    });
  });
});

test.each([true, false])('MAAS forgets it, whoever leads (this unit: %s)', (isLeader) => {
  const gone = { unit: 'maas-rack/2', hostname: 'rack-2', isRunning: false, soleDhcpOf: [] };
  const left = { regions: {}, racks: RACK };
  const listed = serving({
    isLeader,
    cluster: { left, departed: { regions: [], racks: [{ ...gone, systemId: 'xyz789' }] } },
  });
  expect(machineOf(listed)).toContain('step:forget-rack:maas-rack/2');
  expect(plan(listed).reconcileIn).toBe(60);
  expect(bagOf(listed, 'region-cluster', 'unit')).toMatchObject({ left });
  const forgotten = serving({ isLeader, cluster: { left, departed: { regions: [], racks: [gone] } } });
  expect(machineOf(forgotten)).not.toContain('step:forget-rack:maas-rack/2');
  expect(bagOf(forgotten, 'region-cluster', 'unit')).toMatchObject({ left: undefined });
});

describe('a new leader that Juju has not told of the racks yet', () => {
  const since = '2026-12-01 00:00:00Z';
  const newLeader = serving({ cluster: { racks: RACK }, racks: { hostnames: {} } });
  const planned = (status?: string) => ({
    goalState: () =>
      Promise.resolve({
        units: {},
        relations: {
          rpc: {
            'maas-rack': { status: 'joined', since },
            ...(status !== undefined && { 'maas-rack/2': { status, since } }),
          },
        },
      }),
  });

  test('takes none for gone that is planned to be there', async () => {
    expect(await readDeparted(newLeader, planned('active'))).toEqual({ regions: [], racks: [] });
  });

  test.each(['dying', undefined])('asks MAAS about one that is %s', async (status) => {
    // There is no MAAS here that could be asked.
    expect(await readDeparted(newLeader, planned(status))).toBeUndefined();
  });

  test('has nobody forgotten while Juju does not say who is there', async () => {
    const silent = {
      goalState: () => Promise.reject(new HookToolError({ tool: 'goal-state', exitCode: 1 }, 'no')),
    };
    expect(await readDeparted(newLeader, silent)).toBeUndefined();
  });
});
