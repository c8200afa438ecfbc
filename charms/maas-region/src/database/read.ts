import type { DatabaseState } from 'juju-ts-interfaces/database';
import { pgsqlConnection } from 'juju-ts-interfaces/pgsql';
import { postgresqlConnection } from 'juju-ts-interfaces/postgresql_client';
import { SecretNotFoundError, UserError, type Relation } from 'juju-ts-ops';
import { readCluster } from '../cluster/read.ts';
import type { endpoints } from '../endpoints.ts';
import type { RegionJuju } from '../juju.ts';
import { nameOfDatabase, serverFacts, type ServerAnswer } from './database.ts';
import { readDatabasePath } from './proxy/read.ts';
import type { Database, Reached } from './state.ts';

export async function readDatabase(juju: RegionJuju): Promise<Database> {
  const [options, today, old, { schema }] = await Promise.all([
    juju.options(),
    juju.relations('database'),
    juju.relations('db'),
    readCluster(juju),
  ]);
  const relations = await databaseRelations(juju);
  const [server] = [...today, ...old];
  const name = nameOfDatabase(options['database-name'], relations, schema);
  const reached = await reachedBy(juju, today[0], old[0], name);
  return {
    ...(await readDatabasePath(reached, server, options['database-proxy'])),
    ...(server && { app: server.app }),
    relations,
  };
}

export async function databaseRelations(juju: RegionJuju): Promise<Database['relations']> {
  const [today, old] = await Promise.all([juju.relations('database'), juju.relations('db')]);
  return [
    ...today.map(({ id }) => ({ id, endpoint: 'database' }) as const),
    ...old.map(({ id }) => ({ id, endpoint: 'db' }) as const),
  ];
}

/** What the leader asks PostgreSQL. @param installed version of MAAS' packages */
export async function readFacts(database: Database, installed = ''): Promise<ServerAnswer> {
  return database.kind === 'ready' ? serverFacts(database.connection, installed) : {};
}

async function reachedBy(
  juju: RegionJuju,
  today: Relation<(typeof endpoints)['database']['provider']> | undefined,
  old: Relation<(typeof endpoints)['db']['provider']> | undefined,
  name: string,
): Promise<Reached> {
  if (old && today) {
    throw new UserError(
      `two databases: juju remove-relation ${juju.context.app}:db ${old.app}, or ${juju.context.app}:database ${today.app}`,
    );
  }
  if (today) return todaysDatabase(juju, today);
  if (old) {
    const { egressSubnets } = await juju.network('db', old.id);
    return pgsqlConnection(old, name, egressSubnets);
  }
  return { kind: 'none' };
}

/** The secret may be named in the databag before it is granted. */
async function todaysDatabase(
  juju: RegionJuju,
  relation: Relation<(typeof endpoints)['database']['provider']>,
): Promise<DatabaseState> {
  try {
    return await postgresqlConnection(relation, (uri) => juju.secret(uri));
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    return { kind: 'waiting', reason: `${relation.app} to grant the user and its password` };
  }
}
