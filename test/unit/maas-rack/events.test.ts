// Every event that Juju may run, in the states that a rack comes to.
import { stateOf, type SecretState } from 'juju-ts-ops/testing';
import type { State } from '../../../charms/maas-rack/src/state.ts';
import { testEvents } from '../events.ts';

const { charm } = await import('../../../charms/maas-rack/src/charm.ts');

const SECRET = '0123456789abcdef0123456789abcdef';
/** The one after that, or before. */
const OTHER = 'fedcba9876543210fedcba9876543210';
const [OLD, NEW] = ['1:3.4.10-14366-g.518bf2c-0ubuntu1', '1:3.7.3-17487-g.362c9ab-0ubuntu1'] as const;
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
  uri: 'secret:9m4e2mr0ui3e8a215n4g',
  owner: 'other',
  revisions: [{ number: 1, content: { 'maas-secret': value } }],
});
/** The same secret once it has another content, which this unit has not followed yet. */
const rotated = {
  ...granted(SECRET),
  revisions: [
    { number: 1, content: { 'maas-secret': SECRET } },
    { number: 2, content: { 'maas-secret': OTHER } },
  ],
  tracked: 1,
} as const;
const without = { rpc: ['blocked'] } as const;
const said = (appData: Readonly<Record<string, string>>) => ({
  ...told,
  appData: { ...told.appData, ...appData },
});
const cluster = { id: 5, endpoint: 'rack-cluster', app: 'maas-rack' } as const;
/** A rack whose turn it is, or another's. */
const turn = (unit: string) =>
  ({
    ...cluster,
    appData: { turn: JSON.stringify({ unit, number: 1, isClosing: false }) },
    localUnitData: { turn: JSON.stringify({ number: 1, isOver: false }) },
    units: { 'maas-rack/1': { turn: JSON.stringify({ number: 1, isOver: false }) } },
  }) as const;

/** What a rack reads on a machine that has MAAS, and where a region has taken it in. */
const on =
  (known: Partial<State> = {}) =>
  (state: State): State => ({
    ...state,
    version: '3.7',
    packageVersion: NEW,
    preparation: { ...state.preparation, version: NEW },
    hostname: 'rack-0',
    isRegistered: true,
    connected: 2,
    regions: 2,
    ...known,
  });
const before = { version: '3.4', packageVersion: OLD } as const;
/** A rack with all that it needs. */
const grown = (
  relations: Parameters<typeof stateOf<typeof charm.charmcraft>>[1],
  secret: SecretState = granted(SECRET),
) => ({
  state: stateOf(charm, { options, secrets: [secret], ...relations }),
  without,
  secrets: [SECRET, OTHER],
});

const actions = { adopt: [{}], pause: [{}], resume: [{}] };

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
  'a new secret, while it is connected with the one of before': {
    ...grown({ relations: [told, turn('maas-rack/0')] }, rotated),
    seen: on(),
    statuses: ['active'],
  },
  'a new secret, for which it waits its turn': {
    ...grown({ relations: [told, turn('maas-rack/1')] }, rotated),
    seen: on(),
    statuses: ['active', 'waiting'],
    settling: 2,
  },
  'a new secret, and no region that takes it in': {
    ...grown({ relations: [told, turn('maas-rack/0')] }, rotated),
    seen: on({ connected: 0, isSecretNewer: true }),
    statuses: ['waiting'],
  },
  // The regions' database is of before the rotation, and so is what they tell.
  'the secret of a backup that was put back': {
    ...grown(
      { relations: [told, turn('maas-rack/0')] },
      {
        ...rotated,
        revisions: [...rotated.revisions, { number: 3, content: { 'maas-secret': SECRET } }],
        tracked: 2,
      },
    ),
    seen: on({ connected: 0 }),
    statuses: ['waiting'],
  },
  'a secret that is granted no more': {
    state: stateOf(charm, { options, relations: [told, turn('maas-rack/0')] }),
    seen: on(),
    statuses: ['waiting'],
    without,
  },
  'a newer MAAS in its source, and regions that are behind': {
    ...grown({ relations: [said({ 'maas-version': '3.4' }), turn('maas-rack/0')] }),
    seen: on(before),
    statuses: ['active'],
  },
  'regions that are upgraded, and its turn': {
    ...grown({ relations: [said({ 'maas-version': '3.7' }), turn('maas-rack/0')] }),
    seen: on(before),
    statuses: ['active'],
  },
  'regions that are upgraded, and the turn of another rack': {
    ...grown({ relations: [said({ 'maas-version': '3.7' }), turn('maas-rack/1')] }),
    seen: on(before),
    statuses: ['active', 'waiting'],
    settling: 2,
  },
  'regions that are upgraded, and a source that has nothing newer': {
    ...grown({ relations: [said({ 'maas-version': '3.7' }), turn('maas-rack/0')] }),
    seen: (state) => on({ ...before, preparation: { ...state.preparation, version: OLD } })(state),
    statuses: ['active'],
  },
  'an upgrade that is installed, and no region that takes it in': {
    ...grown({ relations: [said({ 'maas-version': '3.7' }), turn('maas-rack/0')] }),
    seen: on({ connected: 0 }),
    statuses: ['waiting'],
  },
  'an upgrade after a new secret': {
    ...grown({ relations: [said({ 'maas-version': '3.7' }), turn('maas-rack/0')] }, rotated),
    seen: on({ ...before, connected: 0 }),
    statuses: ['waiting'],
  },
  'another rack removed in its turn, which Juju 4 goes on listing': {
    ...grown({
      relations: [said({ 'maas-version': '3.7' }), { ...turn('maas-rack/1'), gone: ['maas-rack/1'] }],
    }),
    seen: on(before),
    statuses: ['active', 'waiting'],
    settling: 2,
  },
  'a region removed': {
    ...grown({ relations: [{ ...told, units: { 'maas-region/1': {} } }, turn('maas-rack/0')] }),
    seen: on({ connected: 1, regions: 1 }),
    statuses: ['active'],
  },
  'a region that has gone and is listed by MAAS': {
    ...grown({ relations: [told, turn('maas-rack/0')] }),
    seen: on({ connected: 1 }),
    statuses: ['active'],
  },
  'regions that were removed by force, in a relation that cannot be read': {
    ...grown({ relations: [{ ...told, isLost: true }, turn('maas-rack/0')] }),
    seen: on(),
    statuses: ['blocked'],
  },
  'a MAAS that does not answer at its URL': {
    ...grown({ relations: [told, turn('maas-rack/0')] }),
    seen: ({ regions: _regions, ...state }) => {
      const { regions: _unknown, ...rest } = on()(state);
      return rest;
    },
    statuses: ['active'],
  },
  'paused, after a new secret': {
    ...grown({ relations: [told, turn('maas-rack/0')] }, rotated),
    seen: on({ isPaused: true, connected: 0 }),
    statuses: ['maintenance'],
    without: {},
  },
  'a region on the same machine, which has written a new secret': {
    ...grown({ relations: [told, turn('maas-rack/0')] }, rotated),
    seen: on({ hasRegion: true, isRegistered: false, sharesSecret: true, isSecretNewer: true }),
    statuses: ['active'],
  },
  'the only rack with DHCP on a network': {
    ...grown({ relations: [told, turn('maas-rack/0')] }),
    seen: on({ soleDhcp: ['fabric-0'] }),
    statuses: ['active'],
    last: ['blocked'],
  },
  'regions of 2016 to 2019': {
    state: stateOf(charm, {
      options,
      relations: [
        {
          ...rpc,
          units: {
            'maas-region/0': { maas_url: 'http://10.0.0.200/MAAS', secret: SECRET },
            'maas-region/1': { maas_url: 'http://10.0.0.201/MAAS', secret: SECRET },
          },
        },
        turn('maas-rack/0'),
      ],
    }),
    seen: on(),
    statuses: ['active'],
    without,
  },
});
