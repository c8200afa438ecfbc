import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { connections, readFileIfExists } from 'juju-ts-host';
import { z } from 'zod';
import type { Installation } from './installation.ts';

/** How long one question may take, in milliseconds. */
const TIMEOUT = 3000;

/** The authorities that the machine trusts, as `update-ca-certificates` writes them. */
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

const Answer = z.object({
  eventloops: z.record(z.string(), z.array(z.tuple([z.string(), z.int()]))).nullish(),
});

/** `maas-1.example.com` → `maas-1`, as MAAS names a controller. */
export function shortName(hostname: string): string {
  return hostname.split('.')[0] ?? hostname;
}

/** Where each region listens for racks, by its short host name: `10.0.0.4 5250`. */
export type EventLoops = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The regions that MAAS lists as alive, asked of one of them or of all behind a balancer; `undefined` while it does
 * not answer. A region lists itself only once it has joined the others.
 * @param url ends with `/MAAS`
 * @param authorities the file with the authorities that are trusted for HTTPS, beside those that Node knows
 */
export async function eventLoops(url: string, authorities = AUTHORITIES): Promise<EventLoops | undefined> {
  try {
    if (url.startsWith('https:')) await trust(authorities);
    const response = await fetch(`${url}/rpc/`, { signal: AbortSignal.timeout(TIMEOUT) });
    if (!response.ok) return undefined;
    const { eventloops } = Answer.parse(await response.json());
    const regions = new Map<string, Set<string>>();
    for (const [loop, endpoints] of Object.entries(eventloops ?? {})) {
      const region = loop.replace(/:pid=.*$/, '');
      const known = regions.get(region) ?? new Set();
      for (const [address, port] of endpoints) known.add(`${address} ${port}`);
      regions.set(region, known);
    }
    return regions;
  } catch {
    return undefined;
  }
}

/** MAAS trusts whom its machine trusts; Node by itself knows only authorities of its own. */
async function trust(authorities: string): Promise<void> {
  const { getCACertificates, setDefaultCACertificates } = process.getBuiltinModule('node:tls');
  const text = (await readFileIfExists(authorities)) ?? '';
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  setDefaultCACertificates([...new Set([...getCACertificates('bundled'), ...found])]);
}

/** How long a connection has to last to count, in milliseconds: one that a region refuses is gone within a few. */
const LASTING = 400;

/**
 * The remote ends of this machine's connections to the RPC ports of regions: `10.0.0.4 5250`. A rack with another
 * secret connects and is dropped ten times a second; those do not count.
 */
async function rpcConnections(): Promise<ReadonlySet<string>> {
  const before = await rpcSockets();
  if (before.size === 0) return before;
  await sleep(LASTING);
  const now = await rpcSockets();
  return new Set([...before].filter((ends) => now.has(ends)).flatMap((ends) => remoteEnd(ends) ?? []));
}

/** Both ends of each connection, as ss(8) shows them. */
async function rpcSockets(): Promise<ReadonlySet<string>> {
  const lines = await connections('( dport >= :5250 and dport <= :5259 )');
  return new Set(
    lines.flatMap((line) => {
      const ends = line.split(/\s+/).slice(-2);
      return ends.length === 2 ? ends.join(' ') : [];
    }),
  );
}

/** The last address of a line of ss(8): `0 0 [::ffff:10.0.0.9]:4711 [::ffff:10.0.0.4]:5250` → `10.0.0.4 5250`. */
export function remoteEnd(line: string): string | undefined {
  const last = line.trim().split(/\s+/).at(-1) ?? '';
  const match = /^\[?(?:::ffff:)?(.+?)\]?(?:%\w+)?:(\d+)$/.exec(last);
  return match ? `${match[1]} ${match[2]}` : undefined;
}

/**
 * The addresses of the regions that have taken this rack in, as rackd itself writes them down once it has registered
 * with one: a connection alone is also there while a handshake fails.
 * @param started when rackd did, in milliseconds since 1970: what is older is of an earlier one
 */
export async function registeredWith(
  { rpcState }: Pick<Installation, 'rpcState'>,
  started: number,
): Promise<ReadonlySet<string>> {
  const written = await stat(rpcState).catch(() => undefined);
  if (!written || !(written.mtimeMs >= started)) return new Set();
  const urls = ((await readFileIfExists(rpcState)) ?? '').split('\n').filter((line) => URL.canParse(line));
  return new Set(urls.map((url) => new URL(url).hostname.replaceAll(/[[\]]/g, '')));
}

/**
 * How many of these regions this machine is connected to; of unknown ones, how many addresses.
 * @param registered see {@link registeredWith}
 */
export async function connectedRegions(
  regions: EventLoops | undefined,
  registered: ReadonlySet<string>,
): Promise<number> {
  if (registered.size === 0) return 0;
  const remotes = [...(await rpcConnections())].filter((remote) => registered.has(addressOf(remote)));
  if (!regions) return new Set(remotes.map(addressOf)).size;
  return [...regions.values()].filter((loops) => remotes.some((remote) => loops.has(remote))).length;
}

/** `10.0.0.4 5250` → `10.0.0.4` */
function addressOf(remote: string): string {
  return remote.split(' ')[0] ?? remote;
}
