import { tryRun } from '@maas-ha/host';
import { z } from 'zod';

/** How long one question may take, in milliseconds. */
const TIMEOUT = 3000;

const Answer = z.object({
  eventloops: z.record(z.string(), z.array(z.tuple([z.string(), z.int()]))).nullish(),
});

/** Where each region listens for racks, by its short host name: `10.0.0.4 5250`. */
export type EventLoops = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The regions that MAAS lists as alive, asked of one of them or of all behind a balancer; `undefined` while it does
 * not answer. A region lists itself only once it has joined the others.
 * @param url ends with `/MAAS`
 */
export async function eventLoops(url: string): Promise<EventLoops | undefined> {
  try {
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

/** The remote ends of this machine's connections to the RPC ports of regions: `10.0.0.4 5250`. */
async function rpcConnections(): Promise<ReadonlySet<string>> {
  const { stdout } = await tryRun([
    'ss',
    '--no-header',
    '--tcp',
    '--numeric',
    'state',
    'established',
    '( dport >= :5250 and dport <= :5259 )',
  ]);
  return new Set(stdout.split('\n').flatMap((line) => remoteEnd(line) ?? []));
}

/** The last address of a line of ss(8): `0 0 [::ffff:10.0.0.9]:4711 [::ffff:10.0.0.4]:5250` → `10.0.0.4 5250`. */
export function remoteEnd(line: string): string | undefined {
  const last = line.trim().split(/\s+/).at(-1) ?? '';
  const match = /^\[?(?:::ffff:)?(.+?)\]?(?:%\w+)?:(\d+)$/.exec(last);
  return match ? `${match[1]} ${match[2]}` : undefined;
}

/** How many of these regions this machine is connected to; of unknown ones, how many addresses. */
export async function connectedRegions(regions: EventLoops | undefined): Promise<number> {
  const remotes = await rpcConnections();
  if (!regions) return new Set([...remotes].map((remote) => remote.split(' ')[0])).size;
  return [...regions.values()].filter((loops) => [...loops].some((loop) => remotes.has(loop))).length;
}
