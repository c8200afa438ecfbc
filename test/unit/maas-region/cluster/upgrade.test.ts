// Three regions of MAAS 3.4 on their way to 3.7.
import { describe, expect, test } from '@jest/globals';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import type { State } from '../../../../charms/maas-region/src/state.ts';
import {
  bagOf,
  changed,
  inTurnOf,
  MAAS_34,
  MAAS_37,
  machineOf,
  prepared,
  serving,
  REGIOND_CONF,
  type Changes,
} from '../states.ts';

const SOURCE = 'ppa:maas/3.7';
const OLD = { version: MAAS_34, relation: 4 };
const URL = 'serves http://10.0.0.200/MAAS';

/** What the other two have told: the version that runs there, and the one that could. */
const peers = (...versions: readonly (readonly [string, string])[]): State['cluster']['peers'] =>
  versions.map(([version, ready], index) => ({
    unit: `maas-region/${index + 1}`,
    hostname: `region-${index + 1}`,
    address: `10.0.0.1${index + 1}`,
    version,
    ready,
  }));

/** The leader, which serves 3.4, and whose source is that of 3.7 now. */
const leader = (changes: Changes = {}): State =>
  changed(
    serving({
      region: {
        version: '3.4',
        packageVersion: MAAS_34,
        source: SOURCE,
        preparation: prepared(SOURCE, MAAS_37),
      },
      cluster: { schema: OLD, peers: peers([MAAS_34, MAAS_37], [MAAS_34, MAAS_37]) },
    }),
    changes,
  );

const follower = (changes: Changes = {}): State =>
  changed(
    leader({
      unit: 'maas-region/1',
      region: { hostname: 'region-1' },
      network: { address: '10.0.0.11' },
      isLeader: false,
    }),
    changes,
  );

/** One whose packages are the new ones, and which does not run. */
const installed = { version: '3.7', packageVersion: MAAS_37, isServing: false, isHeld: true } as const;
const told = { target: MAAS_37 };

const statusOf = (state: State): unknown => plan(state).status[0];

test('a changed source is looked at while everything runs, and fetched before anything stops', () => {
  const state = leader({ region: { preparation: prepared(SOURCE) } });
  expect(machineOf(state)).toContain('step:prepare-upgrade');
  expect(machineOf(state).join()).not.toMatch(/stopped|hold-for-upgrade/);
  expect(machineOf(leader())).not.toContain('step:prepare-upgrade');
});

test('nothing stops until every region could be upgraded at once, and the status says for whom that waits', () => {
  const state = leader({ cluster: { peers: peers([MAAS_34, MAAS_37], [MAAS_34, MAAS_34]) } });
  expect(machineOf(state).join()).not.toMatch(/stopped|hold-for-upgrade/);
  expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ target: undefined });
  expect(statusOf(state)).toEqual({
    level: 'active',
    message: `${URL}; ready to be upgraded to 3.7 once maas-region/2 can be as well`,
  });
});

test('a PostgreSQL that is too old for the new MAAS is told before anything stops', () => {
  const state = leader({ database: { postgresqlVersion: 12 } });
  expect(machineOf(state).join()).not.toMatch(/stopped|hold-for-upgrade/);
  expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ target: undefined });
  expect(statusOf(state)).toEqual({
    level: 'blocked',
    message: 'MAAS 3.7 needs PostgreSQL 14 or newer, and the database has 12',
    next: 'upgrade it, or set an older source=',
  });
});

describe('then the leader', () => {
  test('stops, keeps its packages from starting anything, and takes the new ones', () => {
    const steps = machineOf(leader());
    const order = ['step:hold-for-upgrade', 'service:maas-regiond:stopped'];
    expect(steps.filter((step) => order.includes(step))).toEqual(order);
    expect(steps.indexOf('service:maas-regiond:stopped')).toBeLessThan(
      steps.lastIndexOf('packages:maas-region-api'),
    );
    expect(bagOf(leader(), 'region-cluster', 'unit')).toMatchObject({ stopped: undefined });
    expect(steps.join()).not.toMatch(/running|migrate-database/);
    expect(steps).not.toContain(`file:${REGIOND_CONF}`);
    expect(bagOf(leader(), 'region-cluster', 'app')).toMatchObject({ target: MAAS_37, schema: OLD });
  });

  test('migrates nothing while another region may still run the old version, and says which', () => {
    const state = leader({
      region: installed,
      cluster: { ...told, peers: peers([MAAS_37, MAAS_37], [MAAS_34, MAAS_37]) },
    });
    expect(machineOf(state)).not.toContain('step:migrate-database');
    expect(machineOf(state)).toContain('service:maas-regiond:stopped');
    expect(bagOf(state, 'region-cluster', 'unit')).toMatchObject({ version: MAAS_37 });
    expect(statusOf(state)).toEqual({
      level: 'maintenance',
      message: 'upgrading from 3.4 to 3.7: waiting for maas-region/2 to stop',
    });
  });

  test('migrates once all have stopped, starts first, and tells the others', () => {
    const state = leader({
      region: installed,
      cluster: { ...told, peers: peers([MAAS_37, MAAS_37], [MAAS_37, MAAS_37]) },
    });
    const steps = machineOf(state);
    const order = [
      'service:maas-regiond:stopped',
      'step:migrate-database',
      'step:release-region',
      'step:start-upgraded',
    ];
    expect(steps.filter((step) => order.includes(step))).toEqual(order);
    expect(inTurnOf(state)).toEqual(order.slice(2));
    expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({
      schema: { version: MAAS_37, from: MAAS_34, relation: 4 },
      target: undefined,
    });
  });

  test('migrates while the others install, once they have said that they stand still for it', () => {
    const [first, second] = peers([MAAS_34, MAAS_37], [MAAS_34, MAAS_37]);
    if (!first || !second) throw new Error('two peers');
    const stopped = { stopped: MAAS_37 };
    const withPeers = (target: string | undefined, ...all: State['cluster']['peers']): State =>
      leader({ region: installed, cluster: { target, peers: all } });
    const one = withPeers(MAAS_37, { ...first, ...stopped }, second);
    expect(machineOf(one)).not.toContain('step:migrate-database');
    expect(statusOf(one)).toMatchObject({
      message: 'upgrading from 3.4 to 3.7: waiting for maas-region/2 to stop',
    });
    const both = withPeers(MAAS_37, { ...first, ...stopped }, { ...second, ...stopped });
    expect(machineOf(both)).toContain('step:migrate-database');
    // For another one, or for this one before it was called off: they may be starting again.
    const other = withPeers(MAAS_37, { ...first, ...stopped }, { ...second, stopped: MAAS_34 });
    expect(machineOf(other)).not.toContain('step:migrate-database');
    const before = withPeers(undefined, { ...first, ...stopped }, { ...second, ...stopped });
    expect(machineOf(before)).not.toContain('step:migrate-database');
    expect(bagOf(before, 'region-cluster', 'app')).toMatchObject({ target: MAAS_37 });
  });

  test('a region that comes in the middle and has said nothing yet is not waited for', () => {
    const state = leader({
      region: installed,
      cluster: { ...told, peers: [...peers([MAAS_37, MAAS_37]), { unit: 'maas-region/3' }] },
    });
    expect(machineOf(state)).toContain('step:migrate-database');
  });

  test('who becomes the leader in the middle goes on', () => {
    const state = follower({ isLeader: true, cluster: { ...told, peers: peers([MAAS_37, MAAS_37]) } });
    expect(machineOf(state)).toContain('step:hold-for-upgrade');
    expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ target: MAAS_37 });
  });
});

describe('the others', () => {
  test('go on serving until the leader says so, whatever they could install', () => {
    expect(machineOf(follower()).join()).not.toMatch(/hold-for-upgrade|stopped/);
    expect(bagOf(follower(), 'region-cluster', 'unit')).toMatchObject({ version: MAAS_34, ready: MAAS_37 });
  });

  const upgrades = expect.objectContaining({ kind: 'packages', version: MAAS_37 });

  test('then stop, and say so before they install: the leader does not wait for that', () => {
    const stops = follower({ cluster: told });
    expect(machineOf(stops)).toEqual(
      expect.arrayContaining(['step:hold-for-upgrade', 'service:maas-regiond:stopped']),
    );
    expect(plan(stops).machine).not.toContainEqual(upgrades);
    expect(bagOf(stops, 'region-cluster', 'unit')).toMatchObject({ version: MAAS_34, stopped: MAAS_37 });
    expect(plan(stops).reconcileIn).toBe(1);

    const installs = follower({ region: { isHeld: true }, cluster: { ...told, stopped: MAAS_37 } });
    expect(machineOf(installs)).not.toContain('step:hold-for-upgrade');
    expect(machineOf(installs)).toContain('service:maas-regiond:stopped');
    expect(plan(installs).machine).toContainEqual(upgrades);
    expect(bagOf(installs, 'region-cluster', 'unit')).toMatchObject({ stopped: MAAS_37 });

    const then = follower({ region: installed, cluster: { ...told, stopped: MAAS_37 } });
    expect(bagOf(then, 'region-cluster', 'unit')).toMatchObject({ version: MAAS_37, stopped: undefined });
  });

  test('install also where the leader has migrated meanwhile', () => {
    const schema = { version: MAAS_37, from: MAAS_34, relation: 4 };
    const installs = follower({ region: { isHeld: true }, cluster: { schema, stopped: MAAS_37 } });
    expect(plan(installs).machine).toContainEqual(upgrades);
    expect(machineOf(installs).join()).not.toMatch(/running/);
  });

  test('start again where it is called off, after the leader can know that they do not stand still any more', () => {
    const region = { isHeld: true, isServing: false };
    const before = follower({ region, cluster: { stopped: MAAS_37 } });
    expect(machineOf(before).join()).not.toMatch(/running|release-region/);
    expect(bagOf(before, 'region-cluster', 'unit')).toMatchObject({ stopped: undefined });
    expect(plan(before).reconcileIn).toBe(1);
    expect(statusOf(before)).toEqual({
      level: 'maintenance',
      message: 'the upgrade was called off: starting again',
    });
    const then = follower({ region });
    expect(machineOf(then)).toEqual(
      expect.arrayContaining(['step:release-region', 'service:maas-regiond:running']),
    );
  });

  test('stay stopped until the database has been migrated, and start in turn', () => {
    const waits = follower({ region: installed, cluster: told });
    expect(machineOf(waits).join()).not.toMatch(/running|migrate-database|release-region/);
    expect(statusOf(waits)).toEqual({
      level: 'maintenance',
      message: 'upgrading from 3.4 to 3.7: waiting for the leader to migrate the database',
    });
    const schema = { version: MAAS_37, from: MAAS_34, relation: 4 };
    const starts = follower({ region: installed, cluster: { schema } });
    expect(inTurnOf(starts)).toEqual(['step:release-region', 'step:start-upgraded']);
    expect(plan(starts).machine).not.toContainEqual(expect.objectContaining({ state: 'running' }));
    expect(machineOf(starts)).toContain('service:maas-regiond:running');
  });
});

describe('a region that was being installed while the others were upgraded', () => {
  const schema = { version: MAAS_37, from: MAAS_34, relation: 4 };
  const cluster = { schema, peers: peers([MAAS_37, MAAS_37], [MAAS_37, MAAS_37]) };
  const fresh = { isServing: false, secret: undefined, currentConf: {} };

  test.each([
    ['follows', follower({ region: fresh, cluster })],
    ['leads', leader({ region: fresh, cluster })],
  ])('goes after them by itself, also one that %s', (_, late) => {
    expect(machineOf(late)).toContain('step:hold-for-upgrade');
    expect(plan(late).machine).toContainEqual(
      expect.objectContaining({ kind: 'packages', version: MAAS_37 }),
    );
    expect(machineOf(late).join()).not.toMatch(/running|migrate-database/);
    const then = changed(late, { region: installed });
    expect(inTurnOf(then)).toEqual(['step:release-region', 'step:start-upgraded']);
    expect(machineOf(then)).not.toContain('step:migrate-database');
  });

  test('says what to do where its source has another version by now', () => {
    const preparation = prepared(SOURCE, MAAS_37.replace('3.7.', '3.8.'));
    const late = follower({ region: { ...fresh, preparation }, cluster });
    expect(machineOf(late)).not.toContain('step:hold-for-upgrade');
    expect(statusOf(late)).toMatchObject({ level: 'blocked', next: 'juju run maas-region/leader upgrade' });
  });
});

test('a machine on which somebody has installed another MAAS by hand stays out, and the status says what to do', () => {
  const state = leader({
    region: { ...installed, preparation: prepared(SOURCE, MAAS_34) },
    cluster: { peers: peers([MAAS_34, MAAS_34]) },
  });
  expect(machineOf(state).join()).not.toMatch(/running|migrate-database/);
  expect(statusOf(state)).toEqual({
    level: 'blocked',
    message: 'MAAS 3.7 is installed here, and the database is that of 3.4',
    next: 'juju run maas-region/leader upgrade',
  });
});

test('racks learn of the new version once the regions have it', () => {
  expect(bagOf(leader(), 'rpc', 'app')).toMatchObject({ 'maas-version': '3.4' });
  const last = leader({ region: installed, cluster: { ...told, peers: peers([MAAS_37, MAAS_37]) } });
  expect(bagOf(last, 'rpc', 'app')).toMatchObject({ 'maas-version': '3.7' });
});

test('a first MAAS on a PostgreSQL that it would refuse is told before it is migrated', () => {
  const first = serving({
    region: { isServing: false },
    database: { postgresqlVersion: 13 },
    cluster: { schema: undefined, url: undefined, regions: {}, racks: {} },
  });
  expect(machineOf(first)).not.toContain('step:migrate-database');
  expect(statusOf(first)).toMatchObject({ level: 'blocked' });
});
