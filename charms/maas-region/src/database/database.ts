import type { Installation } from '@maas-ha/maas';
import { lastLines, tryRun, tryRunUncut } from 'juju-ts-host';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { WaitingError } from 'juju-ts-ops';
import { z } from 'zod';
import type { Schema } from '../endpoints.ts';
import { OWN_SESSIONS } from './sessions.ts';

/** What the database of a relation is called: what it was when it was migrated, whatever the option says since. */
export function nameOfDatabase(
  option: string,
  [relation]: readonly { readonly id: number }[],
  schema: Schema | undefined,
): string {
  return (schema && schema.relation === relation?.id ? schema.database : undefined) ?? option;
}

/** What the charm needs of PostgreSQL is asked with its own client. */
export const CLIENT_PACKAGE = 'postgresql-client';

/** The two numbers of our advisory lock. MAAS itself uses 20120116. */
const MIGRATION_LOCK = [1_297_367_891, 1] as const;

/** How long to wait for another region that migrates, in seconds. */
const LOCK_TIMEOUT = 1200;
/** How long a hook waits for a migration, in milliseconds. */
const MIGRATION_TIMEOUT = 60 * 60_000;
const QUESTION_TIMEOUT = 10_000;
/** What `journalctl -t` finds the migration's own words by. */
const JOURNAL = 'maas-dbupgrade';

const PSQL = [
  'psql',
  '--no-psqlrc',
  '--no-password',
  '--quiet',
  '--tuples-only',
  '--no-align',
  '--set=ON_ERROR_STOP=1',
] as const;

/** So that the server notices within half a minute that the machine of a lock's holder is gone. */
const KEEPALIVE =
  'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;';

export interface MigrationOptions {
  /** The extensions that go before it begins. */
  readonly dropped?: readonly string[];
  /** How long it is waited for, in milliseconds. */
  readonly timeout?: number;
}

/**
 * Migrates the database to the installed MAAS, unless that was done before: which versions were, the database itself
 * remembers. MAAS takes no lock, and of two migrations at once one fails. So psql holds one, and runs the migration
 * itself, in a session of its own: whatever ends this process, the lock stays for as long as the migration goes on. If
 * psql itself dies, or the machine, the lock is free and the migration dies with it. While MAAS runs on another machine nothing is migrated.
 * @param version of MAAS' packages
 * @throws {WaitingError} when the database does not answer, or another region takes too long, or the migration fails
 */
export async function migrateDatabase(
  maas: Pick<Installation, 'region'>,
  connection: DatabaseConnection,
  version: string,
  unit: string,
  { dropped = [], timeout = MIGRATION_TIMEOUT }: MigrationOptions = {},
): Promise<void> {
  // What psql starts has an environment that MAAS cannot do with: `region` gives it one of its own.
  // What the migration says goes to the journal, because the pipes of this process break when it dies.
  const script = `${KEEPALIVE}
SET client_min_messages = warning;
SET lock_timeout = '${LOCK_TIMEOUT}s';
SELECT FROM pg_advisory_lock(${MIGRATION_LOCK.join(', ')});
CREATE SCHEMA IF NOT EXISTS maas_ha;
CREATE TABLE IF NOT EXISTS maas_ha.migration (
  version text PRIMARY KEY, unit text NOT NULL, finished timestamptz NOT NULL DEFAULT now());
ALTER TABLE maas_ha.migration ADD COLUMN IF NOT EXISTS schema text;
${WAS_MIGRATED}\\if :was_migrated
\\else
  ${NOBODY_ELSE}
  ${dropped.map((name) => `DROP EXTENSION IF EXISTS ${identifier(name)};`).join(' ')}
  \\set has_migrated \`${migrationCommand(maas)}\`
  \\if :has_migrated
    ${SCHEMA}INSERT INTO maas_ha.migration (version, unit, schema) VALUES (:'version', :'unit', :'schema')
      ON CONFLICT (version) DO UPDATE SET unit = excluded.unit, schema = excluded.schema, finished = now();
  \\endif
\\endif
`;
  const result = await tryRunUncut([...PSQL, `--set=version=${version}`, `--set=unit=${unit}`], {
    stdin: script,
    env: environment(connection),
    timeout,
  });
  if (!result) throw new WaitingError(`the migration goes on: journalctl -t ${JOURNAL} says how far it is`);
  const { exitCode, stderr } = result;
  if (exitCode === 0 && (await hasMigrated(connection, version))) return;
  const reason =
    exitCode === 0 ? `journalctl -t ${JOURNAL} says why` : lastLines(withoutPassword(stderr, connection), 2);
  throw new WaitingError(`the database could not be migrated, and will be tried again: ${reason}`);
}

/** What psql has its shell run; it prints how it ended. The kernel ends each of them with the one that has started it. */
function migrationCommand(maas: Pick<Installation, 'region'>): string {
  const tied = ['setpriv', '--pdeathsig', 'KILL'];
  const dbupgrade = [...tied, 'systemd-cat', `--identifier=${JOURNAL}`, ...maas.region('dbupgrade')];
  const reported = `${dbupgrade.map(quoted).join(' ')} && echo true || echo false`;
  return `exec ${[...tied, 'sh', '-c', reported].map(quoted).join(' ')}`;
}

/** A word for the shell that psql runs. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * Fails while MAAS works on the database from another machine. Juju's word that a unit has gone is not enough here: one that was removed by
 * force may run on, out of Juju's reach and not out of the database's. Its regiond says something every minute; of a machine that has lost its
 * power PostgreSQL keeps the connections for hours.
 */
const NOBODY_ELSE = `DO $$
DECLARE users text;
BEGIN
  FOR waited IN 0..10 LOOP
    PERFORM pg_stat_clear_snapshot();
    SELECT string_agg(DISTINCT coalesce(host(client_addr), 'the database server'), ', ') INTO users FROM pg_stat_activity
      WHERE datname = current_database() AND usename = current_user AND application_name NOT IN ('${Object.values(OWN_SESSIONS).join("', '")}')
        AND client_addr IS DISTINCT FROM inet_client_addr()
        AND greatest(backend_start, state_change) > clock_timestamp() - interval '5 minutes';
    IF users IS NULL THEN RETURN; END IF;
    PERFORM pg_sleep(1);
  END LOOP;
  RAISE EXCEPTION 'MAAS still runs at %, stop it there', users;
END $$;`;

/** What Django, Alembic and Temporal write down of what they have migrated. */
const MIGRATIONS = [
  { name: 'django', table: 'public.django_migrations', row: "app || '.' || name" },
  { name: 'alembic', table: 'public.alembic_version', row: 'version_num' },
  // When it was last looked at does not count.
  { name: 'temporal', table: 'temporal.schema_version', row: "(to_jsonb(it) - 'creation_time')::text" },
  {
    name: 'visibility',
    table: 'temporal_visibility.schema_version',
    row: "(to_jsonb(it) - 'creation_time')::text",
  },
];

/** Sets `schema` to what tells one schema of MAAS from another, and `django` to `none` in a database that has none yet. */
const SCHEMA = `${MIGRATIONS.map(
  ({ name, table, row }) => `\\set ${name} none
SELECT to_regclass('${table}') IS NOT NULL AS is_there \\gset
\\if :is_there
  SELECT md5(coalesce(string_agg(${row}, ',' ORDER BY ${row}), '')) AS ${name} FROM ${table} it \\gset
\\endif
`,
).join('')}SELECT concat_ws(' ', ${MIGRATIONS.map(({ name }) => `:'${name}'`).join(', ')}) AS schema \\gset
`;

/**
 * Sets `was_migrated`. That somebody has written it down is not enough: the schema must be the one that came of it. The
 * database may have been restored since, whole or in part.
 */
const WAS_MIGRATED = `${SCHEMA}\\set was_migrated false
SELECT to_regclass('maas_ha.migration') IS NOT NULL AS is_there \\gset
\\if :is_there
  SELECT coalesce(bool_or(coalesce(to_jsonb(it) ->> 'schema', :'schema') = :'schema'), false) AS was_migrated
    FROM maas_ha.migration it WHERE version = :'version' \\gset
\\endif
`;

/** Whether the database was migrated to a version; `undefined` while it does not answer. */
export async function hasMigrated(
  connection: DatabaseConnection,
  version: string,
): Promise<boolean | undefined> {
  const { exitCode, stdout } = await tryRun([...PSQL, `--set=version=${version}`], {
    stdin: `${WAS_MIGRATED}\\echo :was_migrated\n`,
    env: environment(connection),
    timeout: QUESTION_TIMEOUT,
  });
  return exitCode === 0 ? stdout.trim().startsWith('t') : undefined;
}

/** The extensions that some MAAS needs. */
const NEEDED_EXTENSIONS = ['btree_gin', 'pgcrypto'];

const ServerFacts = z.object({
  /** How many connections it allows. */
  connectionLimit: z.int(),
  /** `16` */
  postgresqlVersion: z.int(),
  /** Whether the database was migrated to the MAAS that is installed. */
  hasMigrated: z.boolean(),
  /** How often a new secret was asked for. */
  rotation: z.int(),
  /** Whether no MAAS has ever migrated it. */
  isEmpty: z.boolean(),
  /** Whether a charm looks after the server, and decides by its options which extensions there are. */
  isCharmed: z.boolean(),
  extensions: z.array(
    z.object({
      name: z.string(),
      /** Whether the user of the database may drop it. */
      isOurs: z.boolean(),
      /** Whether it has functions in the schema `public`. */
      isInPublic: z.boolean(),
    }),
  ),
  /** What else MAAS may make for itself. */
  creatable: z.array(z.string()),
});
/** What the leader asks the server. */
export type ServerFacts = Readonly<z.infer<typeof ServerFacts>>;

/** What the server answers, or why it does not. */
export type ServerAnswer = Partial<ServerFacts> & { readonly refusal?: string };

const FACTS = `\\set rotation 0
SELECT to_regclass('maas_ha.rotation') IS NOT NULL AS is_there \\gset
\\if :is_there
  SELECT coalesce(max(number), 0) AS rotation FROM maas_ha.rotation \\gset
\\endif
SELECT json_build_object(
  'connectionLimit', current_setting('max_connections')::integer,
  'postgresqlVersion', current_setting('server_version_num')::integer / 10000,
  'hasMigrated', :'was_migrated'::boolean,
  'rotation', :rotation,
  'isEmpty', :'django' = 'none',
  'isCharmed', EXISTS (SELECT FROM pg_roles WHERE rolname = 'operator' OR starts_with(rolname, 'charmed_')),
  'extensions', (
    SELECT coalesce(json_agg(json_build_object(
      'name', extname,
      'isOurs', pg_has_role(extowner, 'USAGE'),
      'isInPublic', EXISTS (
        SELECT FROM pg_depend JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass
        WHERE refclassid = 'pg_extension'::regclass AND refobjid = pg_extension.oid AND deptype = 'e'
          AND pronamespace = to_regnamespace('public'))
    ) ORDER BY extname), '[]') FROM pg_extension),
  'creatable', (
    SELECT coalesce(json_agg(DISTINCT name), '[]') FROM pg_available_extension_versions it
    WHERE name IN (${NEEDED_EXTENSIONS.map((name) => `'${name}'`).join(', ')})
      AND (current_setting('is_superuser') = 'on'
        OR (to_jsonb(it) ->> 'trusted' = 'true' AND has_database_privilege(current_database(), 'CREATE')))));
`;

/** @param installed version of MAAS' packages; empty: none is */
export async function serverFacts(connection: DatabaseConnection, installed: string): Promise<ServerAnswer> {
  const { exitCode, stdout, stderr } = await tryRun([...PSQL, `--set=version=${installed}`], {
    stdin: `${WAS_MIGRATED}${FACTS}`,
    env: environment(connection),
    timeout: QUESTION_TIMEOUT,
  });
  if (exitCode === 0) return ServerFacts.parse(JSON.parse(stdout));
  // psql: error: connection to server at "10.0.0.1", port 5432 failed: FATAL:  password authentication failed
  const refusal = /(?:failed|ERROR): +(?:FATAL: +)?(.+)/.exec(withoutPassword(stderr, connection))?.[1];
  return refusal === undefined ? {} : { refusal };
}

/** A name in SQL. */
function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Writes down that MAAS is to have a new secret, where every leader finds it.
 * @param done how often it had one already; another wish for the same is the same
 * @throws {WaitingError} when the database does not answer
 */
export async function askForRotation(
  connection: DatabaseConnection,
  done: number,
  unit: string,
): Promise<void> {
  const { exitCode, stderr } = await tryRun([...PSQL, `--set=number=${done + 1}`, `--set=unit=${unit}`], {
    stdin: `SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS maas_ha;
CREATE TABLE IF NOT EXISTS maas_ha.rotation (
  number integer PRIMARY KEY, unit text NOT NULL, asked timestamptz NOT NULL DEFAULT now());
INSERT INTO maas_ha.rotation (number, unit) VALUES (:number, :'unit') ON CONFLICT DO NOTHING;
`,
    env: environment(connection),
    timeout: QUESTION_TIMEOUT,
  });
  if (exitCode !== 0)
    throw new WaitingError(
      `waiting for the database to answer: ${lastLines(withoutPassword(stderr, connection), 2)}`,
    );
}

/** How many connections a number of regions may need: 50 each, as MAAS' own deployment tools reckon, and 11 for each worker above four. */
export function connectionsNeeded(regions: number, workers: number): number {
  return Math.max(100, 10 + regions * (50 + 11 * Math.max(0, workers - 4)));
}

/** libpq reads these; other users cannot see the environment of a process. */
function environment({ host, port, database, user, password }: DatabaseConnection) {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: user,
    PGPASSWORD: password.reveal(),
    PGCONNECT_TIMEOUT: '5',
    PGAPPNAME: OWN_SESSIONS.charm,
  };
}

function withoutPassword(text: string, { password }: DatabaseConnection): string {
  return text.replaceAll(password.reveal(), '[redacted]');
}
