import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { connectedRegions } from '@maas-ha/maas';

const ADDRESS = '127.0.7.41';
const REGIONS = new Map([
  ['region-0', new Set([`${ADDRESS} 5250`, `${ADDRESS} 5251`])],
  ['region-1', new Set(['127.0.7.42 5250'])],
]);
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A region's RPC port. */
async function listen(onConnection: (socket: Socket) => void): Promise<AddressInfo> {
  const server = createServer(onConnection).listen(5250, ADDRESS);
  await once(server, 'listening');
  closers.push(() => server.close());
  return { address: ADDRESS, port: 5250, family: 'IPv4' };
}

test('a rack counts the regions that have taken it in', async () => {
  const sockets: Socket[] = [];
  const { address, port } = await listen((socket) => sockets.push(socket));
  const client = connect(port, address);
  await once(client, 'connect');
  closers.push(() => client.destroy());
  expect(await connectedRegions(REGIONS)).toBe(1);
});

test('and not those that refuse its secret, which it calls again and again', async () => {
  const { address, port } = await listen((socket) => setTimeout(() => socket.destroy(), 50));
  let isOver = false;
  closers.push(() => (isOver = true));
  const call = (): void => {
    if (isOver) return;
    const client = connect(port, address);
    client.on('close', () => setTimeout(call, 5)).on('error', () => {});
    client.resume();
  };
  for (let loop = 0; loop < 8; loop += 1) call();
  for (let look = 0; look < 3; look += 1) expect(await connectedRegions(REGIONS)).toBe(0);
});
