// Which of its addresses a machine tells to others.
import { expect, test } from '@jest/globals';
import { ownAddress } from '../../../shared/host/src/index.ts';
import { virtualOf } from '../../../shared/host/src/own-address.ts';

const docker = { addresses: [{ address: '172.17.0.1', cidr: '172.17.0.0/16' }] };
const lan = { addresses: [{ address: '10.20.0.90', cidr: '10.20.0.0/24' }] };
const storage = { addresses: [{ address: '10.30.0.90', cidr: '10.30.0.0/24' }] };
const none = { known: [], held: [] };

test.each([
  ['the ingress address, whatever Juju lists first', [docker, lan], ['10.20.0.90'], none, '10.20.0.90'],
  [
    'the one in the subnet of the virtual address, also where Juju would have others come in elsewhere',
    [docker, storage, lan],
    ['10.30.0.90'],
    { known: ['10.20.0.200'], held: [] },
    '10.20.0.90',
  ],
  [
    'not the virtual address, also where Juju takes it for the ingress address',
    [{ addresses: [{ address: '10.20.0.200', cidr: '10.20.0.0/24' }, ...lan.addresses] }],
    ['10.20.0.200'],
    { known: ['10.20.0.200'], held: [] },
    '10.20.0.90',
  ],
  [
    "not another program's either",
    [{ addresses: [{ address: '10.20.0.13', cidr: '10.20.0.0/24' }, ...lan.addresses] }],
    ['10.20.0.13'],
    { known: ['10.20.0.200'], held: ['10.20.0.13'] },
    '10.20.0.90',
  ],
  ['what Juju lists first, where it names no ingress address', [lan, storage], [], none, '10.20.0.90'],
  ['an ingress address that no interface has: it is translated', [lan], ['203.0.113.7'], none, '203.0.113.7'],
  [
    'one that only looks virtual, where there is no other',
    [lan],
    ['10.20.0.90'],
    { known: ['10.20.0.200'], held: ['10.20.0.90'] },
    '10.20.0.90',
  ],
  [
    'none, where a virtual one is all there is',
    [{ addresses: [{ address: '10.20.0.200' }] }],
    ['10.20.0.200'],
    { known: ['10.20.0.200'], held: [] },
    undefined,
  ],
  [
    'IPv6, where the virtual address is',
    [lan, { addresses: [{ address: 'fd00:20::90', cidr: 'fd00:20::/64' }] }],
    ['10.20.0.90'],
    { known: ['fd00:20::200'], held: [] },
    'fd00:20::90',
  ],
] as const)('%s', (_what, interfaces, ingressAddresses, virtual, expected) => {
  expect(ownAddress({ interfaces, ingressAddresses }, virtual)).toBe(expected);
});

test('what looks virtual: a second address of a subnet, one that keepalived signs, one without a subnet', () => {
  const inet = (local: string, prefixlen: number, more: object = {}): object => ({
    family: 'inet',
    local,
    prefixlen,
    ...more,
  });
  const links = [
    { ifname: 'lo', addr_info: [inet('127.0.0.1', 8)] },
    {
      ifname: 'eth0',
      addr_info: [
        inet('10.20.0.90', 24),
        inet('10.20.0.13', 24, { secondary: true }),
        inet('10.20.0.200', 32, { protocol: 'keepalived' }),
        inet('10.99.0.1', 32),
        { family: 'inet6', local: 'fd00::1', prefixlen: 128 },
      ],
    },
    // What some clouds give a machine.
    { ifname: 'ens4', addr_info: [inet('10.128.0.2', 32)] },
    { ifname: 'down' },
  ];
  expect(virtualOf(JSON.stringify(links))).toEqual(['10.20.0.13', '10.20.0.200', '10.99.0.1']);
});
