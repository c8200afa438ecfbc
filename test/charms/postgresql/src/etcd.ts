// etcd on this unit: all units' are one cluster, in which Patroni keeps who is the primary.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileIfExists, replaceFile, run, type Resource } from 'juju-ts-host';
import { WaitingError } from 'juju-ts-ops';
import { z } from 'zod';
import type { State } from './state.ts';

export const ETCD_PACKAGES = ['etcd-server', 'python3-etcd'];
const SERVICE = 'etcd';
/** Written as JSON, which is YAML. */
const CONFIG = '/etc/etcd-cluster.json';
const DATA = '/var/lib/etcd/cluster';
const DROP_IN = `/etc/systemd/system/${SERVICE}.service.d/charm.conf`;
const [CLIENT_PORT, PEER_PORT] = [2379, 2380];
/** How long a member may take to answer, in milliseconds. */
const TIMEOUT = 5000;
/** How long a unit asks to be let in, in milliseconds: for five seconds after one has come, etcd lets no other in. */
const JOIN_TIMEOUT = 30_000;

/** The package would start a cluster of its own. Without the others etcd waits for them, and is not ready meanwhile. */
const DROP_IN_TEXT = `[Unit]
ConditionPathExists=${CONFIG}
StartLimitIntervalSec=0
[Service]
Type=simple
ExecStart=
ExecStart=/usr/bin/etcd --config-file ${CONFIG}
Restart=always
RestartSec=1
`;

/** Before the package comes. */
export function beforeEtcd(): readonly Resource[] {
  return [{ kind: 'file', path: DROP_IN, content: DROP_IN_TEXT, mode: 0o644 }];
}

/** Whether etcd here has the cluster's data. */
export function hasEtcd(): boolean {
  return existsSync(DATA);
}

/** Where Patroni finds etcd. */
export function etcdHosts({ members }: State): readonly string[] {
  return members.map((member) => `${member}:${CLIENT_PORT}`);
}

/** etcd as a member of the others' cluster, or of one that begins with this unit. */
export function etcdResources(state: State): readonly Resource[] {
  return [
    ...(state.hasEtcd ? [] : [{ kind: 'step', id: 'join-etcd', run: () => join(state) } satisfies Resource]),
    { kind: 'service', name: SERVICE, state: 'running', enabled: true },
  ];
}

/** Removes the members that are on none of these addresses. @throws {WaitingError} */
export async function keepMembers(address: string, keep: readonly string[]): Promise<void> {
  const urls = keep.map(peerUrl);
  for (const { ID, peerURLs } of await membersAt([address])) {
    if (!peerURLs.some((url) => urls.includes(url))) await ask([address], 'remove', { ID });
  }
}

/** What is left when the unit goes: it counts for no majority any more. */
export function withoutEtcd(): readonly Resource[] {
  return [
    { kind: 'step', id: 'leave-etcd', run: leave },
    { kind: 'service', name: SERVICE, state: 'stopped', enabled: false },
    {
      kind: 'step',
      id: 'remove-etcd',
      run: () => rm(DATA, { recursive: true, force: true }),
    },
  ];
}

/** Who is in the cluster is read once: afterwards etcd keeps it with its data. */
async function join({ unit, address, members }: State): Promise<void> {
  const others = members.filter((member) => member !== address);
  const known = others.length === 0 ? [] : await membersAt(others);
  const [client, peer] = [`http://${address}:${CLIENT_PORT}`, peerUrl(address)];
  const own = known.find(({ peerURLs }) => peerURLs.includes(peer));
  const name = unit.replace('/', '-');
  const cluster = [
    ...known.filter((member) => member !== own).map((member) => `${member.name}=${member.peerURLs.join()}`),
    `${name}=${peer}`,
  ];
  const config = {
    name,
    'data-dir': DATA,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': cluster.join(),
    'initial-cluster-state': others.length === 0 ? 'new' : 'existing',
    // A machine that does other things as well is slow at times.
    'heartbeat-interval': 200,
    'election-timeout': 2000,
    'auto-compaction-retention': '1',
    // By the first Patroni asks, by the second this charm. Both are off where there is a configuration file.
    'enable-v2': true,
    'enable-grpc-gateway': true,
  };
  await replaceFile({ path: CONFIG, content: `${JSON.stringify(config, undefined, 2)}\n`, mode: 0o644 });
  await run(['systemctl', 'daemon-reload']);
  // One that has started is of a machine that had the address before.
  if (own?.name !== undefined) await ask(others, 'remove', { ID: own.ID });
  // From here on it counts for the majority: it starts at once.
  if (others.length > 0 && (own === undefined || own.name !== undefined)) await add(others, peer);
  await run(['systemctl', 'restart', `${SERVICE}.service`]);
}

/** @throws {WaitingError} when they do not take it for a while */
async function add(others: readonly string[], peer: string): Promise<void> {
  for (const end = performance.now() + JOIN_TIMEOUT; ; await sleep(1000)) {
    try {
      await ask(others, 'add', { peerURLs: [peer] });
      return;
    } catch (error) {
      if (!(error instanceof WaitingError) || performance.now() > end) throw error;
    }
  }
}

async function leave(): Promise<void> {
  const config = z
    .object({ 'initial-advertise-peer-urls': z.string() })
    .safeParse(JSON.parse((await readFileIfExists(CONFIG)) ?? '{}'));
  const url = config.data?.['initial-advertise-peer-urls'];
  if (url === undefined) return;
  const { hostname } = new URL(url);
  try {
    const own = (await membersAt([hostname])).find(({ peerURLs }) => peerURLs.includes(url));
    if (own) await ask([hostname], 'remove', { ID: own.ID });
  } catch (error) {
    // The last one cannot leave, and the leader forgets who is gone without a word.
    if (!(error instanceof WaitingError)) throw error;
  }
}

function peerUrl(address: string): string {
  return `http://${address}:${PEER_PORT}`;
}

const Member = z.object({
  ID: z.string(),
  /** Absent until it has started. */
  name: z.string().optional(),
  peerURLs: z.array(z.string()),
});
type Member = Readonly<z.infer<typeof Member>>;

async function membersAt(hosts: readonly string[]): Promise<readonly Member[]> {
  return z.object({ members: z.array(Member) }).parse(await ask(hosts, 'list', {})).members;
}

/** Asks the first of the hosts that answers. @throws {WaitingError} with what the last one says */
async function ask(
  hosts: readonly string[],
  verb: 'list' | 'add' | 'remove',
  body: object,
): Promise<unknown> {
  let reason = '';
  for (const host of hosts) {
    try {
      const response = await fetch(`http://${host}:${CLIENT_PORT}/v3/cluster/member/${verb}`, {
        method: 'POST',
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      reason = text;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  throw new WaitingError(`waiting for etcd: ${reason}`);
}
