import type { Resource } from '@maas-ha/host';
import { active, blocked, maintenance, waiting, type Plan, type SecretPlan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { becomePrimary, follow, psql } from './server.ts';
import { PASSWORD, REPLICATION, userSecret, type Client, type State } from './state.ts';

type PostgresqlPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): PostgresqlPlan {
  const { clients, version, cluster, replication: password } = state;
  const replication = { secret: REPLICATION, content: { [PASSWORD]: password }, grants: [] };
  const users = new Map(clients.map((client) => [client, secretOf(client, state)]));
  return {
    machine: [
      { kind: 'packages', names: ['postgresql'] },
      ...(version === undefined ? [] : server(state, version)),
    ],
    secrets: [replication, ...users.values()],
    databags: [
      ...(cluster === undefined ? [] : [peerBag(cluster, state, replication)]),
      ...[...users].flatMap(([client, user]) => databag(client, state, user)),
    ],
    ports: ['5432/tcp'],
    ...(version !== undefined && { version }),
    status: [statusOf(state)],
  };
}

function secretOf({ relation, app, user, password, database, endpoint }: Client, state: State): SecretPlan {
  return {
    secret: userSecret(relation),
    content: {
      username: password.map(() => user),
      password,
      uris: password.map((secret) => `postgresql://${user}:${secret}@${hostOf(state)}:5432/${database}`),
    },
    // Clients of the old interface get the password in the databag, as they expect it.
    grants: endpoint === 'database' ? [{ id: relation, app }] : [],
  };
}

function statusOf({ clients, version, primary, address }: State): Status {
  const over = new Set(clients.map(({ endpoint, app }) => `${app} ${endpoint}`));
  const twice = clients.find(({ app }) => over.has(`${app} db`) && over.has(`${app} database`));
  if (twice)
    return blocked(`${twice.app} is related to both db and database: juju remove-relation one of them`);
  if (version === undefined) return maintenance('installing PostgreSQL');
  if (primary === undefined) return waiting('a primary');
  return active(clients.length === 0 ? '' : primary === address ? 'Primary' : `standby of ${primary}`);
}

/** What is left when the unit goes. The data stays on the disk. */
export function leave(): readonly Resource[] {
  return [{ kind: 'service', name: 'postgresql', state: 'stopped', enabled: false }];
}

function server(state: State, version: string): readonly Resource[] {
  const { options } = state;
  const folder = `/etc/postgresql/${version}/main`;
  const owned = { mode: 0o640, owner: 'postgres', group: 'postgres' } as const;
  const settings = `${folder}/conf.d/charm.conf`;
  const access = `${folder}/pg_hba.conf`;
  return [
    {
      kind: 'file',
      path: settings,
      content: `listen_addresses = '*'\nmax_connections = ${options['experimental-max-connections']}\n`,
      ...owned,
    },
    {
      kind: 'file',
      path: access,
      content:
        'local all postgres peer\nhost all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n' +
        'host replication all 0.0.0.0/0 scram-sha-256\nhost replication all ::/0 scram-sha-256\n',
      ...owned,
    },
    ...following(state, version),
    {
      kind: 'service',
      name: `postgresql@${version}-main`,
      state: 'running',
      enabled: true,
      after: [settings, access],
    },
    ...serving(state),
  ];
}

/** The first primary is the leader; after that it is whoever was promoted last, and all others follow. */
function following({ primary, address, replication }: State, version: string): readonly Resource[] {
  return primary === undefined || primary === address
    ? []
    : [{ kind: 'step', id: 'follow', inputs: { primary }, run: () => follow(version, primary, replication) }];
}

function serving({ options, clients, primary, address, isLeader, replication }: State): readonly Resource[] {
  // Only the leader knows the passwords of the clients; a standby that was promoted has their roles already.
  if (!isLeader || (primary !== undefined && primary !== address)) return [];
  return [
    {
      kind: 'step',
      id: 'become-primary',
      inputs: { password: replication.digest() },
      run: () => becomePrimary(replication),
    },
    ...clients.map((client): Resource => ({
      kind: 'step',
      id: `database-of-${client.relation}`,
      inputs: {
        database: client.database,
        user: client.user,
        password: client.password.digest(),
        extensions: extensionsOf(options).join(' '),
      },
      run: () => createDatabase(client, extensionsOf(options)),
    })),
  ];
}

type Databag = NonNullable<PostgresqlPlan['databags']>[number];

function peerBag(relation: number, { address, timeline }: State, replication: SecretPlan): Databag {
  return {
    endpoint: 'cluster',
    relation,
    unit: { address, timeline },
    app: { 'replication-secret-id': replication },
  };
}

/** Where clients write: at first the leader itself. Nowhere while a standby waits to be promoted. */
function hostOf({ primary, address, isStandby }: State): string | undefined {
  return primary ?? (isStandby ? undefined : address);
}

/** The leader tells clients. */
function databag(client: Client, state: State, secret: SecretPlan): readonly Databag[] {
  const { version, isLeader } = state;
  const { relation, database, user, password, subnets, units, endpoint } = client;
  const host = hostOf(state);
  if (!isLeader || host === undefined) return [];
  const standbys = state.addresses.filter((address) => address !== host);
  if (endpoint === 'db') {
    return [
      {
        endpoint,
        relation,
        unit: {
          database,
          master: { host, port: 5432, database, user, password },
          standbys: standbys.map((standby) => ({ host: standby, port: 5432, database, user, password })),
          state: standbys.length === 0 ? 'standalone' : 'master',
          version: version ?? '',
          'allowed-subnets': subnets,
          'allowed-units': units,
        },
      },
    ];
  }
  return [
    {
      endpoint,
      relation,
      app: {
        database,
        endpoints: [`${host}:5432`],
        // The primary's own address where there is no standby, as the real charm has it.
        'read-only-endpoints': (standbys.length === 0 ? [host] : standbys).map((one) => `${one}:5432`),
        version: version ?? '',
        'secret-user': secret,
      },
    },
  ];
}

function extensionsOf(options: State['options']): readonly string[] {
  return [
    ...(options['plugin-btree-gin-enable'] ? ['btree_gin'] : []),
    ...(options['plugin-pgcrypto-enable'] ? ['pgcrypto'] : []),
  ];
}

/** Makes the role and its database, unless they are there. The SQL goes over stdin, because it has the password. */
async function createDatabase(
  { database, user, password }: Client,
  extensions: readonly string[],
): Promise<void> {
  await psql(
    'postgres',
    `SELECT 'CREATE ROLE "${user}" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${user}') \\gexec
     ALTER ROLE "${user}" PASSWORD '${password.reveal()}';
     SELECT 'CREATE DATABASE "${database}"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${database}') \\gexec
     ALTER DATABASE "${database}" OWNER TO "${user}";`,
  );
  await psql(
    database,
    `ALTER SCHEMA public OWNER TO "${user}"; ${extensions.map((name) => `CREATE EXTENSION IF NOT EXISTS ${name};`).join(' ')}`,
  );
}
