// Every event that Juju may run, in the states that keepalived-vip comes to.
import { stateOf } from 'juju-ts-ops/testing';
import type { State } from '../../../charms/keepalived-vip/src/state.ts';
import { testEvents } from '../events.ts';

const { charm } = await import('../../../charms/keepalived-vip/src/charm.ts');

const PASSWORD = 'vrrpPa55';
const options = { vip: '10.9.0.100' };
const principal = {
  id: 1,
  endpoint: 'juju-info',
  app: 'principal',
  units: { 'principal/0': {} },
} as const;
const alone = { id: 2, endpoint: 'vrrp-cluster', app: 'keepalived-vip' } as const;
const silent = { ...alone, units: { 'keepalived-vip/1': {} } };
const peers = {
  ...alone,
  units: { 'keepalived-vip/1': { addresses: '10.9.0.11', 'sends-to': '10.9.0.10' } },
};
const client = { id: 3, endpoint: 'vip', app: 'maas-region', units: { 'maas-region/0': {} } } as const;
const seen = (state: State): State => ({
  ...state,
  // Each run of the test has a folder of its own.
  self: { ...state.self, home: '/var/lib/juju/agents/unit-keepalived-vip-0/charm' },
  addresses: [{ interface: 'eth0', address: '10.9.0.10', prefix: 24, family: 'ipv4' }],
  managed: [],
  held: [],
  binding: [],
  isFilterMissing: false,
  running: new Map(),
  failing: [],
  kernel: { hasIpv6: true, hasIpVs: true, forbidden: [] },
});

/** How this unit and another run, and who of the two holds the address. */
const speaks = 'router 51 version 3 unicast every 0.1 10.9.0.100';
const local = (
  state: 'MASTER' | 'BACKUP' | 'FAULT',
  vips: readonly string[] = ['10.9.0.100'],
): State['running'] =>
  new Map([['vip-eth0-ipv4', { state, since: 1_700_000_000, vips, source: '10.9.0.10', speaks }]]);
const reported = (state: string, more: object = {}) => ({
  addresses: '10.9.0.11',
  'sends-to': '10.9.0.10',
  principal: 'principal/1',
  instances: JSON.stringify([
    { source: '10.9.0.11', vips: ['10.9.0.100'], state, since: 1_700_000_000, speaks, ...more },
  ]),
});
const holding = (state: State): State => ({
  ...seen(state),
  running: local('MASTER'),
  managed: ['10.9.0.100'],
  addresses: [
    ...seen(state).addresses,
    { interface: 'eth0', address: '10.9.0.100', prefix: 32, family: 'ipv4' },
  ],
});
const standing = (state: State): State => ({ ...seen(state), running: local('BACKUP') });
const pair = { ...alone, units: { 'keepalived-vip/1': reported('BACKUP') } };
/** The same, with a password that the leader has told of. */
const sharing = { ...pair, appData: { 'auth-secret-id': 'secret:9m4e2mr0ui3e8a215n4g' } };
const passSecret = (content: Readonly<Record<string, string>>) =>
  ({
    uri: 'secret:9m4e2mr0ui3e8a215n4g',
    owner: 'application',
    label: 'vrrp-auth',
    revisions: [{ number: 1, content }],
  }) as const;
const version2 = { ...options, 'vrrp-version': 2, 'advert-interval': 1 };

// The leader is the first to start, and the others wait to be heard.
const actions = { 'show-owner': [{}], 'release-vip': [{}] };

testEvents(charm, actions, {
  'no address': { state: stateOf(charm, { relations: [principal, alone] }), seen, statuses: ['blocked'] },
  'an address of another subnet': {
    state: stateOf(charm, { options: { vip: '192.0.2.100' }, relations: [principal, alone, client] }),
    seen,
    statuses: ['blocked'],
  },
  'another unit that has said nothing yet': {
    state: stateOf(charm, { options, relations: [principal, silent, client] }),
    seen,
    statuses: ['waiting', 'active'],
  },
  'another unit that is ready': {
    state: stateOf(charm, { options, relations: [principal, peers, client] }),
    seen,
    statuses: ['waiting', 'active'],
  },
  'the holder of the address': {
    state: stateOf(charm, { options, relations: [principal, peers, client] }),
    seen: (state) => ({
      ...seen(state),
      running: new Map([
        ['vip-eth0-ipv4', { state: 'MASTER', since: 1_700_000_000, vips: ['10.9.0.100'] } as const],
      ]),
    }),
    statuses: ['active', 'waiting'],
  },
  'a password among the units': {
    state: stateOf(charm, {
      options: { ...options, 'vrrp-version': 2, 'advert-interval': 1 },
      relations: [principal, { ...peers, appData: { 'auth-secret-id': 'secret:9m4e2mr0ui3e8a215n4g' } }],
      secrets: [
        {
          uri: 'secret:9m4e2mr0ui3e8a215n4g',
          owner: 'application',
          label: 'vrrp-auth',
          revisions: [{ number: 1, content: { 'auth-pass': PASSWORD } }],
        },
      ],
    }),
    seen,
    statuses: ['waiting', 'active'],
    secrets: [PASSWORD],
  },
  'another unit removed, which Juju 4 goes on listing': {
    state: stateOf(charm, {
      options,
      relations: [principal, { ...pair, gone: ['keepalived-vip/1'] }, client],
    }),
    seen: standing,
    statuses: ['active'],
  },
  'the first to start removed, which Juju 4 goes on listing': {
    state: stateOf(charm, {
      options,
      relations: [
        principal,
        {
          ...silent,
          appData: { 'goes-first': 'keepalived-vip/1' },
          units: { 'keepalived-vip/1': { principal: 'principal/1' } },
          gone: ['keepalived-vip/1'],
        },
        client,
      ],
    }),
    seen,
    statuses: ['active', 'waiting'],
  },
  'another unit that holds the address': {
    state: stateOf(charm, {
      options,
      relations: [principal, { ...alone, units: { 'keepalived-vip/1': reported('MASTER') } }, client],
    }),
    seen: standing,
    statuses: ['active'],
  },
  'two that hold one address': {
    state: stateOf(charm, {
      options,
      relations: [principal, { ...alone, units: { 'keepalived-vip/1': reported('MASTER') } }, client],
    }),
    seen: holding,
    statuses: ['active'],
  },
  'another address, before the other unit knows of it': {
    state: stateOf(charm, {
      options: { vip: '10.9.0.101' },
      relations: [principal, pair, client],
    }),
    seen: holding,
    statuses: ['active', 'waiting'],
  },
  'no address any more, while it holds one': {
    state: stateOf(charm, { relations: [principal, pair, client] }),
    seen: holding,
    statuses: ['blocked'],
  },
  'an option that cannot be, while it holds the address': {
    state: stateOf(charm, { options: { ...options, priority: 999 }, relations: [principal, pair, client] }),
    seen: holding,
    statuses: ['blocked'],
  },
  'a unit of an older revision beside it': {
    state: stateOf(charm, {
      options,
      relations: [
        principal,
        { ...alone, units: { 'keepalived-vip/1': reported('BACKUP', { speaks: undefined }) } },
        client,
      ],
    }),
    seen: holding,
    statuses: ['active'],
  },
  'a tracked service that does not answer here': {
    state: stateOf(charm, { options, relations: [principal, pair, client] }),
    seen: (state) => ({ ...seen(state), running: local('FAULT'), failing: ['haproxy'] }),
    statuses: ['waiting'],
  },
  'a client that was removed by force, in a relation that cannot be read': {
    state: stateOf(charm, { options, relations: [principal, pair, { ...client, isLost: true }] }),
    seen: holding,
    statuses: ['active'],
  },
  'an address that another machine has': {
    state: stateOf(charm, { options, relations: [principal, pair, client] }),
    seen: (state) => ({
      ...seen(state),
      sighted: { holders: [{ address: '10.9.0.100', mac: '02:00:00:00:00:01' }], routers: [], silent: [] },
    }),
    statuses: ['blocked'],
  },
  'a keepalived that was set up by hand': {
    state: stateOf(charm, { options, relations: [principal, pair, client] }),
    seen: (state) => ({
      ...seen(state),
      occupant: { kind: 'person' as const, config: '/etc/keepalived/keepalived.conf' },
    }),
    statuses: ['blocked'],
  },
  'another password than the one it runs with': {
    state: stateOf(charm, {
      options: version2,
      relations: [principal, sharing, client],
      secrets: [
        {
          ...passSecret({ 'auth-pass': 'another0' }),
          revisions: [
            { number: 1, content: { 'auth-pass': 'another0' } },
            { number: 2, content: { 'auth-pass': PASSWORD } },
          ],
        },
      ],
    }),
    seen: holding,
    statuses: ['active', 'waiting'],
    secrets: [PASSWORD, 'another0'],
  },
  'a password whose secret is gone': {
    state: stateOf(charm, {
      options: version2,
      relations: [principal, sharing, client],
    }),
    seen: holding,
    statuses: ['active', 'waiting'],
  },
  'a password that is not needed any more': {
    state: stateOf(charm, {
      options,
      relations: [principal, sharing, client],
      secrets: [passSecret({ 'auth-pass': PASSWORD })],
    }),
    seen: holding,
    statuses: ['active', 'waiting'],
    secrets: [PASSWORD],
  },
});
