import { describe, expect, test } from '@jest/globals';
import type { Controller, Vlan } from '@maas-ha/maas';
import { soleDhcp } from '../../../../charms/maas-region/src/cluster/controllers.ts';
import { dhcpChanges, dhcpPair, type DhcpFacts } from '../../../../charms/maas-region/src/racks/dhcp.ts';

const VLAN: Vlan = {
  id: 5001,
  name: 'untagged',
  vid: 0,
  fabric: 'fabric-0',
  fabric_id: 0,
  dhcp_on: false,
  primary_rack: null,
  secondary_rack: null,
};

function rack(hostname: string, known: Partial<Controller> = {}): Controller {
  return {
    system_id: `id-${hostname}`,
    hostname,
    ip_addresses: [],
    interface_set: [{ name: 'eth0', vlan: { id: 5001 }, links: [{ mode: 'static' }] }],
    service_set: [{ name: 'rackd', status: 'running', status_info: '' }],
    ...known,
  };
}

function facts(known: Partial<DhcpFacts> = {}): DhcpFacts {
  return { vlans: [VLAN], racks: [rack('rack-1'), rack('rack-0')], withRange: new Set([5001]), ...known };
}

const names = ({ primary, secondary }: { primary: Controller; secondary: Controller }): readonly string[] => [
  primary.hostname,
  secondary.hostname,
];

test('two racks are found', () => {
  expect(names(dhcpPair({ vlan: 0 }, facts()))).toEqual(['rack-0', 'rack-1']);
});

test('the one that serves already stays primary', () => {
  const vlans = [{ ...VLAN, dhcp_on: true, primary_rack: 'id-rack-1' }];
  expect(names(dhcpPair({ vlan: 0 }, facts({ vlans })))).toEqual(['rack-1', 'rack-0']);
});

test('the racks that the user names', () => {
  const racks = [rack('rack-0'), rack('rack-1'), rack('rack-2')];
  expect(names(dhcpPair({ vlan: 0, primary: 'rack-2' }, facts({ racks })))).toEqual(['rack-2', 'rack-0']);
  expect(names(dhcpPair({ vlan: 0, primary: 'rack-2', secondary: 'rack-1' }, facts({ racks })))).toEqual([
    'rack-2',
    'rack-1',
  ]);
});

test.each([
  [
    'no range',
    { vlan: 0 },
    { withRange: new Set<number>() },
    /fabric-0, VLAN 0 has no range.*ipranges create/,
  ],
  ['another VLAN', { vlan: 12 }, {}, /There are: fabric=fabric-0 vlan=0/],
  ['another fabric', { vlan: 0, fabric: 'fabric-9' }, {}, /There are: fabric=fabric-0 vlan=0/],
  [
    'one rack only',
    { vlan: 0 },
    { racks: [rack('rack-0')] },
    /needs two racks.*has 1: juju add-unit maas-rack/,
  ],
  ['no such rack', { vlan: 0, primary: 'rack-7' }, {}, /no rack rack-7: rack-1, rack-0/],
  ['one rack twice', { vlan: 0, primary: 'rack-0', secondary: 'rack-0' }, {}, /different/],
  [
    'a dead rack',
    { vlan: 0 },
    {
      racks: [
        rack('rack-0'),
        rack('rack-1', { service_set: [{ name: 'rackd', status: 'dead', status_info: '' }] }),
      ],
    },
    /rack-1: its rackd is dead/,
  ],
  [
    'a rack elsewhere',
    { vlan: 0, secondary: 'rack-1' },
    { racks: [rack('rack-0'), rack('rack-1', { interface_set: [] })] },
    /rack-1 cannot serve DHCP on fabric-0, VLAN 0: it has no interface there/,
  ],
  [
    'a rack with an address from DHCP',
    { vlan: 0 },
    {
      racks: [
        rack('rack-0'),
        rack('rack-1', { interface_set: [{ name: 'eth0', vlan: { id: 5001 }, links: [{ mode: 'dhcp' }] }] }),
      ],
    },
    /rack-1: it has no static address there/,
  ],
])('refused before MAAS is asked: %s', (_name, request, known, words) => {
  expect(() => dhcpPair(request, facts(known))).toThrow(words);
});

test('nothing changes where it is so already', () => {
  const vlan = { ...VLAN, dhcp_on: true, primary_rack: 'id-rack-0', secondary_rack: 'id-rack-1' };
  expect(dhcpChanges({ vlan, primary: rack('rack-0'), secondary: rack('rack-1') })).toEqual([]);
});

test.each([
  ['both change places', 'id-rack-1', 'rack-1', 'rack-0'],
  ['the secondary goes up, and another one comes', 'id-rack-1', 'rack-1', 'rack-2'],
  ['the primary goes down, and another one comes', 'id-rack-1', 'rack-2', 'rack-0'],
  ['the only one goes down', null, 'rack-1', 'rack-0'],
])('two changes where MAAS refuses one, or forgets half of it: %s', (_how, second, primary, secondary) => {
  const vlan = { ...VLAN, dhcp_on: true, primary_rack: 'id-rack-0', secondary_rack: second };
  expect(dhcpChanges({ vlan, primary: rack(primary), secondary: rack(secondary) })).toEqual([
    { primary_rack: `id-${primary}` },
    { dhcp_on: 'true', primary_rack: `id-${primary}`, secondary_rack: `id-${secondary}` },
  ]);
});

describe('a rack is the only one with DHCP', () => {
  const on = { ...VLAN, dhcp_on: true, primary_rack: 'id-rack-0' };
  const elsewhere = rack('rack-1', { interface_set: [{ name: 'eth0', vlan: { id: 5002 }, links: [] }] });

  test('where it serves it and no other rack has an interface there', () => {
    const sole = { 'rack-0': ['fabric-0, VLAN 0'] };
    expect(soleDhcp([rack('rack-0')], [on])).toEqual(sole);
    expect(soleDhcp([rack('rack-0'), elsewhere], [on])).toEqual(sole);
  });

  test('not where another one would take over, or serves as well, or nobody does', () => {
    expect(soleDhcp([rack('rack-0'), rack('rack-1')], [on])).toEqual({});
    expect(soleDhcp([rack('rack-0'), elsewhere], [{ ...on, secondary_rack: 'id-rack-1' }])).toEqual({});
    expect(soleDhcp([rack('rack-0')], [VLAN])).toEqual({});
  });
});
