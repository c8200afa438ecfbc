import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createSecureServer } from 'node:https';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { connectedRegions, eventLoops } from '@maas-ha/maas';
import { execa } from 'execa';

const ADDRESS = '127.0.7.41';
const REGIONS = new Map([
  ['region-0', new Set([`${ADDRESS} 5250`, `${ADDRESS} 5251`])],
  ['region-1', new Set(['127.0.7.42 5250'])],
]);
const TAKEN_IN = new Set([ADDRESS, '127.0.7.42']);
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
  expect(await connectedRegions(REGIONS, TAKEN_IN)).toBe(1);
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
  for (let look = 0; look < 3; look += 1) expect(await connectedRegions(REGIONS, TAKEN_IN)).toBe(0);
});

test('MAAS behind HTTPS answers a rack whose machine trusts who signed for it, and no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rpc-'));
  closers.push(() => void rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const make = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert];
  await execa('openssl', ['req', ...make, '-subj', '/CN=maas', '-addext', `subjectAltName=IP:${ADDRESS}`]);
  const server = createSecureServer(
    { key: await readFile(key), cert: await readFile(cert) },
    (_request, response) => response.end('{"eventloops": {"region-0:pid=7": [["10.0.0.4", 5250]]}}'),
  ).listen(5443, ADDRESS);
  await once(server, 'listening');
  closers.push(() => server.close());
  const url = `https://${ADDRESS}:5443/MAAS`;
  expect(await eventLoops(url, join(folder, 'missing'))).toBeUndefined();
  expect(await eventLoops(url, cert)).toEqual(new Map([['region-0', new Set(['10.0.0.4 5250'])]]));
});
