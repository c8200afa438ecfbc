// Every event that Juju may run, in the states that haproxy comes to.
import { stateOf } from 'juju-ts-ops/testing';
import type { State } from '../../../charms/haproxy/src/state.ts';
import { testEvents } from '../events.ts';

const { charm } = await import('../../../charms/haproxy/src/charm.ts');

const principal = {
  id: 1,
  endpoint: 'juju-info',
  app: 'principal',
  units: { 'principal/0': {} },
} as const;
const silent = {
  id: 2,
  endpoint: 'reverseproxy',
  app: 'maas-region',
  units: { 'maas-region/0': {}, 'maas-region/1': {} },
} as const;
const region = (number: number) => ({
  hostname: `10.9.0.1${number}`,
  port: '5240',
  'health-check': '/MAAS/rpc/',
  'tcp-ports': '[5242, 5271]',
});
const regions = { ...silent, units: { 'maas-region/0': region(0), 'maas-region/1': region(1) } };
const website = { id: 3, endpoint: 'website', app: 'monitor', units: { 'monitor/0': {} } } as const;
// HAProxy has not started yet, nobody else looks after it, and no port is taken.
const seen = ({ running: _running, occupant: _occupant, ...state }: State): State => ({
  ...state,
  home: '/var/lib/juju/agents/unit-haproxy-0/charm',
  taken: [],
  isCurrent: false,
});
const without = { reverseproxy: ['blocked'] } as const;

const actions = { 'show-backends': [{}] };

testEvents(charm, actions, {
  'no relation but that to its principal': {
    state: stateOf(charm, { relations: [principal] }),
    seen,
    statuses: ['blocked'],
  },
  'servers that have said nothing yet': {
    state: stateOf(charm, { relations: [principal, silent] }),
    seen,
    statuses: ['waiting'],
    without,
  },
  'servers of another kind than can be': {
    state: stateOf(charm, {
      relations: [principal, { ...silent, units: { 'maas-region/0': { hostname: 'a b', port: 'eighty' } } }],
    }),
    seen,
    statuses: ['waiting'],
    without,
  },
  'two servers, and somebody who wants to know': {
    state: stateOf(charm, { relations: [principal, regions, website] }),
    seen,
    statuses: ['waiting'],
    without,
  },
  // It stays as it is by default, and the servers are followed.
  'an option that cannot be': {
    state: stateOf(charm, { options: { 'server-timeout': 'soon' }, relations: [principal, regions] }),
    seen,
    statuses: ['blocked'],
  },
});
