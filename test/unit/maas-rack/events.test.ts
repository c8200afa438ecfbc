// Every event that Juju may run, in the states that a rack comes to.
import { stateOf, type SecretState } from 'juju-ts-ops/testing';
import { testEvents } from '../events.ts';

const { charm } = await import('../../../charms/maas-rack/src/charm.ts');

const SECRET = '0123456789abcdef0123456789abcdef';
const options = { source: 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./' };
const rpc = {
  id: 3,
  endpoint: 'rpc',
  app: 'maas-region',
  units: { 'maas-region/0': {}, 'maas-region/1': {} },
} as const;
const told = {
  ...rpc,
  appData: { 'maas-url': 'http://10.0.0.200/MAAS', 'maas-secret-id': 'secret:9m4e2mr0ui3e8a215n4g' },
};
const granted = (value: string): SecretState => ({
  id: '9m4e2mr0ui3e8a215n4g',
  owner: 'other',
  revisions: [{ number: 1, content: { 'maas-secret': value } }],
});
const without = { rpc: ['blocked'] } as const;

const actions = { pause: [{}], resume: [{}] };

testEvents(charm, actions, {
  'no relation': { state: stateOf(charm, { options }), statuses: ['blocked'] },
  'a region that has said nothing yet': {
    state: stateOf(charm, { options, relations: [rpc] }),
    statuses: ['waiting'],
    without,
  },
  'a secret that is not granted yet': {
    state: stateOf(charm, { options, relations: [told] }),
    statuses: ['waiting'],
    without,
  },
  'a secret that MAAS would not take': {
    state: stateOf(charm, { options, relations: [told], secrets: [granted('short-secret')] }),
    statuses: ['blocked'],
    secrets: ['short-secret'],
  },
  'a snap that is no rack yet': {
    state: stateOf(charm, {
      options: { source: 'snap:3.7/stable' },
      relations: [told],
      secrets: [granted(SECRET)],
    }),
    seen: (state) => ({ ...state, version: '3.7', isInitialised: false }),
    statuses: ['waiting'],
    without,
    secrets: [SECRET],
  },
  'all that it needs': {
    state: stateOf(charm, { options, relations: [told], secrets: [granted(SECRET)] }),
    seen: (state) => ({ ...state, version: '3.7', connected: 2, regions: 2 }),
    statuses: ['active'],
    without,
    secrets: [SECRET],
  },
});
