import { run, type Resource } from '@maas-ha/host';
import { active, blocked, maintenance, SecretRef, type Plan } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { secretLabel, type Client, type State } from './state.ts';

type PostgresqlPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): PostgresqlPlan {
  const { clients, version } = state;
  const over = new Set(clients.map(({ endpoint, app }) => `${app} ${endpoint}`));
  const twice = clients.find(({ app }) => over.has(`${app} db`) && over.has(`${app} database`));
  return {
    machine: [
      { kind: 'packages', names: ['postgresql'] },
      ...(version === undefined ? [] : server(state, version)),
    ],
    secrets: clients.map(({ relation, app, user, password, database, endpoint }) => ({
      label: secretLabel(relation),
      content: {
        username: password.map(() => user),
        password,
        uris: password.map((secret) => `postgresql://${user}:${secret}@${state.address}:5432/${database}`),
      },
      // Clients of the old interface get the password in the databag, as they expect it.
      grants: endpoint === 'database' ? [{ id: relation, app }] : [],
    })),
    databags: clients.map((client) => databag(client, state)),
    ports: ['5432/tcp'],
    ...(version !== undefined && { version }),
    status: [
      twice
        ? blocked(`${twice.app} is related to both db and database: juju remove-relation one of them`)
        : version === undefined
          ? maintenance('installing PostgreSQL')
          : active(clients.length === 0 ? '' : 'Primary'),
    ],
  };
}

/** What is left when the unit goes. The data stays on the disk. */
export function leave(): readonly Resource[] {
  return [{ kind: 'service', name: 'postgresql', state: 'stopped', enabled: false }];
}

function server({ options, clients }: State, version: string): readonly Resource[] {
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
        'local all postgres peer\nhost all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n',
      ...owned,
    },
    {
      kind: 'service',
      name: `postgresql@${version}-main`,
      state: 'running',
      enabled: true,
      after: [settings, access],
    },
    ...clients.map((client): Resource => ({
      kind: 'step',
      id: `database-of-${client.relation}`,
      inputs: {
        database: client.database,
        user: client.user,
        password: client.password.digest(),
        gin: options['plugin-btree-gin-enable'],
      },
      run: () => createDatabase(client, options['plugin-btree-gin-enable']),
    })),
  ];
}

function databag(
  client: Client,
  { address, version }: State,
): NonNullable<PostgresqlPlan['databags']>[number] {
  const { relation, database, user, password, subnets, units, endpoint } = client;
  if (endpoint === 'db') {
    return {
      endpoint,
      relation,
      unit: {
        database,
        master: { host: address, port: 5432, database, user, password },
        state: 'standalone',
        version: version ?? '',
        'allowed-subnets': subnets,
        'allowed-units': units,
      },
    };
  }
  return {
    endpoint,
    relation,
    app: {
      database,
      endpoints: [`${address}:5432`],
      version: version ?? '',
      'secret-user': new SecretRef(secretLabel(relation)),
    },
  };
}

/** Makes the role and its database, unless they are there. The SQL goes over stdin, because it has the password. */
async function createDatabase({ database, user, password }: Client, withGin: boolean): Promise<void> {
  const psql = (name: string, sql: string): Promise<string> =>
    run(['runuser', '-u', 'postgres', '--', 'psql', '-v', 'ON_ERROR_STOP=1', '-q', '-d', name], {
      stdin: sql,
    });
  await psql(
    'postgres',
    `SELECT 'CREATE ROLE "${user}" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${user}') \\gexec
     ALTER ROLE "${user}" PASSWORD '${password.reveal()}';
     SELECT 'CREATE DATABASE "${database}"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${database}') \\gexec
     ALTER DATABASE "${database}" OWNER TO "${user}";`,
  );
  await psql(
    database,
    `ALTER SCHEMA public OWNER TO "${user}"; ${withGin ? 'CREATE EXTENSION IF NOT EXISTS btree_gin;' : ''}`,
  );
}
