import { describe, expect, test } from '@jest/globals';
import { DEB, SNAP } from '@maas-ha/maas';
import { parse } from 'yaml';
import { teardown, plan } from '../../../charms/maas-region/src/plan.ts';
import type { State } from '../../../charms/maas-region/src/state.ts';
import { options } from '../../../charms/maas-region/src/options.ts';
import { shown } from '../statuses.ts';
import {
  bagOf,
  changed,
  CLUSTER,
  databaseOver,
  fileOf,
  fresh,
  inputsOf,
  inTurnOf,
  MAAS_34,
  MAAS_37,
  machineOf,
  PASSWORD,
  prepared,
  resourcesOf,
  SECRET,
  serving,
  REGIOND_CONF,
  type Changes,
} from './states.ts';

/** By which named says that it is going to stop. */
const DRAIN_MARK = '/run/named.draining';

/** What the charm adds to the services of the packages. */
const UNIT_FILES = ['maas-ha-upgrade', 'maas-ha'].flatMap((file) =>
  ['maas-regiond', 'maas-apiserver', 'maas-openfga', 'maas-temporal', 'maas-temporal-worker'].map(
    (name) => `/etc/systemd/system/${name}.service.d/${file}.conf`,
  ),
);

const confOf = (state: State): Record<string, unknown> => parse(fileOf(state, REGIOND_CONF) ?? '');
const statusOf = (state: State): unknown => plan(state).status[0];
const follower = (changes: Changes = {}): State =>
  changed(
    serving({
      unit: 'maas-region/1',
      region: { hostname: 'region-1' },
      network: { address: '10.0.0.11' },
      isLeader: false,
    }),
    changes,
  );

test('the packages of MAAS are held, so that no apt upgrade of all machines stops every region', () => {
  for (const state of [fresh(), serving()]) {
    const packages = resourcesOf(state).flatMap((one) =>
      one.kind === 'packages' && one.names.some((name) => name.startsWith('maas')) ? [one] : [],
    );
    expect(packages).not.toEqual([]);
    for (const one of packages) expect(one).toMatchObject({ held: true });
  }
});

describe('the schema', () => {
  test('is migrated by the leader, before regiond starts, and after what its package started has stopped', () => {
    const steps = machineOf(fresh());
    const migration = steps.indexOf('step:migrate-database');
    expect(steps.indexOf('service:maas-regiond:stopped')).toBeLessThan(migration);
    expect(steps.indexOf('service:maas-regiond:running')).toBeGreaterThan(migration);
  });

  test('and in the rounds after it has been, nothing is stopped any more', () => {
    const steps = machineOf(fresh({ database: { hasMigrated: true } }));
    expect(steps).not.toContain('service:maas-regiond:stopped');
    expect(steps).toContain('service:maas-regiond:running');
  });

  test('is waited for by the others, whose regiond stays stopped', () => {
    const state = fresh({
      isLeader: false,
      cluster: { url: 'http://10.0.0.200/MAAS' },
    });
    expect(machineOf(state)).toContain('service:maas-regiond:stopped');
    expect(machineOf(state)).not.toContain('step:migrate-database');
    expect(machineOf(state)).not.toContain('service:maas-regiond:running');
    expect(statusOf(state)).toEqual({ level: 'waiting', message: 'the leader to migrate the database' });
  });

  test.each([
    ['the leader', fresh({ isLeader: false, cluster: { url: 'http://10.0.0.200/MAAS' } })],
    ['a database', fresh({ database: { kind: 'none' } })],
  ])('while a region waits for %s, its hooks do nothing that they have done already', (_, state) => {
    expect(plan(state).machine.filter((one) => one.kind === 'step' && !one.inputs)).toEqual([]);
  });

  test('that is there is not migrated again, whoever leads', () => {
    expect(machineOf(serving())).not.toContain('step:migrate-database');
    expect(machineOf(follower({ isLeader: true }))).not.toContain('step:migrate-database');
  });

  test('of another database does not count: that one may be empty', () => {
    const database = databaseOver(5);
    expect(machineOf(serving({ database }))).toContain('step:migrate-database');
    expect(machineOf(follower({ database }))).toContain('service:maas-regiond:stopped');
  });

  test('of an older MAAS is migrated once more, and nobody serves before', () => {
    const cluster = { schema: { version: MAAS_34, relation: 4 } };
    expect(machineOf(serving({ cluster }))).toContain('step:migrate-database');
    expect(machineOf(follower({ cluster }))).not.toContain('service:maas-regiond:running');
  });
});

describe('MAAS_URL', () => {
  test('is the virtual address behind the balancer', () => {
    expect(confOf(serving())['maas_url']).toBe('http://10.0.0.200/MAAS');
  });

  test('has an IPv6 address in brackets, and the port where the scheme does not imply it', () => {
    const vip = { app: 'keepalived-vip', address: '2001:db8::5' };
    const frontend = { scheme: 'http', port: 8080 } as const;
    const state = serving({ network: { vip, balancer: { app: 'haproxy', frontend } } });
    expect(confOf(state)['maas_url']).toBe('http://[2001:db8::5]:8080/MAAS');
  });

  test('is decided by the leader, and told to the others, who do not see the same at the same time', () => {
    const vip = { app: 'keepalived-vip', address: '10.0.0.201' };
    expect(bagOf(serving({ network: { vip } }), 'region-cluster', 'app')).toMatchObject({
      url: 'http://10.0.0.201/MAAS',
    });
    expect(confOf(follower({ network: { vip } }))['maas_url']).toBe('http://10.0.0.200/MAAS');
  });

  test('of a unit that knows no other yet is not its own address', () => {
    const state = fresh({ isLeader: false, network: { vip: undefined }, cluster: { peers: [] } });
    expect(fileOf(state, REGIOND_CONF)).toBeUndefined();
    expect(statusOf(state)).toEqual({ level: 'waiting', message: 'the leader to say where MAAS is reached' });
  });

  test('without a virtual address is the first region, and the status says what that means', () => {
    const state = serving({ network: { vip: undefined } });
    expect(confOf(state)['maas_url']).toBe('http://10.0.0.10:5240/MAAS');
    expect(statusOf(state)).toMatchObject({
      level: 'active',
      message: expect.stringContaining('keepalived-vip'),
    });
  });

  test('stays while the virtual address or the balancer have nothing to say for a moment', () => {
    const vip = { app: 'keepalived-vip' };
    expect(confOf(serving({ network: { vip } }))['maas_url']).toBe('http://10.0.0.200/MAAS');
    expect(confOf(serving({ network: { balancer: { app: 'haproxy' } } }))['maas_url']).toBe(
      'http://10.0.0.200/MAAS',
    );
  });

  test('waits for the virtual address the first time', () => {
    const state = fresh({ network: { vip: { app: 'keepalived-vip' } } });
    expect(fileOf(state, REGIOND_CONF)).toBeUndefined();
    expect(statusOf(state)).toEqual({
      level: 'waiting',
      message: 'keepalived-vip to have a virtual address',
    });
  });

  test.each([
    ['http://maas.example.com', 'http://maas.example.com/MAAS'],
    ['http://maas.example.com/', 'http://maas.example.com/MAAS'],
    ['https://maas.example.com/MAAS//', 'https://maas.example.com/MAAS'],
    ['http://[2001:db8::5]:5240/MAAS', 'http://[2001:db8::5]:5240/MAAS'],
    ['', ''],
  ])('as the user gives it: %s', (given, normal) => {
    expect(options['maas-url'].parse(given)).toBe(normal);
  });

  test.each([
    '10.0.0.5',
    'ftp://maas/MAAS',
    'http://maas/other',
    'http://2001:db8::5/MAAS',
    'maas.example.com',
  ])('%s is refused with an example', (given) => {
    const { error } = options['maas-url'].safeParse(given);
    expect(error?.issues[0]?.message).toContain('http://maas.example.com/MAAS');
  });
});

describe('regiond.conf', () => {
  test('has values of the types that MAAS takes, and other programs keep their keys', () => {
    const state = serving({
      region: { currentConf: { vault_url: 'http://vault', database_host: '10.0.0.5', database_port: 5432 } },
    });
    expect(fileOf(state, REGIOND_CONF)).toMatchInlineSnapshot(`
     "broadcast_address: "10.0.0.10"
     database_conn_max_age: 86400
     database_host: "10.0.0.5"
     database_name: "maasdb"
     database_pass: "dbPassw0rd"
     database_port: 5432
     database_user: "relation-4"
     debug: false
     maas_url: "http://10.0.0.200/MAAS"
     num_workers: 4
     vault_url: "http://vault"
     "
    `);
  });

  test('has the age of sessions that the user has set', () => {
    const state = serving({ region: { currentConf: { database_conn_max_age: 60 } } });
    expect(fileOf(state, REGIOND_CONF)).toContain('database_conn_max_age: 60\n');
  });

  test('is for root and MAAS only, and MAAS reads it before it counts', () => {
    const file = plan(serving()).machine.flatMap((resource) =>
      resource.kind === 'file' && resource.path === REGIOND_CONF ? [resource] : [],
    )[0];
    expect(file).toMatchObject({ mode: 0o640, owner: 'root', group: 'maas' });
    const words = file?.validate ?? [];
    expect(words.slice(0, 2)).toEqual(['env', '--ignore-environment']);
    expect(words.slice(-4)).toEqual([
      'MAAS_REGION_CONFIG={}',
      'maas-region',
      'local_config_get',
      '--maas-url',
    ]);
  });

  test('names the own address from 3.5 on, and no key that an older MAAS does not know', () => {
    expect(confOf(serving())['broadcast_address']).toBe('10.0.0.10');
    const old = serving({
      region: { version: '3.4', packageVersion: MAAS_34, preparation: prepared('ppa:maas/3.4', MAAS_34) },
      cluster: { schema: { version: MAAS_34, relation: 4 }, peers: [] },
    });
    expect(confOf(old)).not.toHaveProperty('broadcast_address');
  });
});

describe('what others reach a region by', () => {
  const old = serving({ region: { version: '3.4' }, cluster: { schema: { version: '3.4', relation: 4 } } });

  test('balancers elsewhere pass on the ports that racks need beside the web server, of a MAAS that has them', () => {
    expect(bagOf(serving(), 'api', 'unit')).toMatchObject({ 'tcp-ports': [5242, 5271] });
    expect(bagOf(old, 'api', 'unit')).not.toHaveProperty('tcp-ports');
  });

  test('the firewall lets in racks, and from 3.5 on the other regions too', () => {
    expect(plan(old).ports).toEqual(['5240/tcp', '5250-5259/tcp', '53/tcp', '8000/tcp', '53/udp']);
    expect(plan(serving()).ports).toEqual(
      expect.arrayContaining(['5242/tcp', '5271/tcp', '5272-5274/tcp', '5281-5284/tcp']),
    );
  });

  test('a collector learns where regiond tells how it does, and what is worth an alert', () => {
    const config = bagOf(serving({ observers: [8] }), 'cos-agent', 'unit');
    expect(config).toMatchObject({
      config: {
        metrics_scrape_jobs: [
          { job_name: 'maas-region_regiond', static_configs: [{ targets: ['localhost:5239'] }] },
          { metrics_path: '/metrics/temporal', static_configs: [{ targets: ['localhost:5240'] }] },
        ],
        metrics_alert_rules: { groups: [{ rules: expect.arrayContaining([expect.anything()]) }] },
      },
    });
    expect(JSON.stringify(config)).not.toContain('%%');
  });

  test.each([
    [DEB, '3.4', 'journalctl -u maas-regiond', "systemctl list-units 'maas-*'", '/var/lib/maas'],
    [
      SNAP,
      '3.4',
      'sudo tail /var/snap/maas/common/log/regiond.log',
      'sudo maas status',
      '/var/snap/maas/common/maas',
    ],
    [SNAP, '3.7', 'journalctl -t maas-regiond', 'sudo maas status', '/var/snap/maas/common/maas'],
  ])(
    'an alert says what to type, whatever MAAS is installed from: %#',
    (maas, version, log, overview, home) => {
      const text = JSON.stringify(
        bagOf(
          serving({ observers: [8], region: { maas, version, source: 'snap:3.7/stable' } }),
          'cos-agent',
          'unit',
        ),
      );
      const typed = [...text.matchAll(/juju ssh {{ \$labels\.juju_unit }} ([^`]*)`/g)].map(
        ([, words]) => words,
      );
      expect(typed).toEqual([log, overview]);
      expect(text).toContain(`Two machines have one ${home}/maas_id:`);
    },
  );

  test('a collector reads the log of a snap that does not write to the journal', () => {
    const slotsOf = (maas: State['region']['maas'], version: string): unknown =>
      bagOf(
        serving({ observers: [8], region: { maas, version, source: 'snap:3.7/stable' } }),
        'cos-agent',
        'unit',
      );
    expect(slotsOf(SNAP, '3.4')).toMatchObject({ config: { log_slots: ['maas:maas-logs'] } });
    expect(slotsOf(SNAP, '3.7')).toMatchObject({ config: { log_slots: [] } });
    expect(slotsOf(DEB, '3.4')).toMatchObject({ config: { log_slots: [] } });
  });
});

describe('restarts', () => {
  test('follow from what is in the file', () => {
    const before = inputsOf(serving(), 'restart-regiond');
    expect(inputsOf(serving(), 'restart-regiond')).toEqual(before);
    const vip = { app: 'keepalived-vip', address: '10.0.0.201' };
    expect(inputsOf(serving({ network: { vip } }), 'restart-regiond')).not.toEqual(before);
    expect(inputsOf(serving({ options: { debug: true } }), 'restart-regiond')).not.toEqual(before);
  });

  test('are one after the other, but where the database has moved, or nobody is served', () => {
    expect(inTurnOf(serving())).toEqual(['step:restart-regiond']);
    expect(
      inTurnOf(serving({ region: { currentConf: { database_host: '10.0.0.6', database_port: 5432 } } })),
    ).toEqual([]);
    expect(inTurnOf(serving({ region: { isServing: false } }))).toEqual([]);
    expect(machineOf(serving({ region: { isServing: false } }))).toContain('step:restart-regiond');
  });

  test('do not follow from racks, peers, or a secret', () => {
    const before = inputsOf(serving(), 'restart-regiond');
    const state = serving({
      region: { secret: undefined },
      racks: { hostnames: {}, relations: [] },
      cluster: { peers: [] },
    });
    expect(inputsOf(state, 'restart-regiond')).toEqual(before);
  });

  test('include every service that reads the file', () => {
    const started = machineOf(serving()).filter((step) => step.endsWith(':running'));
    expect(started).toEqual([
      'service:maas-regiond:running',
      'service:maas-apiserver:running',
      'service:maas-temporal:running',
      'service:maas-temporal-worker:running',
    ]);
  });
});

describe('a region that is being removed', () => {
  const leaving = serving({ isBeingRemoved: true, region: { isServing: true } });

  test('takes itself out of the balancers, and says goodbye once they have heard of it', () => {
    expect(machineOf(leaving)).not.toContain('step:goodbye');
    expect(plan(leaving).databags).toEqual([{ endpoint: 'api', relation: 9, unit: {} }]);
    expect(machineOf({ ...leaving, isOutOfBalancers: true })).toContain('step:goodbye');
  });

  test('has the virtual address leave the machine before named stops, so that no request under way is lost', () => {
    expect(machineOf(leaving)).toContain(`file:${DRAIN_MARK}`);
    const steps = teardown(DEB, left).flatMap((one) =>
      'id' in one ? one.id : 'path' in one ? one.path : [],
    );
    expect(steps.slice(0, 2)).toEqual([DRAIN_MARK, 'drain']);
    expect(steps.indexOf('leave-bind')).toBeGreaterThan(1);
    // A unit that comes to this machine later can hold the address.
    expect(teardown(DEB, left).at(-1)).toEqual({ kind: 'absent-file', path: DRAIN_MARK });
    expect(plan(serving()).machine).toContainEqual({ kind: 'absent-file', path: DRAIN_MARK });
  });

  test('changes no URL for the others when its relations go one by one', () => {
    const alone = serving({
      isBeingRemoved: true,
      network: { vip: undefined },
      cluster: { peers: [] },
      database: databaseOver(),
    });
    expect(machineOf(alone)).not.toContain(`file:${REGIOND_CONF}`);
    expect(bagOf(alone, 'region-cluster', 'app')).toBeUndefined();
  });

  const left = { services: ['maas-regiond'], hasOther: false, isAdopted: false, hasDatabaseProxy: true };

  test('leaves no package, configuration or secret', () => {
    expect(
      teardown(DEB, left).map((resource) => ('path' in resource ? resource.path : resource.kind)),
    ).toEqual([
      // Who sends clients to this machine for named hears of it first.
      DRAIN_MARK,
      'step',
      'service',
      // What MAAS reaches its database by goes after what runs.
      'service',
      '/etc/systemd/system/maas-database-proxy.service',
      'step',
      // BIND does without MAAS, before the files that it includes are gone.
      'step',
      'service',
      // One list: each asks apt anew what came along.
      'absent-packages',
      'source',
      ...UNIT_FILES,
      REGIOND_CONF,
      '/var/lib/maas/secret',
      '/var/lib/maas/maas_id',
      DRAIN_MARK,
    ]);
  });

  test('has nothing left to do in later hooks', () => {
    const later = teardown(DEB, { ...left, services: [], hasDatabaseProxy: false });
    expect(later.filter(({ kind }) => kind === 'step')).toEqual([]);
  });

  test('leaves a rack on the same machine what they share', () => {
    const resources = teardown(DEB, { ...left, hasOther: true });
    const paths = resources.flatMap((resource) => ('path' in resource ? resource.path : []));
    expect(paths).toEqual([
      DRAIN_MARK,
      '/etc/systemd/system/maas-database-proxy.service',
      ...UNIT_FILES,
      REGIOND_CONF,
      DRAIN_MARK,
    ]);
    expect(JSON.stringify(resources)).not.toContain('maas-http');
    // The packages take the rack's DNS along.
    const steps = resources.flatMap((resource) => (resource.kind === 'step' ? resource.id : resource.kind));
    expect(steps.filter((step) => ['leave-bind', 'absent-packages', 'rack-dns'].includes(step))).toEqual([
      'leave-bind',
      'absent-packages',
      'rack-dns',
    ]);
  });

  test('that was there before a charm was stops, and stays with its configuration and its identity', () => {
    const resources = teardown(DEB, { ...left, isAdopted: true });
    const paths = resources.flatMap((resource) => ('path' in resource ? resource.path : []));
    expect(paths).toEqual(['/etc/systemd/system/maas-database-proxy.service', ...UNIT_FILES, DRAIN_MARK]);
    expect(resources).toContainEqual(expect.objectContaining({ name: 'maas-regiond', state: 'stopped' }));
    expect(resources).not.toContainEqual(expect.objectContaining({ id: 'leave-bind' }));
  });
});

test('a paused region is left alone, balancers send it nobody, and the status says how to go on', () => {
  const paused = serving({ region: { isPaused: true, isServing: false } });
  expect(machineOf(paused)).toEqual([]);
  expect(plan(paused).databags).toEqual([{ endpoint: 'api', relation: 9, unit: {} }]);
  expect(statusOf(paused)).toEqual({
    level: 'maintenance',
    message: 'paused: juju run maas-region/0 resume',
  });
});

test('a file of MAAS that belongs to another user becomes that of MAAS’ own, because regiond could not replace it', () => {
  const foreignFiles = ['/var/lib/maas/secret'];
  expect(machineOf(serving({ region: { foreignFiles, isServing: false } }))).toContain('step:own-files');
  expect(machineOf(serving())).not.toContain('step:own-files');
});

describe('the leader has MAAS forget who is gone', () => {
  const gone = {
    unit: 'maas-region/3',
    hostname: 'region-3',
    systemId: 'abc123',
    isRunning: false,
    soleDhcpOf: [],
  };
  const regions = { ...CLUSTER.regions, 'maas-region/3': 'region-3' };
  const regionsOf = (state: State): unknown => bagOf(state, 'region-cluster', 'app');

  test('a region whose processes MAAS does not list any more', () => {
    const state = serving({ cluster: { regions, departed: { regions: [gone], racks: [] } } });
    expect(machineOf(state)).toContain('step:forget-region:maas-region/3');
    expect(regionsOf(state)).toMatchObject({ regions: { 'maas-region/3': 'region-3' } });
  });

  test('one that crashed is waited for, and nothing is blocked by it', () => {
    const departed = { regions: [{ ...gone, isRunning: true }], racks: [] };
    const state = serving({ cluster: { regions, departed } });
    expect(machineOf(state)).not.toContain('step:forget-region:maas-region/3');
    expect(regionsOf(state)).toMatchObject({ regions: { 'maas-region/3': 'region-3' } });
    expect(statusOf(state)).toEqual({
      level: 'active',
      message: 'serves http://10.0.0.200/MAAS; MAAS still lists region-3 as running',
    });
    expect(plan(state).reconcileIn).toBe(60);
    expect(plan(serving()).reconcileIn).toBeUndefined();
  });

  test('one that is forgotten is no longer remembered', () => {
    const { systemId: _, ...forgotten } = gone;
    const state = serving({ cluster: { regions, departed: { regions: [forgotten], racks: [] } } });
    expect(machineOf(state)).not.toContain('step:forget-region:maas-region/3');
    expect(regionsOf(state)).toMatchObject({ regions: CLUSTER.regions });
    expect(JSON.stringify(regionsOf(state))).not.toContain('region-3');
  });

  test('everybody is remembered while MAAS cannot be asked', () => {
    const state = serving({ cluster: { regions, departed: undefined } });
    expect(regionsOf(state)).toMatchObject({ regions: { 'maas-region/3': 'region-3' } });
  });

  test('a rack', () => {
    const rack = {
      unit: 'maas-rack/5',
      hostname: 'rack-5',
      systemId: 'xyz789',
      isRunning: false,
      soleDhcpOf: [],
    };
    const state = serving({ cluster: { departed: { regions: [], racks: [rack] } } });
    expect(machineOf(state)).toContain('step:forget-rack:maas-rack/5');
    // MAAS may have refused.
    expect(plan(state).reconcileIn).toBe(60);
  });

  test('but not the only rack with DHCP, which the status names', () => {
    const soleDhcpOf = ['fabric-0, VLAN 0'];
    const rack = {
      unit: 'maas-rack/5',
      hostname: 'rack-5',
      systemId: 'xyz789',
      isRunning: false,
      soleDhcpOf,
    };
    const state = serving({ cluster: { departed: { regions: [], racks: [rack] } } });
    expect(machineOf(state)).not.toContain('step:forget-rack:maas-rack/5');
    expect(plan(state).reconcileIn).toBeUndefined();
    expect(statusOf(state)).toMatchObject({
      level: 'active',
      message: expect.stringMatching(
        /^rack-5 is gone and was the only rack with DHCP on fabric-0, VLAN 0: add a rack there; serves /,
      ),
    });
  });
});

describe('racks that are the only ones with DHCP somewhere', () => {
  const soleDhcp = { 'rack-0': ['fabric-0, VLAN 0'] };

  test('are told, and the leader remembers what MAAS said', () => {
    for (const state of [serving({ racks: { soleDhcp } }), serving({ cluster: { soleDhcp } })]) {
      expect(bagOf(state, 'rpc', 'app')).toMatchObject({ 'sole-dhcp': soleDhcp });
      expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ soleDhcp });
    }
  });

  test('and told that they are not any more', () => {
    const state = serving({ racks: { soleDhcp: {} }, cluster: { soleDhcp } });
    expect(bagOf(state, 'rpc', 'app')).toMatchObject({ 'sole-dhcp': undefined });
    expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ soleDhcp: undefined });
  });
});

describe('statuses', () => {
  test('no database', () => {
    const state = serving({ database: { kind: 'none', relations: [] } });
    expect(statusOf(state)).toEqual({
      level: 'blocked',
      message: 'no database: juju integrate maas-region:database postgresql:database',
    });
  });

  test('no primary for the moment: what runs goes on', () => {
    const state = serving({ database: { kind: 'waiting', reason: 'postgresql to have a primary' } });
    expect(statusOf(state)).toEqual({ level: 'waiting', message: 'postgresql to have a primary' });
    expect(machineOf(state).join()).not.toContain('stopped');
  });

  test('too few connections: the number to set', () => {
    expect(statusOf(serving({ database: { connectionLimit: 100 } }))).toMatchObject({
      message: expect.stringContaining(
        'PostgreSQL allows 100 connections: 3 regions need max_connections=160',
      ),
    });
  });

  test('named refuses its configuration: mended once, then told', () => {
    const state = serving({
      config: { dnsProblem: "/etc/bind/named.conf.options:5: 'forwarders' redefined" },
    });
    expect(machineOf(state)).toContain('step:migrate-dns-options');
    expect(inputsOf(state, 'migrate-dns-options')).toEqual({ problem: state.config.dnsProblem });
    expect(statusOf(state)).toMatchObject({
      level: 'blocked',
      message: expect.stringContaining('redefined'),
    });
  });
});

test('no secret is in a databag, a status, an input of a step or a printed plan', () => {
  for (const state of [serving(), fresh(), serving({ isBeingRemoved: true }), follower()]) {
    const text = JSON.stringify(plan(state));
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain(SECRET);
  }
});

test('the secret passes as a Juju secret that racks are granted', () => {
  expect(bagOf(serving(), 'rpc', 'app')).toMatchObject({
    'maas-secret-id': { secret: { label: 'maas-rpc-secret' }, grants: [{ id: 7, app: 'maas-rack' }] },
  });
  expect(bagOf(serving({ region: { secret: undefined } }), 'rpc', 'app')).toBeUndefined();
});

describe('twenty regions', () => {
  const numbers = Array.from({ length: 19 }, (_, index) => index + 1);
  const peersWith = (more: Partial<State['cluster']['peers'][number]>) =>
    numbers.map((number) => ({
      unit: `maas-region/${number}`,
      hostname: `region-${number}`,
      address: `10.0.1.${number}`,
      version: MAAS_37,
      ready: MAAS_37,
      ...more,
    }));
  const old = { version: MAAS_34, ready: MAAS_34 };
  const upgrading = {
    region: { version: '3.4', packageVersion: MAAS_34, preparation: prepared('ppa:maas/3.7', MAAS_37) },
  };

  test.each<[string, Changes, RegExp]>([
    [
      'that have to stop before the database is migrated',
      {
        cluster: { peers: peersWith({ database: 3 }), schema: { version: MAAS_37, relation: 3 } },
      },
      /^maas-region\/1, .* and 1[0-9] more to stop, before the database is migrated$/,
    ],
    [
      'that have to stop for an upgrade',
      {
        region: { preparation: prepared('ppa:maas/3.7', MAAS_37) },
        cluster: { peers: peersWith(old), schema: { version: MAAS_34, relation: 4 }, target: MAAS_37 },
      },
      /^upgrading from 3.4 to 3.7: waiting for maas-region\/1, .* and 1[0-9] more to stop$/,
    ],
    [
      'that are not ready for an upgrade',
      {
        ...upgrading,
        cluster: { peers: peersWith(old), schema: { version: MAAS_34, relation: 4 } },
      },
      /^serves http:\/\/10.0.0.200\/MAAS; [12] more: show-status$/,
    ],
    [
      'that have gone',
      {
        cluster: {
          departed: {
            regions: numbers.map((number) => ({
              unit: `maas-region/${number}`,
              hostname: `region-${number}`,
              systemId: 'abc',
              isRunning: true,
              soleDhcpOf: [],
            })),
            racks: [],
          },
        },
      },
      /^serves http:\/\/10.0.0.200\/MAAS; MAAS still lists region-1 as running; 18 more: show-status$/,
    ],
  ])('%s are in one line of juju status', (_what, changes, text) => {
    expect(shown('maas-region', plan(serving(changes)).status)[0]).toMatch(text);
  });
});
