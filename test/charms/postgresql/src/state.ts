import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { Redacted, type Juju, type Options, type Relation, type Side } from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';

export const options = {
  'experimental-max-connections': z.int().min(20, 'at least 20'),
  'plugin-btree-gin-enable': z.boolean(),
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
}

export async function read(juju: PostgresqlJuju): Promise<State> {
  const [values, network, db, database] = await Promise.all([
    juju.options(),
    juju.network('database'),
    juju.relations('db'),
    juju.relations('database'),
  ]);
  const [version] = existsSync('/etc/postgresql') ? readdirSync('/etc/postgresql') : [];
  const clients = [
    ...db.map((relation) => clientOf(juju, 'db', relation)),
    ...database.map((relation) => clientOf(juju, 'database', relation)),
  ];
  return {
    options: values,
    address: network.bindAddresses[0] ?? '',
    ...(version !== undefined && { version }),
    clients: (await Promise.all(clients)).filter((client) => client !== undefined),
  };
}

export function secretLabel(relation: number): string {
  return `user-${relation}`;
}

async function clientOf(
  juju: PostgresqlJuju,
  endpoint: Client['endpoint'],
  { id, app, appData, units }: Relation<Side> & { readonly appData: { readonly database?: string } },
): Promise<Client | undefined> {
  if (appData.database === undefined) return undefined;
  const secret = await juju.ownSecret(secretLabel(id));
  return {
    endpoint,
    relation: id,
    app,
    database: appData.database,
    user: `relation-${id}`,
    password: secret?.['password'] ?? new Redacted(randomBytes(16).toString('hex')),
    subnets: units.flatMap(({ egressSubnets }) => egressSubnets),
    units: units.map(({ name }) => name),
  };
}
