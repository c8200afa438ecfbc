// Patroni on this unit: what it is told, and what it answers.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, type Resource } from 'juju-ts-host';
import { Redacted, UserError, WaitingError } from 'juju-ts-ops';
import { z } from 'zod';
import { ETCD_PACKAGES, etcdHosts, etcdResources, keepMembers, withoutEtcd } from './etcd.ts';
import { dataFolder, OWNER, parametersOf, PG_HBA } from './server.ts';
import type { Cluster, Member, Passwords, State } from './state.ts';

/** Written as JSON, which is YAML. */
export const CONFIG = '/etc/patroni/config.yml';
export const PATRONI_PACKAGES = ['patroni', ...ETCD_PACKAGES];
const REST_PORT = 8008;
/** How long a hook waits until this unit has joined, in milliseconds. */
const JOIN_TIMEOUT = 60_000;
/** How long the leader tries to tell Patroni its settings, in milliseconds. */
const SETTINGS_TIMEOUT = 30_000;
/** How long Patroni may take to answer, and to switch over. */
const ANSWER_TIMEOUT = 3000;
const ORDER_TIMEOUT = 60_000;

/** Patroni makes this file when the server of this unit has another role, and systemd has Juju run a hook then. */
const MARK = '/var/lib/postgresql/role-changed';
const CALLBACK = '/usr/local/lib/postgresql-role-changed';
const OBSERVER = 'postgresql-role-changed';

const ClusterAnswer = z.object({
  members: z.array(z.object({ name: z.string(), role: z.string(), state: z.string(), host: z.string() })),
});
/** What Patroni on a unit knows; `undefined` while it does not answer: it does not run, or has not joined. */
export async function clusterSeenBy(address: string): Promise<Cluster | undefined> {
  try {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT);
    const response = await fetch(`http://${address}:${REST_PORT}/cluster`, { signal });
    return ClusterAnswer.parse(await response.json());
  } catch {
    return undefined;
  }
}

/** The member that writes. */
export function primaryOf({ members }: Cluster): Member | undefined {
  return members.find(({ role, state }) => role === 'leader' && state === 'running');
}

/** Patroni with its files, and that this unit has joined. */
export function patroniResources(state: State, version: string, passwords: Passwords): readonly Resource[] {
  const { unit, view, isLeader, address } = state;
  const config: Resource = {
    kind: 'file',
    path: CONFIG,
    content: renderConfig(state, version, passwords),
    mode: 0o600,
    ...OWNER,
  };
  return [
    ...observer(state),
    ...etcdResources(state),
    config,
    {
      kind: 'step',
      id: 'observe',
      inputs: { unit },
      run: async () => {
        await run(['systemctl', 'daemon-reload']);
        await run(['systemctl', 'enable', '--now', `${OBSERVER}.path`]);
      },
    },
    {
      kind: 'service',
      name: 'patroni',
      state: 'running',
      enabled: true,
      onChange: 'reload',
      after: [CONFIG],
    },
    ...(view ? [] : [{ kind: 'step', id: 'join', run: () => awaitJoined(address) } satisfies Resource]),
    ...(view && isLeader ? leaderSteps(state, view) : []),
  ];
}

/** What is left when the unit goes: the others go on without it. */
export function withoutPatroni(): readonly Resource[] {
  return [
    { kind: 'step', id: 'hand-over', run: handOver },
    {
      kind: 'step',
      id: 'observe-no-more',
      run: async () => void (await run(['systemctl', 'disable', '--now', `${OBSERVER}.path`])),
    },
    { kind: 'service', name: 'patroni', state: 'stopped', enabled: false },
    ...withoutEtcd(),
  ];
}

/** Makes the server of this unit the primary. @throws {UserError} with what Patroni says */
export async function switchHere(unit: string): Promise<void> {
  const { address } = await told();
  const cluster = await clusterSeenBy(address);
  const leader = cluster && primaryOf(cluster)?.name;
  const candidate = patroniName(unit);
  if (leader === candidate) throw new UserError(`${unit} is no standby`);
  const { status, text } = leader
    ? await order('POST', '/switchover', { leader, candidate })
    : await order('POST', '/failover', { candidate });
  if (status !== 200) throw new UserError(`Patroni says: ${text}`);
}

function patroniName(unit: string): string {
  return unit.replace('/', '-');
}

function observer({ unit, charmFolder }: State): readonly Resource[] {
  const hook = `JUJU_DISPATCH_PATH=hooks/update-status ${charmFolder}/dispatch`;
  const file = (path: string, lines: readonly string[], mode = 0o644): Resource => ({
    kind: 'file',
    path,
    content: `${lines.join('\n')}\n`,
    mode,
  });
  return [
    file(CALLBACK, ['#!/bin/sh', `exec touch ${MARK}`], 0o755),
    file(`/etc/systemd/system/${OBSERVER}.path`, [
      '[Unit]',
      'StartLimitIntervalSec=0',
      '[Path]',
      `PathExists=${MARK}`,
      '[Install]',
      'WantedBy=multi-user.target',
    ]),
    file(`/etc/systemd/system/${OBSERVER}.service`, [
      '[Unit]',
      'StartLimitIntervalSec=0',
      '[Service]',
      'Type=oneshot',
      `ExecStart=/bin/rm -f ${MARK}`,
      `ExecStart=/usr/bin/juju-exec ${unit} "${hook}"`,
    ]),
  ];
}

function renderConfig(state: State, version: string, passwords: Passwords): Redacted {
  const { unit, address } = state;
  const config = {
    scope: 'postgresql',
    name: patroniName(unit),
    restapi: {
      listen: `${address}:${REST_PORT}`,
      connect_address: `${address}:${REST_PORT}`,
      authentication: { username: 'patroni', password: passwords.patroni.reveal() },
    },
    // By version 2 of its interface: by version 3 a Patroni of 2023 whose server hung takes the lead back from who has it since.
    etcd: { hosts: etcdHosts(state) },
    bootstrap: { dcs: settingsOf(state) },
    postgresql: {
      listen: '*:5432',
      connect_address: `${address}:5432`,
      data_dir: dataFolder(version),
      bin_dir: `/usr/lib/postgresql/${version}/bin`,
      authentication: {
        superuser: { username: 'operator', password: passwords.operator.reveal() },
        replication: { username: 'replication', password: passwords.replication.reveal() },
      },
      parameters: parametersOf(state),
      pg_hba: PG_HBA,
      callbacks: { on_start: CALLBACK, on_role_change: CALLBACK },
    },
  };
  return new Redacted(`${JSON.stringify(config, undefined, 2)}\n`);
}

/** What all members have in common. A primary that is not heard of is given up after `ttl` seconds. */
function settingsOf({ options, members }: State): object {
  const count = options['synchronous-node-count'];
  const standbys = Math.max(1, members.length - 1);
  const named: Readonly<Record<string, number>> = { all: standbys, majority: Math.ceil(standbys / 2) };
  return {
    ttl: 10,
    loop_wait: 1,
    retry_timeout: 3,
    // A primary that has crashed gives way: to start it again may take longer.
    primary_start_timeout: 0,
    synchronous_mode: count !== '0',
    synchronous_node_count: named[count] ?? Math.max(1, Number(count)),
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: { max_connections: options['experimental-max-connections'] },
    },
  };
}

function leaderSteps(state: State, view: Cluster): readonly Resource[] {
  const settings = settingsOf(state);
  // Who runs is not known here yet at worst; a unit that was removed by force has not said goodbye.
  const keep = [
    ...new Set([...state.addresses, ...state.members, ...view.members.map(({ host }) => host)]),
  ].toSorted();
  return [
    {
      kind: 'step',
      id: 'settings',
      inputs: { settings: JSON.stringify(settings) },
      run: () => takeSettings(settings),
    },
    {
      kind: 'step',
      id: 'forget',
      inputs: { keep: keep.join(' ') },
      run: () => keepMembers(state.address, keep),
    },
  ];
}

/** Patroni takes none until the first server is the primary. @throws {WaitingError} when it has not after a while */
async function takeSettings(settings: object): Promise<void> {
  for (const end = performance.now() + SETTINGS_TIMEOUT; ; await sleep(1000)) {
    const { status, text } = await order('PATCH', '/config', settings);
    if (status === 200) return;
    if (performance.now() > end) throw new WaitingError(`waiting for Patroni to take its settings: ${text}`);
  }
}

/** @throws {WaitingError} when this unit has not joined after a while */
async function awaitJoined(address: string): Promise<void> {
  const end = Date.now() + JOIN_TIMEOUT;
  while (Date.now() < end) {
    if (await clusterSeenBy(address)) return;
    await sleep(300);
  }
  throw new WaitingError('waiting to join the cluster: journalctl -u patroni says why it takes so long');
}

const Told = z.object({
  name: z.string(),
  restapi: z.object({
    connect_address: z.string(),
    authentication: z.object({ password: z.string() }),
  }),
});

/** What Patroni here has been told. */
async function told(): Promise<{ address: string; name: string; password: string }> {
  const { name, restapi } = Told.parse(JSON.parse(await readFile(CONFIG, 'utf8')));
  const { connect_address: at, authentication } = restapi;
  return { address: at.slice(0, at.lastIndexOf(':')), name, password: authentication.password };
}

/** @returns what Patroni says, in HTTP's numbers and its own words; 0 and the reason where it does not answer */
async function order(
  method: 'POST' | 'PATCH',
  path: string,
  body: object,
): Promise<{ readonly status: number; readonly text: string }> {
  const { address, password } = await told();
  try {
    const response = await fetch(`http://${address}:${REST_PORT}${path}`, {
      method,
      headers: { authorization: `Basic ${Buffer.from(`patroni:${password}`).toString('base64')}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ORDER_TIMEOUT),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { status: 0, text: error instanceof Error ? error.message : String(error) };
  }
}

/** Has another unit be the primary, where this one is; one that cannot is no reason to stay. */
async function handOver(): Promise<void> {
  const { address, name } = await told();
  const cluster = await clusterSeenBy(address);
  if (!cluster || primaryOf(cluster)?.name !== name || cluster.members.length < 2) return;
  await order('POST', '/switchover', { leader: name });
}
