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
          id: '9m4e2mr0ui3e8a215n4g',
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
});
