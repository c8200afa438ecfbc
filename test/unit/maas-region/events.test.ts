// Every event that Juju may run, in the states that a region comes to.
import { Redacted } from 'juju-ts-ops';
import { stateOf } from 'juju-ts-ops/testing';
import { answered, asked, signed } from '../certificates.ts';
import { testEvents } from '../events.ts';
import { database, old, PASSWORD } from './relations.ts';
import type { Changes } from './states.ts';

const { charm } = await import('../../../charms/maas-region/src/charm.ts');
const { changed } = await import('./states.ts');
type Found = Awaited<ReturnType<typeof charm.read>>;
type State = Exclude<Found, { handMade: unknown }>;

const SECRET = '0123456789abcdef0123456789abcdef';
/** The one that racks have been given. */
const GIVEN = 'fedcba9876543210fedcba9876543210';
/** Of the packages: installed, and what the database was migrated to. */
const VERSION = '1:3.7.0-17960-g.abc';
const options = { source: 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./' };
const snap = { source: 'snap:3.7/stable' };
const alone = { id: 1, endpoint: 'region-cluster', app: 'maas-region' } as const;
/** It has its turn, for what a machine without memory has still to do. */
const turn = { unit: 'maas-region/0', number: 1, since: new Date().toISOString() };
const cluster = {
  ...alone,
  localUnitData: { turn: JSON.stringify({ number: 1, isOver: false }) },
  appData: {
    turn: JSON.stringify(turn),
    schema: JSON.stringify({ version: VERSION, relation: 4 }),
    url: 'http://10.0.0.200/MAAS',
    regions: JSON.stringify({ 'maas-region/0': 'region-0', 'maas-region/1': 'region-1' }),
  },
  units: { 'maas-region/1': { hostname: 'region-1', address: '10.0.0.11' } },
};
const vip = {
  id: 6,
  endpoint: 'vip',
  app: 'keepalived-vip',
  appData: { vips: JSON.stringify([{ address: '10.0.0.200', prefix: 24, family: 'ipv4' }]), ready: 'true' },
  units: { 'keepalived-vip/0': {} },
} as const;
const rpc = {
  id: 7,
  endpoint: 'rpc',
  app: 'maas-rack',
  units: { 'maas-rack/0': { hostname: 'rack-0' } },
} as const;
const api = {
  id: 8,
  endpoint: 'api',
  app: 'haproxy',
  appData: { frontend: JSON.stringify({ scheme: 'http', port: 80 }) },
  units: { 'haproxy/0': {} },
} as const;
const secret = {
  uri: 'secret:9m4e2mr0ui3e8a215n4g',
  owner: 'other',
  revisions: [{ number: 1, content: { username: 'relation-4', password: PASSWORD } }],
} as const;
/** What racks have been given since the leader gave MAAS another secret. */
const given = {
  uri: 'secret:9m4e2mr0ui3e8a215n5g',
  owner: 'application',
  label: 'maas-rpc-secret',
  revisions: [{ number: 2, content: { 'maas-secret': GIVEN } }],
  grants: [{ relation: 7 }],
} as const;
const secrets = [PASSWORD, SECRET];
/** The cluster, with what its leader has said beside. */
const said = (appData: Readonly<Record<string, string>>) => ({
  ...cluster,
  appData: { ...cluster.appData, ...appData },
});
const rotation = '1';
const gone = {
  regions: JSON.stringify({
    'maas-region/0': 'region-0',
    'maas-region/1': 'region-1',
    'maas-region/2': 'region-2',
  }),
  racks: JSON.stringify({ 'maas-rack/0': 'rack-0', 'maas-rack/1': 'rack-1' }),
};
const OLD_VERSION = '1:3.4.0-14321-g.abc';
const migratedTo = (version: string, more: object = {}): string =>
  JSON.stringify({ version, relation: 4, ...more });

/** What a region reads, with these changes. */
const seeing =
  (changes: Changes) =>
  (found: Found): State => {
    if ('handMade' in found) throw new Error('nobody has installed a MAAS here');
    return changed(found, changes);
  };

/** The same on a machine that has MAAS. */
const on = (changes: Changes) => (found: Found) => {
  const region = {
    version: '3.7',
    packageVersion: VERSION,
    hostname: 'region-0',
    services: ['maas-regiond'],
    secret: new Redacted(SECRET),
    isServing: true,
  };
  return changed(seeing({ region, config: { dnsProblem: undefined } })(found), changes);
};

/** A region with all that it needs, in a cluster whose racks have been given a secret. */
const grown = (appData: Readonly<Record<string, string>>) => ({
  state: stateOf(charm, {
    options,
    relations: [said(appData), database, vip, rpc, api],
    secrets: [secret, given],
  }),
  without: { database: ['blocked'] } as const,
  secrets: [...secrets, GIVEN],
});

/** MAAS' own HTTPS, by the virtual address. */
const ours = signed(['10.0.0.200']);
const passthrough = (relation: object, since = '1') => ({
  state: stateOf(charm, {
    options: { ...options, 'tls-mode': 'passthrough' },
    relations: [
      said({ tls: JSON.stringify({ relation: 4, fingerprint: 'of the one before' }) }),
      database,
      vip,
      rpc,
      api,
      {
        id: 9,
        endpoint: 'certificates',
        app: 'ca',
        units: { 'ca/0': {} },
        ownAppData: asked(ours),
        ...relation,
      },
    ],
    secrets: [
      secret,
      given,
      {
        uri: 'secret:9m4e2mr0ui3e8a215n6g',
        owner: 'application',
        label: 'tls-certificates',
        revisions: [{ number: 1, content: { 'private-key': ours.key, 'requested-at': since } }],
      },
    ],
  }),
  without: { database: ['blocked'], certificates: ['active', 'blocked', 'waiting'] } as const,
  secrets: [...secrets, GIVEN, ours.secret],
});

const actions = {
  adopt: [{}],
  'create-admin': [
    { username: 'ada', email: 'ada@example.com' },
    { username: '', email: 'ada' },
  ],
  'get-api-key': [{ username: 'ada' }, { username: '--help' }],
  'list-controllers': [{}],
  'configure-dhcp-ha': [
    {},
    { fabric: 'fabric-0', vlan: 0, primary: 'rack-0', secondary: 'rack-1' },
    { vlan: 4095 },
  ],
  'create-backup': [{ 'database-backup': '2026-01-01T00:00:00Z' }, { 'database-backup': '' }],
  'list-backups': [{}],
  'restore-backup': [
    { 'backup-id': 'maas-region-0-20260101T000000Z', 'database-backup': '2026-01-01T00:00:00Z' },
    { 'backup-id': '../../etc/shadow', 'database-backup': 'x' },
  ],
  'rotate-secret': [{}],
  upgrade: [{}],
  pause: [{}],
  resume: [{}],
};

testEvents(charm, actions, {
  'no database': { state: stateOf(charm, { options, relations: [alone] }), statuses: ['blocked'] },
  'two databases': {
    state: stateOf(charm, { options, relations: [alone, database, old], secrets: [secret] }),
    statuses: ['blocked'],
    without: { db: ['waiting'], database: ['waiting'] },
    secrets,
  },
  'a database that is not ready': {
    state: stateOf(charm, { options, relations: [alone, database] }),
    statuses: ['waiting'],
    without: { database: ['blocked'] },
  },
  'a database, and nothing installed yet': {
    state: stateOf(charm, { options, relations: [alone, database, vip, rpc, api], secrets: [secret] }),
    statuses: ['waiting'],
    without: { database: ['blocked'] },
    secrets,
  },
  'a database, and a snap that is yet to be installed': {
    state: stateOf(charm, { options: snap, relations: [alone, database, vip, rpc, api], secrets: [secret] }),
    statuses: ['waiting'],
    without: { database: ['blocked'] },
    secrets,
  },
  'a snap that is no region yet, in a cluster that serves': {
    state: stateOf(charm, {
      options: snap,
      relations: [cluster, database, vip, rpc, api],
      secrets: [secret],
    }),
    seen: seeing({
      region: { version: '3.7', packageVersion: VERSION, hostname: 'region-0', isInitialised: false },
    }),
    statuses: ['waiting'],
    without: { database: ['blocked'] },
    secrets,
  },
  'all that it needs, in a cluster that serves': {
    state: stateOf(charm, { options, relations: [cluster, database, vip, rpc, api], secrets: [secret] }),
    seen: on({}),
    statuses: ['active'],
    without: { database: ['blocked'] },
    secrets,
  },
  'a new secret that it was not there for': {
    ...grown({ rotation }),
    seen: on({ region: { isServing: false } }),
    statuses: ['waiting'],
  },
  'a new secret, and serving': {
    ...grown({ rotation }),
    seen: on({ database: { rotation: 1 } }),
    statuses: ['active'],
  },
  'a new secret, and another one asked for': {
    ...grown({ rotation }),
    seen: on({ database: { rotation: 2 } }),
    statuses: ['active'],
  },
  'a new secret, and its own lost': {
    ...grown({ rotation }),
    seen: on({ region: { isServing: false, secret: undefined } }),
    statuses: ['waiting'],
  },
  'an upgrade after a new secret, before this unit has installed it': {
    ...grown({ rotation, schema: migratedTo(OLD_VERSION), target: VERSION }),
    seen: on({ region: { version: '3.4', packageVersion: OLD_VERSION } }),
    statuses: ['maintenance'],
    settling: 1,
  },
  'an upgrade after a new secret, installed': {
    ...grown({ rotation, schema: migratedTo(OLD_VERSION), target: VERSION }),
    seen: on({
      region: { isServing: false, isHeld: true },
      cluster: { peers: [{ unit: 'maas-region/2', hostname: 'region-2', version: OLD_VERSION }] },
    }),
    statuses: ['maintenance'],
  },
  'upgraded after a new secret, not started yet': {
    ...grown({ rotation, schema: migratedTo(VERSION, { from: OLD_VERSION }) }),
    seen: on({ region: { isServing: false, isHeld: true } }),
    statuses: ['waiting'],
  },
  'upgraded, and serving': {
    ...grown({ schema: migratedTo(VERSION, { from: OLD_VERSION }) }),
    seen: on({}),
    statuses: ['active'],
  },
  'units removed that MAAS still lists, after a new secret': {
    ...grown({ ...gone, rotation }),
    seen: on({
      cluster: {
        departed: {
          regions: [
            { unit: 'maas-region/2', hostname: 'region-2', systemId: 'abc', isRunning: true, soleDhcpOf: [] },
          ],
          racks: [
            {
              unit: 'maas-rack/1',
              hostname: 'rack-1',
              systemId: 'def',
              isRunning: false,
              soleDhcpOf: ['fabric-0'],
            },
          ],
        },
      },
    }),
    statuses: ['active'],
  },
  'units removed while this one does not serve': {
    ...grown({ ...gone, rotation }),
    seen: on({ region: { isServing: false } }),
    statuses: ['waiting'],
  },
  'a backup that is being put back, after a new secret': {
    ...grown({ rotation }),
    seen: on({ region: { isServing: false }, backup: { isRestoring: true } }),
    statuses: ['waiting'],
  },
  'a backup put back, with the secret of its time': {
    ...grown({ rotation }),
    seen: on({ database: { rotation: 0 } }),
    statuses: ['active'],
  },
  'another database in place of the one it had, which another region still serves': {
    ...grown({ rotation, schema: JSON.stringify({ version: VERSION, relation: 3 }) }),
    seen: on({
      region: { isServing: false },
      cluster: { peers: [{ unit: 'maas-region/2', hostname: 'region-2', database: 3 }] },
    }),
    statuses: ['waiting'],
  },
  'a database that was restored, which another region still serves': {
    ...grown({ rotation }),
    seen: on({
      database: { hasMigrated: false },
      cluster: { peers: [{ unit: 'maas-region/2', hostname: 'region-2', database: 4 }] },
    }),
    // Only the leader asks the database.
    statuses: ['waiting', 'active'],
  },
  'an option that cannot be': {
    state: stateOf(charm, {
      options: { ...options, 'num-workers': 11 },
      relations: [cluster, database, vip],
      secrets: [secret],
    }),
    statuses: ['blocked'],
    secrets,
  },
  'another region removed, which Juju 4 goes on listing, after a new secret': {
    state: stateOf(charm, {
      options,
      relations: [{ ...said({ ...gone, rotation }), gone: ['maas-region/1'] }, database, vip, rpc, api],
      secrets: [secret, given],
    }),
    seen: on({ database: { rotation: 1 } }),
    statuses: ['active'],
    without: { database: ['blocked'] },
    secrets: [...secrets, GIVEN],
  },
  'an upgrade that another region was removed from, which Juju 4 goes on listing': {
    state: stateOf(charm, {
      options,
      relations: [
        { ...said({ ...gone, schema: migratedTo(OLD_VERSION), target: VERSION }), gone: ['maas-region/1'] },
        database,
        vip,
        rpc,
        api,
      ],
      secrets: [secret, given],
    }),
    seen: on({ region: { isServing: false, isHeld: true } }),
    statuses: ['maintenance', 'waiting'],
    // Nobody is waited for, and the database is migrated once.
    settling: 1,
    without: { database: ['blocked'] },
    secrets: [...secrets, GIVEN],
  },
  'racks and balancers that were removed by force, in relations that cannot be read': {
    state: stateOf(charm, {
      options,
      relations: [said({ rotation }), database, vip, { ...rpc, isLost: true }, { ...api, isLost: true }],
      secrets: [secret, { ...given, grants: [] }],
    }),
    seen: on({}),
    statuses: ['active'],
    without: { database: ['blocked'] },
    secrets: [...secrets, GIVEN],
  },
  'a database that was removed by force, in a relation that cannot be read': {
    state: stateOf(charm, {
      options,
      relations: [said({ rotation }), { ...database, isLost: true }, vip, rpc, api],
      secrets: [given],
    }),
    seen: on({}),
    statuses: ['blocked'],
    secrets: [SECRET, GIVEN],
  },
  'paused, after a new secret': {
    ...grown({ rotation }),
    seen: on({ region: { isServing: false, isPaused: true } }),
    statuses: ['maintenance'],
    without: {},
  },
  'a CA that has not signed yet': { ...passthrough({}), seen: on({}), statuses: ['waiting', 'active'] },
  'a CA that has signed': {
    ...passthrough({ appData: answered(ours) }),
    seen: on({}),
    statuses: ['active', 'waiting'],
    // MAAS is told once.
    settling: 1,
  },
  'a certificate that was revoked': {
    ...passthrough({ appData: answered(ours, { revoked: true }) }),
    seen: on({}),
    statuses: ['active', 'waiting'],
    // Why it asks for another one it says only then.
    settling: 1,
  },
  'a certificate that was revoked, and asked for anew': {
    ...passthrough({ appData: answered(ours, { revoked: true }) }, String(Date.now())),
    seen: on({}),
    statuses: ['active', 'waiting'],
  },
  'a CA that was removed by force, in a relation that cannot be read': {
    ...passthrough({ appData: answered(ours), isLost: true }),
    seen: on({}),
    statuses: ['active', 'blocked', 'waiting'],
  },
});
