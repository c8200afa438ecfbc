import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { addresses, inSubnet, listeners, portHolders } from '../../../shared/host/src/index.ts';

test('the loopback interface is among the addresses, with its prefix', () => {
  expect(addresses()).toContainEqual({ interface: 'lo', address: '127.0.0.1', prefix: 8, family: 'ipv4' });
});

test.each([
  ['10.0.0.9', '10.0.0.1/24', true],
  ['10.0.1.9', '10.0.0.1/24', false],
  ['10.0.1.9', '10.0.0.1/23', true],
  ['fd00::9', 'fd00::1/64', true],
  ['fd00:0:0:1::9', 'fd00::1/64', false],
  ['10.0.0.9', 'fd00::1/64', false],
])('%s in the subnet of %s: %s', (address, subnet, expected) => {
  expect(inSubnet(address, subnet)).toBe(expected);
});

test('the program that listens on a port is named, and nobody when it is free', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  expect(await portHolders(address.port)).toEqual([expect.stringMatching(/node|MainThread/)]);
  expect((await listeners()).get(address.port)).toEqual(await portHolders(address.port));
  server.close();
  await once(server, 'close');
  expect(await portHolders(address.port)).toEqual([]);
});
