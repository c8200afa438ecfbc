import type { Resource } from 'juju-ts-host';
import { REQUESTED_SECRETS } from 'juju-ts-interfaces/postgresql_client';
import { blocked, waiting, type Status } from 'juju-ts-ops';
import type { Known } from '../cluster/known.ts';
import { obstacleOf } from '../cluster/upgrade.ts';
import { databag, type RegionDatabag } from '../endpoints.ts';
import type { DatabaseRequest, State } from '../state.ts';
import { connectionsNeeded, migrateDatabase, nameOfDatabase } from './database.ts';
import { extensionsToDrop } from './extensions.ts';
import { passwordProblem } from './password.ts';

/** Old servers read the request from each unit, newer ones from the application. */
export function databaseRequests({
  database: { relations },
  options,
  cluster,
}: DatabaseRequest): readonly RegionDatabag[] {
  const database = nameOfDatabase(options['database-name'], relations, cluster.schema);
  return relations.map(({ id, endpoint }) =>
    endpoint === 'db'
      ? databag('db', id, { app: { database }, unit: { database } })
      : databag('database', id, { app: { database, 'requested-secrets': [...REQUESTED_SECRETS] } }),
  );
}

export function migration(
  { region: { maas }, unit, cluster, database: asked }: State,
  { database, packageVersion, relation }: Known,
): Resource {
  const dropped = extensionsToDrop(packageVersion, asked);
  return {
    kind: 'step',
    id: 'migrate-database',
    inputs: {
      version: packageVersion,
      relation,
      database: database.database,
      before: cluster.schema?.version ?? '',
    },
    run: () => migrateDatabase(maas, database, packageVersion, unit, { dropped }),
  };
}

/** The leader that cannot go on with the extensions of its database, and these. */
export function stoppedByExtensions(state: State): { unit: string; extensions: string[] } | undefined {
  const { isLeader, unit, database } = state;
  return isLeader && database.extensions && obstacleOf(state) !== undefined
    ? { unit, extensions: database.extensions.map(({ name }) => name) }
    : undefined;
}

/** Why MAAS has no database to be configured with; nothing if it has. */
export function missingDatabase({ database, app, region }: State): Status | undefined {
  const { version } = region;
  if (database.kind === 'none')
    return blocked(`no database: juju integrate ${app}:database postgresql:database`);
  if (database.kind === 'waiting') return waiting(database.reason);
  const broken = version === undefined ? undefined : passwordProblem(database.connection.password, version);
  return broken === undefined ? undefined : blocked(broken);
}

/** The name of a database cannot be changed under a MAAS that is in it. */
export function renamedDatabase(
  { options, app }: State,
  { database: { database } }: Known,
): Status | undefined {
  return options['database-name'] === database
    ? undefined
    : blocked(
        `database-name cannot change, MAAS is in ${database}`,
        `juju config ${app} database-name=${database}`,
      );
}

/** Where the server allows fewer connections than the regions need: what to set. */
export function connectionNotes({ database, options, cluster }: State): readonly string[] {
  const { kind, connectionLimit } = database;
  const regions = cluster.peers.length + 1;
  const needed = connectionsNeeded(regions, options['num-workers']);
  return connectionLimit !== undefined && connectionLimit < needed && kind === 'ready'
    ? [`PostgreSQL allows ${connectionLimit} connections: ${regions} regions need max_connections=${needed}`]
    : [];
}
