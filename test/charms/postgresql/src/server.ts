// The PostgreSQL server of this unit, and SQL at the primary.
import { existsSync, readdirSync } from 'node:fs';
import { chown, stat, writeFile } from 'node:fs/promises';
import { lastLines, run, tryRun, type Resource } from 'juju-ts-host';
import { UserError, WaitingError, type Redacted } from 'juju-ts-ops';
import type { Client, Passwords, State } from './state.ts';

export const OWNER = { owner: 'postgres', group: 'postgres' } as const;
const LIBRARY = '/usr/lib/postgresql';
const [CERTIFICATE, KEY] = ['/etc/postgresql/tls.crt', '/etc/postgresql/tls.key'];
const NO_CLUSTER = '/etc/postgresql-common/createcluster.d/charm.conf';

export const PG_HBA = [
  'local all postgres peer',
  'host all all 0.0.0.0/0 scram-sha-256',
  'host all all ::/0 scram-sha-256',
  'host replication all 0.0.0.0/0 scram-sha-256',
  'host replication all ::/0 scram-sha-256',
];

/** What MAAS needs of a server, by the extension's name. */
export const EXTENSIONS = {
  btree_gin: 'plugin-btree-gin-enable',
  pgcrypto: 'plugin-pgcrypto-enable',
} as const;

/** Is there while clients are to have new passwords. */
export const ROTATION_MARK = '/var/lib/postgresql/rotate-passwords';

/** `15`; absent until the server is installed. */
export function installedVersion(): string | undefined {
  return existsSync(LIBRARY) ? readdirSync(LIBRARY)[0] : undefined;
}

export function dataFolder(version: string): string {
  return `/var/lib/postgresql/${version}/main`;
}

/** They come without a server: its data may be another unit's. */
export function packages(more: readonly string[]): readonly Resource[] {
  return [
    { kind: 'file', path: NO_CLUSTER, content: 'create_main_cluster = false\n', mode: 0o644 },
    { kind: 'packages', names: ['postgresql', ...more] },
  ];
}

/** Beside what Patroni decides itself. */
export function parametersOf({ tls }: State): Readonly<Record<string, string>> {
  return {
    unix_socket_directories: '/var/run/postgresql',
    ...(tls && { ssl: 'on', ssl_cert_file: CERTIFICATE, ssl_key_file: KEY }),
  };
}

export function tlsFiles({ tls }: State): readonly Resource[] {
  if (!tls) return [];
  return [
    { kind: 'file', path: CERTIFICATE, content: tls.certificate, mode: 0o644, ...OWNER },
    { kind: 'file', path: KEY, content: tls.key, mode: 0o600, ...OWNER },
  ];
}

/** A server that is alone, as Debian runs it. */
export function lonelyServer(state: State, version: string, passwords: Passwords): readonly Resource[] {
  const folder = `/etc/postgresql/${version}/main`;
  const [settings, access] = [`${folder}/conf.d/charm.conf`, `${folder}/pg_hba.conf`];
  const parameters = {
    listen_addresses: '*',
    ...parametersOf(state),
    max_connections: String(state.options['experimental-max-connections']),
  };
  const lines = Object.entries(parameters).map(([name, value]) => `${name} = '${value}'\n`);
  return [
    { kind: 'step', id: 'create-server', inputs: { version }, run: () => createServer(version) },
    { kind: 'file', path: settings, content: lines.join(''), mode: 0o640, ...OWNER },
    { kind: 'file', path: access, content: `${PG_HBA.join('\n')}\n`, mode: 0o640, ...OWNER },
    {
      kind: 'service',
      name: `postgresql@${version}-main`,
      state: 'running',
      enabled: true,
      after: [settings, access, ...(state.tls ? [CERTIFICATE, KEY] : [])],
    },
    {
      kind: 'step',
      id: 'roles',
      inputs: {
        operator: passwords.operator.digest(),
        replication: passwords.replication.digest(),
      },
      run: () => createRoles(passwords),
    },
  ];
}

async function createServer(version: string): Promise<void> {
  if (!existsSync(dataFolder(version))) await run(['pg_createcluster', version, 'main']);
}

/** Hands the data of a server that was alone to Patroni, which has its settings beside the data. */
export async function handToPatroni(version: string): Promise<void> {
  const data = dataFolder(version);
  const settings = `${data}/postgresql.base.conf`;
  await run(['systemctl', 'disable', '--now', 'postgresql.service', `postgresql@${version}-main.service`]);
  const { uid, gid } = await stat(data);
  await writeFile(settings, '', { mode: 0o600 });
  await chown(settings, uid, gid);
}

/** The roles that the cluster is run by. The SQL goes over stdin, because it has the passwords. */
async function createRoles({ operator, replication }: Passwords): Promise<void> {
  const sql = `${roleSql('operator', 'SUPERUSER', operator)} ${roleSql('replication', 'REPLICATION', replication)}`;
  await run(['runuser', '-u', 'postgres', '--', ...PSQL, '--dbname=postgres'], { stdin: sql });
}

/** Makes a client's role and its database, unless they are there, and has the extensions follow the options. */
export async function createDatabase(
  { database, user, password }: Client,
  primary: string,
  operator: Redacted,
  extensions: Readonly<Record<string, boolean>>,
): Promise<void> {
  await sqlAt(
    primary,
    operator,
    'postgres',
    `${roleSql(user, '', password)}
     SELECT 'CREATE DATABASE "${database}"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${database}') \\gexec
     ALTER DATABASE "${database}" OWNER TO "${user}";`,
  );
  const changes = Object.entries(extensions).map(([name, isWanted]) =>
    isWanted ? `CREATE EXTENSION IF NOT EXISTS ${name};` : `DROP EXTENSION IF EXISTS ${name};`,
  );
  await sqlAt(primary, operator, database, `${ownershipSql(user)} ${changes.join(' ')}`);
}

/**
 * What is in the database belongs to its client. Juju gives a relation that is made anew another number, and with it another
 * user: as the charm on Charmhub does for the only client of a database, all schemas and what is in them pass to that one, types excepted.
 */
function ownershipSql(user: string): string {
  const ours = `nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`;
  return `DO $$
DECLARE it record;
BEGIN
  FOR it IN
    SELECT 0 AS step, format('ALTER SCHEMA %I OWNER TO "${user}"', nspname) AS statement FROM pg_namespace WHERE ${ours}
    UNION ALL SELECT 1, format('ALTER TABLE %I.%I OWNER TO "${user}"', nspname, relname)
      FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v') AND ${ours}
    UNION ALL SELECT 2, format('ALTER SEQUENCE %I.%I OWNER TO "${user}"', nspname, relname)
      FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'S' AND ${ours}
    UNION ALL SELECT 3, format('ALTER ROUTINE %I.%I(%s) OWNER TO "${user}"', nspname, proname, pg_get_function_identity_arguments(p.oid))
      FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE ${ours}
    ORDER BY step
  LOOP EXECUTE it.statement; END LOOP;
END $$;`;
}

function roleSql(name: string, rights: string, password: Redacted): string {
  return `SELECT 'CREATE ROLE "${name}" LOGIN ${rights}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') \\gexec
     ALTER ROLE "${name}" PASSWORD '${password.reveal()}';`;
}

const PSQL = ['psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1'] as const;

/** @throws {UserError} where objects of the client need an extension that is not wanted any more */
async function sqlAt(host: string, operator: Redacted, database: string, sql: string): Promise<void> {
  const env = { PGHOST: host, PGUSER: 'operator', PGPASSWORD: operator.reveal(), PGCONNECT_TIMEOUT: '5' };
  const { exitCode, stderr } = await tryRun([...PSQL, `--dbname=${database}`], { stdin: sql, env });
  if (exitCode === 0) return;
  if (stderr.includes('cannot drop extension'))
    throw new UserError('Cannot disable plugins: Existing objects depend on it');
  throw new WaitingError(`waiting for the primary at ${host}: ${lastLines(stderr, 1)}`);
}
