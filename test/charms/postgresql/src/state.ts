import { randomBytes } from 'node:crypto';
import {
  NotYetError,
  OwnSecret,
  Redacted,
  SecretNotFoundError,
  unitNumber,
  type Juju,
  type Options,
  type Relation,
  type Side,
} from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { installedVersion, isInRecovery, timeline } from './server.ts';

export const options = {
  'experimental-max-connections': z.int().min(20, 'at least 20'),
  'plugin-btree-gin-enable': z.boolean(),
  'plugin-pgcrypto-enable': z.boolean(),
};

export type PostgresqlJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** A database that somebody asked for. */
export interface Client {
  readonly endpoint: 'db' | 'database';
  readonly relation: number;
  readonly app: string;
  readonly database: string;
  readonly user: string;
  readonly password: Redacted;
  readonly subnets: readonly string[];
  readonly units: readonly string[];
}

/** What Juju and the machine say. */
export interface State {
  readonly options: Options<typeof options>;
  readonly address: string;
  /** `15`; absent until the server is installed. */
  readonly version?: string;
  readonly clients: readonly Client[];
  /** Number of the peer relation. */
  readonly cluster?: number;
  readonly isLeader: boolean;
  /** Whether its server only follows another. */
  readonly isStandby: boolean;
  /** The timeline on which this unit writes, where it is the primary or was. */
  readonly timeline?: number;
  /** Address of the unit that is the primary; absent while there is none. */
  readonly primary?: string;
  /** Addresses of all units that are known, this one's among them. */
  readonly addresses: readonly string[];
  /** What standbys replicate with. */
  readonly replication: Redacted;
}

export const REPLICATION = new OwnSecret('replication');
/** The key of what it holds. */
export const PASSWORD = 'password';

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
  const own = version === undefined ? undefined : await timeline();
  const address = network.bindAddresses[0] ?? '';
  const primaries = [
    { name: juju.context.unit, address, timeline: own },
    ...(cluster?.units ?? []).map(({ name, data }) => ({ name, ...data })),
  ].filter((unit) => unit.timeline !== undefined && unit.address !== undefined);
  // Whoever was promoted last.
  const [primary] = primaries.toSorted(
    (a, b) => (b.timeline ?? 0) - (a.timeline ?? 0) || unitNumber(a.name) - unitNumber(b.name),
  );
  const clients = [
    ...db.map((relation) => clientOf(juju, 'db', relation)),
    ...database.map((relation) => clientOf(juju, 'database', relation)),
  ];
  return {
    options: values,
    address,
    addresses: [address, ...(cluster?.units ?? []).flatMap(({ data }) => data.address ?? [])].toSorted(),
    isLeader,
    isStandby: version !== undefined && (await isInRecovery()),
    replication: await replicationPassword(juju, cluster?.appData['replication-secret-id']),
    ...(cluster && { cluster: cluster.id }),
    ...(own !== undefined && { timeline: own }),
    ...(primary?.address !== undefined && { primary: primary.address }),
    ...(version !== undefined && { version }),
    clients: (await Promise.all(clients)).filter((client) => client !== undefined),
  };
}

/** The leader makes it up where there is none yet. */
async function replicationPassword(juju: PostgresqlJuju, uri: string | undefined): Promise<Redacted> {
  try {
    const known = uri === undefined ? undefined : (await juju.secret(uri))[PASSWORD];
    if (known) return known;
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
  }
  if (!(await juju.isLeader())) throw new NotYetError('the leader to share the password of standbys');
  const own = await juju.ownSecret(REPLICATION);
  return own?.[PASSWORD] ?? newPassword(REPLICATION);
}

/** What this hook has made up: it reads several times, and saves a secret when it ends. */
const madeUp = new Map<string, Redacted>();

function newPassword({ label }: OwnSecret): Redacted {
  const password = madeUp.get(label) ?? new Redacted(randomBytes(16).toString('hex'));
  madeUp.set(label, password);
  return password;
}

export function userSecret(relation: number): OwnSecret {
  return new OwnSecret(`user-${relation}`);
}

async function clientOf(
  juju: PostgresqlJuju,
  endpoint: Client['endpoint'],
  { id, app, appData, units }: Relation<Side> & { readonly appData: { readonly database?: string } },
): Promise<Client | undefined> {
  if (appData.database === undefined) return undefined;
  const secret = (await juju.isLeader()) ? await juju.ownSecret(userSecret(id)) : undefined;
  return {
    endpoint,
    relation: id,
    app,
    database: appData.database,
    user: `relation-${id}`,
    password: secret?.[PASSWORD] ?? newPassword(userSecret(id)),
    subnets: units.flatMap(({ egressSubnets }) => egressSubnets),
    units: units.map(({ name }) => name),
  };
}
