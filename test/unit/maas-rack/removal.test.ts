// Whole hooks of a rack that is removed.
import { hostname } from 'node:os';
import { expect, test } from '@jest/globals';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { charm } from '../../../charms/maas-rack/src/charm.ts';

const [rack = ''] = hostname().split('.');
const going = {
  departed: { relation: 'departed', id: 7, unit: 'maas-region/0', departing: 'maas-rack/0' },
  broken: { relation: 'broken', id: 7 },
} as const;

test('the only rack with DHCP says so from its first hook to its last', async () => {
  const unit = inProcess({
    ...charm,
    read: async (juju) => ({ ...(await charm.read(juju)), isBeingRemoved: true }),
  });
  const soleDhcp = { [rack]: ['fabric-0, VLAN 0'], 'another-rack': ['fabric-0, VLAN 20'] };
  let state = stateOf(charm, {
    options: { source: 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./' },
    relations: [
      {
        id: 7,
        endpoint: 'rpc',
        app: 'maas-region',
        appData: { 'sole-dhcp': JSON.stringify(soleDhcp) },
        units: { 'maas-region/0': {} },
      },
    ],
  });
  for (const event of [going.departed, going.broken, 'stop'] as const) {
    ({ state } = await unit.run(event, state));
    // Juju takes each away once its hook is over.
    const relations = state.relations.map((relation) => ({ ...relation, units: {} }));
    state = { ...state, relations: event === going.departed ? relations : [] };
    expect(state.status).toEqual({
      level: 'blocked',
      message: 'the only rack with DHCP on fabric-0, VLAN 0 goes: juju add-unit maas-rack',
    });
  }
});
