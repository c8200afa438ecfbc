import { describe, expect, test } from '@jest/globals';
import { DEB, SNAP } from '@maas-ha/maas';
import type { Resource } from 'juju-ts-host';
import { Redacted } from 'juju-ts-ops';
import { parse } from 'yaml';
import { teardown, plan } from '../../../charms/maas-rack/src/plan.ts';
import type { State } from '../../../charms/maas-rack/src/state.ts';
import { plan as planRegion } from '../../../charms/maas-region/src/plan.ts';
import { serving } from '../maas-region/states.ts';
import { shown } from '../statuses.ts';
import { connected, MAAS_34, MAAS_37, prepared, RACKD_CONF, SECRET } from './states.ts';

const SECRET_FILE = '/var/lib/maas/secret';

const statusOf = (state: State): unknown => plan(state).status[0];

/** All that is brought about on the machine, in its order. */
function resourcesOf(state: State): readonly Resource[] {
  const { machine, rolling = [], afterRolling = [] } = plan(state);
  return [...machine, ...rolling, ...afterRolling];
}

function fileOf(state: State, path: string) {
  const file = resourcesOf(state).find((resource) => resource.kind === 'file' && resource.path === path);
  return file?.kind === 'file' ? file : undefined;
}

const stepsOf = (state: State): readonly string[] =>
  resourcesOf(state).flatMap((resource) => (resource.kind === 'step' ? resource.id : []));

test('rackd.conf names one URL in a list, as MAAS itself writes it, and keeps the keys of others', () => {
  const { content } = fileOf(connected(), RACKD_CONF) ?? {};
  expect(parse(content instanceof Redacted ? content.reveal() : '')).toEqual({
    cluster_uuid: 'f00',
    debug: false,
    maas_url: ['http://10.0.0.200/MAAS'],
  });
});

test('the secret is in a file for root and MAAS, whose change alone restarts rackd', () => {
  expect(fileOf(connected(), SECRET_FILE)).toMatchObject({ mode: 0o640, owner: 'maas', group: 'maas' });
  const service = resourcesOf(connected()).find((resource) => resource.kind === 'service');
  expect(service).toMatchObject({ name: 'maas-rackd', onChange: 'restart', after: [SECRET_FILE] });
});

test('a region on the same machine keeps the file itself', () => {
  expect(fileOf(connected({ sharesSecret: true }), SECRET_FILE)).toBeUndefined();
});

describe('a rackd that has its secret since after it started', () => {
  test('is woken where it is connected to nobody', () => {
    expect(stepsOf(connected({ isSecretNewer: true, connected: 0 }))).toContain('wake-rackd');
  });

  test('is left alone where it is connected: a restart would stop DHCP', () => {
    expect(stepsOf(connected({ isSecretNewer: true }))).not.toContain('wake-rackd');
    expect(stepsOf(connected({ connected: 0 }))).not.toContain('wake-rackd');
  });
});

test('the firewall lets in what machines ask a rack for', () => {
  expect(plan(connected()).ports).toEqual(expect.arrayContaining(['5248/tcp', '53/udp', '67/udp', '69/udp']));
});

test('what a region on the machine has open already is left to it: Juju lets one unit open a port', () => {
  const region = new Set(planRegion(serving()).ports);
  expect(plan(connected({ hasRegion: true })).ports?.filter((port) => region.has(port))).toEqual([]);
});

test('regions learn what the rack is called', () => {
  expect(plan(connected()).databags).toEqual([
    { endpoint: 'rpc', relation: 7, unit: { hostname: 'rack-0' } },
  ]);
});

test('a collector learns where rackd and its agent tell how they do, and what is worth an alert', () => {
  const configOf = (version: string): unknown =>
    plan(connected({ observers: [8], version })).databags?.find(({ endpoint }) => endpoint === 'cos-agent')
      ?.unit;
  expect(configOf('3.4')).toMatchObject({
    config: {
      metrics_scrape_jobs: [
        { job_name: 'maas-rack_rackd', static_configs: [{ targets: ['localhost:5249'] }] },
      ],
      metrics_alert_rules: { groups: [{ rules: expect.arrayContaining([expect.anything()]) }] },
    },
  });
  expect(JSON.stringify(configOf('3.6'))).toContain('/metrics/agent');
  expect(JSON.stringify(configOf('3.6'))).not.toContain('%%');
});

test.each([
  [DEB, '3.4', 'journalctl -u maas-rackd', '/etc/maas/rackd.conf', []],
  [
    SNAP,
    '3.4',
    'sudo tail /var/snap/maas/common/log/rackd.log',
    '/var/snap/maas/current/rackd.conf',
    ['maas:maas-logs'],
  ],
  [SNAP, '3.7', 'journalctl -t maas-rackd', '/var/snap/maas/current/rackd.conf', []],
])('an alert says what to type, and a collector finds the log: %#', (maas, version, log, conf, slots) => {
  const bag = plan(connected({ observers: [8], maas, version, source: 'snap:3.7/stable' })).databags?.find(
    ({ endpoint }) => endpoint === 'cos-agent',
  )?.unit;
  expect(bag).toMatchObject({ config: { log_slots: slots } });
  const text = JSON.stringify(bag);
  expect(text.match(/(journalctl|sudo tail)[^`]*(?=`)/g)).toEqual([log, log]);
  expect(text).toContain(`max_rpc_connections in ${conf}.`);
});

describe('the status', () => {
  test.each([
    ['connected to 3 of 3 regions, MAAS 3.7', {}],
    ['connected to 2 of 3 regions, MAAS 3.7', { connected: 2 }],
  ])('%s', (message, known) => {
    expect(statusOf(connected(known))).toEqual({ level: 'active', message });
  });

  test('connected, while the virtual address does not answer', () => {
    const { regions: _, ...state } = connected();
    expect(statusOf(state)).toEqual({
      level: 'active',
      message: 'connected to 3 regions, MAAS 3.7; http://10.0.0.200/MAAS does not answer',
    });
  });

  test('waits for the virtual address', () => {
    const { regions: _, ...state } = connected({ connected: 0 });
    expect(statusOf(state)).toEqual({
      level: 'waiting',
      message: 'MAAS to answer at http://10.0.0.200/MAAS',
    });
  });

  test('waits for a region that takes it in', () => {
    expect(statusOf(connected({ connected: 0 }))).toMatchObject({ level: 'waiting' });
  });

  test('looks again in a minute while it has no region: no event tells that one is back', () => {
    expect(plan(connected({ connected: 0 })).reconcileIn).toBe(60);
    expect(plan(connected()).reconcileIn).toBeUndefined();
  });

  test('waits for URL and secret, and starts nothing without them', () => {
    const state = connected({ region: { app: 'maas-region' } });
    expect(statusOf(state)).toEqual({ level: 'waiting', message: 'maas-region to give its URL and secret' });
    expect(resourcesOf(state).map(({ kind }) => kind)).toEqual(['file', 'source', 'packages', 'step']);
  });

  test('its packages are held, so that no apt upgrade of the machine stops it', () => {
    const packages = resourcesOf(connected()).filter(({ kind }) => kind === 'packages');
    expect(packages).not.toEqual([]);
    for (const one of packages) expect(one).toMatchObject({ held: true });
  });

  test('no region', () => {
    const { region: _, ...state } = connected({ app: 'edge-racks' });
    expect(statusOf(state)).toEqual({
      level: 'blocked',
      message: 'no region: juju integrate edge-racks:rpc maas-region:rpc',
    });
  });
});

test('a rack that is being removed touches nothing more, so that another one can take over', () => {
  expect(resourcesOf(connected({ isBeingRemoved: true }))).toEqual([]);
  // Where MAAS forgets it while it runs, it takes the secret of the region beside it along.
  expect(resourcesOf(connected({ isBeingRemoved: true, hasRegion: true }))).toMatchObject([{ id: 'part' }]);
});

describe('the only rack with DHCP on a network', () => {
  const soleDhcp = ['fabric-0, VLAN 0', 'fabric-1, VLAN 20'];

  test('says so while it works', () => {
    expect(statusOf(connected({ soleDhcp }))).toEqual({
      level: 'active',
      message:
        'connected to 3 of 3 regions, MAAS 3.7; the only rack with DHCP on fabric-0, VLAN 0 and fabric-1, VLAN 20: add another unit',
      brief: 'connected to 3 of 3 regions, MAAS 3.7; 1 more: show-status',
    });
  });

  test('on many networks', () => {
    const many = Array.from({ length: 20 }, (_, index) => `fabric-0, VLAN ${index}`);
    expect(shown('maas-rack', plan(connected({ soleDhcp: many })).status)).toEqual([
      'connected to 3 of 3 regions, MAAS 3.7; 1 more: show-status',
    ]);
    expect(shown('maas-rack', plan(connected({ soleDhcp: many, isBeingRemoved: true })).status)).toEqual([
      'the only rack with DHCP on fabric-0, VLAN 0 and 19 more goes: juju add-unit maas-rack',
    ]);
  });

  test('and when it is removed', () => {
    expect(statusOf(connected({ soleDhcp, isBeingRemoved: true }))).toEqual({
      level: 'blocked',
      message: 'the only rack with DHCP on fabric-0, VLAN 0 and fabric-1, VLAN 20 goes',
      next: 'juju add-unit maas-rack',
    });
    expect(statusOf(connected({ isBeingRemoved: true }))).toEqual({
      level: 'waiting',
      message: 'to be removed',
    });
  });
});

test('a paused rack is left alone, and the status says how to go on', () => {
  expect(plan(connected({ isPaused: true, connected: 0 }))).toEqual({
    machine: [],
    status: [{ level: 'maintenance', message: 'paused: juju run maas-rack/0 resume' }],
  });
});

test('nothing of a removed rack runs or stays, but what a region on its machine needs', () => {
  const names = (hasOther: boolean, isAdopted = false): readonly string[] =>
    teardown(DEB, { hasOther, isAdopted }).flatMap((resource) =>
      resource.kind === 'service' ? resource.name : 'path' in resource ? resource.path : [],
    );
  expect(names(false)).toEqual(
    expect.arrayContaining(['maas-rackd', 'maas-dhcpd', 'maas-http', RACKD_CONF, SECRET_FILE]),
  );
  expect(names(true)).not.toEqual(expect.arrayContaining(['maas-http']));
  expect(names(true)).not.toEqual(expect.arrayContaining([SECRET_FILE]));
  // Nor is anything deleted that was there before a charm was.
  expect(names(false, true)).toEqual(['maas-rackd', 'maas-dhcpd', 'maas-dhcpd6', 'maas-agent', 'maas-http']);
});

test('the secret is in no databag, no status and no printed plan', () => {
  expect(JSON.stringify(plan(connected()))).not.toContain(SECRET);
});

describe('racks take turns', () => {
  const regions = {
    app: 'maas-region',
    url: 'http://10.0.0.200/MAAS',
    secret: new Redacted(SECRET),
    version: '3.7',
  };
  const behind = connected({ version: '3.4', packageVersion: MAAS_34, region: regions });
  const idOf = (resource: Resource): string =>
    resource.kind === 'step'
      ? resource.id
      : resource.kind === 'file'
        ? resource.path
        : `${resource.kind} ${resource.kind === 'packages' ? (resource.version ?? '') : ''}`.trim();
  const returnOf = (state: State): unknown =>
    plan(state).rolling?.flatMap((resource) =>
      resource.kind === 'step' && resource.id === 'await-return' ? [resource.inputs] : [],
    );

  test('at a newer MAAS and at another secret, until a region has taken the rack in with it', () => {
    expect(plan(behind).rolling?.map(idOf)).toEqual([
      `packages ${MAAS_37}`,
      SECRET_FILE,
      'service',
      'await-return',
    ]);
    // What it waits for with the new packages is not another thing once they are there, and is one with another secret.
    const upgraded = connected({ region: regions });
    expect(returnOf(upgraded)).toEqual(returnOf(behind));
    const other = { ...regions, secret: new Redacted('f'.repeat(32)) };
    expect(returnOf(connected({ region: other }))).not.toEqual(returnOf(upgraded));
  });

  test('not when they come: MAAS does not know them yet, and they interrupt nothing', () => {
    const state = { ...behind, isRegistered: false, connected: 0 };
    expect(plan(state).rolling).toEqual([]);
    expect(plan(state).machine.map(idOf)).toEqual(expect.arrayContaining([SECRET_FILE, 'service']));
  });

  test('not for a new URL, nor to be woken', () => {
    const early = plan(connected({ isSecretNewer: true, connected: 0 })).machine.map(idOf);
    expect(early).toEqual(expect.arrayContaining([RACKD_CONF, 'wake-rackd']));
  });

  test('and one that is paused or goes wants none', () => {
    expect(plan({ ...behind, isPaused: true }).rolling).toBeUndefined();
    expect(plan({ ...behind, isBeingRemoved: true }).rolling).toBeUndefined();
  });
});

describe('a rack whose source has a newer MAAS', () => {
  const old = { version: '3.4', packageVersion: MAAS_34 };
  const regions = (version: string): NonNullable<State['region']> => ({
    app: 'maas-region',
    url: 'http://10.0.0.200/MAAS',
    secret: new Redacted(SECRET),
    version,
  });
  const upgradesOf = (state: State): unknown =>
    resourcesOf(state).filter((resource) => resource.kind === 'packages' && resource.version !== undefined);

  test('waits for the regions to have it', () => {
    const state = connected({ ...old, region: regions('3.4') });
    expect(upgradesOf(state)).toEqual([]);
    expect(statusOf(state)).toMatchObject({
      level: 'active',
      message: 'connected to 3 of 3 regions, MAAS 3.4; is upgraded to 3.7 after the regions',
    });
  });

  test('then takes it', () => {
    expect(upgradesOf(connected({ ...old, region: regions('3.7') }))).toEqual([
      { kind: 'packages', names: ['maas-rack-controller'], version: MAAS_37, held: true },
    ]);
    expect(upgradesOf(connected({ region: regions('3.7') }))).toEqual([]);
  });

  test('on the machine of a region is upgraded together with that', () => {
    expect(upgradesOf(connected({ ...old, region: regions('3.7'), hasRegion: true }))).toEqual([]);
  });
});

test('a rack that is behind its regions says what to set', () => {
  const region = { app: 'maas-region', url: 'http://10.0.0.200/MAAS', version: '3.7' };
  const state = connected({
    version: '3.4',
    packageVersion: MAAS_34,
    preparation: prepared(MAAS_34),
    region: { ...region, secret: new Redacted(SECRET) },
  });
  expect(statusOf(state)).toMatchObject({
    message: 'connected to 3 of 3 regions, MAAS 3.4; the regions have MAAS 3.7: set source= to it as well',
  });
});
