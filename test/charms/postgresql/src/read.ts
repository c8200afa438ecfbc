import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'juju-ts-host';
import { Redacted, SecretNotFoundError, type Juju, type Relation, type Side } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { hasEtcd } from './etcd.ts';
import { admit, placeOf } from './members.ts';
import type { options } from './options.ts';
import { clusterSeenBy, CONFIG, primaryOf } from './patroni.ts';
import { SHARED, userSecret } from './secrets.ts';
import { installedVersion, ROTATION_MARK } from './server.ts';
import type { Client, Passwords, State, Tls } from './state.ts';

export type PostgresqlJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

export async function read(juju: PostgresqlJuju): Promise<State> {
  const [values, network, db, database, [cluster], isLeader] = await Promise.all([
    juju.options(),
    juju.network('database'),
    juju.relations('db'),
    juju.relations('database'),
    juju.relations('cluster'),
    juju.isLeader(),
  ]);
  const version = installedVersion();
  const address = network.bindAddresses[0] ?? '';
  const peers = cluster?.units ?? [];
  const addresses = [address, ...peers.flatMap(({ data }) => data.address ?? [])];
  const hasPatroni = existsSync(CONFIG);
  const view = hasPatroni ? await clusterSeenBy(address) : undefined;
  const before = cluster?.appData.members ?? [];
  const joined = peers.flatMap(({ data }) => (data.role === undefined ? [] : (data.address ?? [])));
  const members = isLeader
    ? admit(before, { addresses, joined: view ? [address, ...joined] : joined })
    : before;
  const place = placeOf(address, { members, peers: peers.length, hasPatroni });
  const primary = place === 'alone' ? address : view && primaryOf(view)?.host;
  const isRotating = isLeader && existsSync(ROTATION_MARK);
  const clients = [
    ...db.map((relation) => clientOf(juju, 'db', relation, isRotating)),
    ...database.map((relation) => clientOf(juju, 'database', relation, isRotating)),
  ];
  const shared = await sharedSecret(juju, isLeader, cluster?.appData['secret-id']);
  const passwords = passwordsOf(shared, isLeader);
  const tls = values.tls && version !== undefined ? await tlsOf(shared, isLeader) : undefined;
  return {
    options: values,
    unit: juju.context.unit,
    address,
    charmFolder: juju.context.charmDirectory,
    addresses,
    isLeader,
    members,
    place,
    hasPatroni,
    hasEtcd: hasEtcd(),
    isRotating,
    clients: (await Promise.all(clients)).filter((client) => client !== undefined),
    ...(view && { view }),
    ...(passwords && { passwords }),
    ...(tls && { tls }),
    ...(cluster && { cluster: cluster.id }),
    ...(primary !== undefined && { primary }),
    ...(version !== undefined && { version }),
  };
}

type Shared = Readonly<Record<string, Redacted>>;

async function sharedSecret(
  juju: PostgresqlJuju,
  isLeader: boolean,
  uri: string | undefined,
): Promise<Shared> {
  if (isLeader) return (await juju.ownSecret(SHARED)) ?? {};
  try {
    return uri === undefined ? {} : await juju.secret(uri);
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    return {};
  }
}

/** The leader makes up what there is not yet. */
function passwordsOf(shared: Shared, isLeader: boolean): Passwords | undefined {
  const one = (name: keyof Passwords): Redacted | undefined =>
    shared[name] ?? (isLeader ? newPassword(name) : undefined);
  const [operator, replication, patroni] = [one('operator'), one('replication'), one('patroni')];
  return operator && replication && patroni && { operator, replication, patroni };
}

/** A certificate of the leader's making, which every server has and every client trusts. */
async function tlsOf(shared: Shared, isLeader: boolean): Promise<Tls | undefined> {
  const { certificate, key } = shared;
  if (certificate && key) return { certificate: certificate.reveal(), key };
  if (!isLeader) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  try {
    const keyFile = join(folder, 'key');
    const how = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=postgresql'];
    const made = await run(['openssl', 'req', ...how, '-keyout', keyFile]);
    return { certificate: made, key: new Redacted(await readFile(keyFile, 'utf8')) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What this hook has made up: it reads several times, and saves a secret when it ends. */
const madeUp = new Map<string, Redacted>();

function newPassword(name: string): Redacted {
  const password = madeUp.get(name) ?? new Redacted(randomBytes(16).toString('hex'));
  madeUp.set(name, password);
  return password;
}

async function clientOf(
  juju: PostgresqlJuju,
  endpoint: Client['endpoint'],
  { id, app, appData, units }: Relation<Side> & { readonly appData: { readonly database?: string } },
  isRotating: boolean,
): Promise<Client | undefined> {
  if (appData.database === undefined) return undefined;
  const label = userSecret(id);
  const secret = (await juju.isLeader()) && !isRotating ? await juju.ownSecret(label) : undefined;
  return {
    endpoint,
    relation: id,
    app,
    database: appData.database,
    user: `relation-${id}`,
    // What this hook has made up comes first: the mark of a rotation is gone before the secret is saved.
    password: madeUp.get(label.label) ?? secret?.['password'] ?? newPassword(label.label),
    subnets: units.flatMap(({ egressSubnets }) => egressSubnets),
    units: units.map(({ name }) => name),
  };
}
