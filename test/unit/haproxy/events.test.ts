// Every event that Juju may run, in the states that haproxy comes to.
import { stateOf } from 'juju-ts-ops/testing';
import type { State } from '../../../charms/haproxy/src/state.ts';
import { answered, asked, signed } from '../certificates.ts';
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

/** HAProxy as it says it is, with these servers down. */
const running = (...down: readonly string[]): NonNullable<State['running']> => ({
  description: '',
  servers: ['maas-region-0', 'maas-region-1'].map((server) => ({
    backend: 'maas-region',
    server,
    address: '10.9.0.10:5240',
    status: down.includes(server) ? 'DOWN' : 'UP',
    since: 40,
    check: '',
  })),
});
const serving = (state: State): State => ({ ...seen(state), running: running(), isCurrent: true });
/** Its clients know HTTPS by this name. */
const tlsNames = { 'tls-names': 'maas.example' };
const ours = signed([tlsNames['tls-names']]);
const expired = signed([tlsNames['tls-names']], 0);
const ca = {
  id: 5,
  endpoint: 'certificates',
  app: 'ca',
  units: { 'ca/0': {} },
  localUnitData: asked(ours),
} as const;
const vip = {
  id: 6,
  endpoint: 'vip',
  app: 'keepalived-vip',
  appData: { vips: JSON.stringify([{ address: '10.9.0.100', prefix: 24, family: 'ipv4' }]), ready: 'true' },
  units: { 'keepalived-vip/0': {} },
} as const;
/** The key that it has asked with, long ago. */
const keySecret = {
  uri: 'secret:9m4e2mr0ui3e8a215n4g',
  owner: 'unit',
  label: 'tls-certificates',
  revisions: [{ number: 1, content: { 'private-key': ours.key, 'requested-at': '1' } }],
} as const;
const given = {
  uri: 'secret:9m4e2mr0ui3e8a215n5g',
  owner: 'other',
  revisions: [{ number: 1, content: { certificate: ours.certificate, key: ours.key } }],
} as const;
const peers = {
  id: 7,
  endpoint: 'proxy-cluster',
  app: 'haproxy',
  units: { 'haproxy/1': { principal: 'principal/1' } },
} as const;
const https = (
  relation: object,
  secrets: Parameters<typeof stateOf<typeof charm.charmcraft>>[1] = { secrets: [keySecret] },
) => ({
  state: stateOf(charm, {
    options: tlsNames,
    relations: [principal, regions, vip, { ...ca, ...relation }],
    ...secrets,
  }),
  without: { ...without, certificates: ['active'] } as const,
  secrets: [ours.secret],
});

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
  'all servers up': {
    state: stateOf(charm, { relations: [principal, regions, website] }),
    seen: serving,
    statuses: ['active'],
    without,
  },
  'one server down': {
    state: stateOf(charm, { relations: [principal, regions] }),
    seen: (state) => ({ ...serving(state), running: running('maas-region-1') }),
    // When the other one departs there is none.
    statuses: ['active', 'waiting'],
    without,
  },
  'no server up': {
    state: stateOf(charm, { relations: [principal, regions] }),
    seen: (state) => ({ ...serving(state), running: running('maas-region-0', 'maas-region-1') }),
    statuses: ['waiting'],
    without,
  },
  'a server removed, and its unit with it': {
    state: stateOf(charm, { relations: [principal, { ...regions, units: { 'maas-region/0': region(0) } }] }),
    seen: serving,
    // When the other one departs there is none.
    statuses: ['active', 'waiting'],
    without,
  },
  'another unit removed, which Juju 4 goes on listing': {
    state: stateOf(charm, { relations: [principal, regions, { ...peers, gone: ['haproxy/1'] }] }),
    seen: serving,
    statuses: ['active'],
    without,
  },
  'servers that were removed by force, in a relation that cannot be read': {
    state: stateOf(charm, { relations: [principal, { ...regions, isLost: true }, website] }),
    seen: serving,
    statuses: ['blocked'],
  },
  'a new revision, whose configuration HAProxy does not run yet': {
    state: stateOf(charm, {
      relations: [principal, regions],
      stored: { options: JSON.stringify({ port: 80, gone: 'an option that is no more' }) },
    }),
    seen: (state) => ({ ...serving(state), isCurrent: false }),
    statuses: ['waiting'],
    without,
  },
  'an option that cannot be, and what was served before': {
    state: stateOf(charm, {
      options: { 'server-timeout': 'soon' },
      relations: [principal, regions],
      stored: { options: JSON.stringify({ 'server-timeout': '5m' }) },
    }),
    seen: serving,
    statuses: ['blocked'],
  },
  'a port that another program has': {
    state: stateOf(charm, { relations: [principal, regions] }),
    seen: (state) => ({ ...serving(state), taken: [{ port: 80, option: 'port' as const, by: 'nginx' }] }),
    statuses: ['blocked'],
  },
  'a HAProxy that another program looks after': {
    state: stateOf(charm, { relations: [principal, regions, website] }),
    seen: (state) => ({ ...serving(state), occupant: { kind: 'program' as const, name: 'haproxy-2/0' } }),
    statuses: ['blocked'],
    last: ['blocked'],
  },
  'a CA that has not signed yet': {
    ...https({}),
    seen: serving,
    statuses: ['waiting'],
  },
  'a CA that has signed': { ...https({ appData: answered(ours) }), seen: serving, statuses: ['active'] },
  'a CA that refuses': {
    ...https({
      appData: {
        request_errors: JSON.stringify([
          { certificate_signing_request: ours.request, error: { code: 101, name: 'NAME', message: 'no' } },
        ]),
      },
    }),
    seen: serving,
    statuses: ['blocked'],
  },
  // Since when a key is in use is in its secret: of one of today, nothing else is asked for.
  'a certificate that was revoked, and asked for anew': {
    ...https(
      { appData: answered(ours, { revoked: true }) },
      {
        secrets: [
          {
            ...keySecret,
            revisions: [
              { number: 2, content: { 'private-key': ours.key, 'requested-at': String(Date.now()) } },
            ],
          },
        ],
      },
    ),
    seen: serving,
    statuses: ['waiting'],
  },
  'a certificate that is to be renewed': {
    ...https({ appData: answered(ours, { recommended_expiry_notification_time: '2026-01-01T00:00:00Z' }) }),
    seen: serving,
    statuses: ['waiting'],
    // Why it asks for another one it says only then.
    settling: 1,
  },
  'a certificate that was revoked': {
    ...https({ appData: answered(ours, { revoked: true }) }),
    seen: serving,
    statuses: ['waiting'],
    // Why it asks for another one it says only then.
    settling: 1,
  },
  'a certificate for a key that is lost': {
    ...https({ appData: answered(ours) }, { secrets: [] }),
    seen: serving,
    statuses: ['waiting'],
  },
  'a CA that was removed by force, in a relation that cannot be read': {
    ...https({ appData: answered(ours), isLost: true }),
    seen: serving,
    statuses: ['active'],
  },
  'a certificate of the option': {
    state: stateOf(charm, {
      options: { certificate: given.uri },
      relations: [principal, regions],
      secrets: [given],
    }),
    seen: serving,
    statuses: ['active'],
    without,
    secrets: [ours.secret],
  },
  'a new certificate of the option': {
    state: stateOf(charm, {
      options: { certificate: given.uri },
      relations: [principal, regions],
      secrets: [
        {
          ...given,
          revisions: [
            ...given.revisions,
            { number: 2, content: { certificate: expired.certificate, key: expired.key } },
          ],
          tracked: 1,
        },
      ],
    }),
    seen: serving,
    statuses: ['active', 'blocked'],
    without,
    secrets: [ours.secret, expired.secret],
  },
  'a certificate of the option that is granted no more, beside a CA': {
    state: stateOf(charm, {
      options: { ...tlsNames, certificate: given.uri },
      relations: [principal, regions, { ...ca, appData: answered(ours) }],
      secrets: [keySecret],
    }),
    seen: serving,
    statuses: ['blocked'],
    secrets: [ours.secret],
  },
});
