import { lastLines, tryRun, tryRunUncut } from '@maas-ha/host';
import type { DatabaseConnection } from '@maas-ha/interfaces/database';
import type { Installation } from '@maas-ha/maas';
import { NotYetError } from 'juju-ts-ops';

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

/**
 * Migrates the database to the installed MAAS, unless that was done before: which versions were, the database itself
 * remembers. MAAS takes no lock, and of two migrations at once one fails. So psql holds one, and runs the migration
 * itself, in a session of its own: whatever ends this process, the lock stays for as long as the migration goes on. If
 * psql itself dies, or the machine, the lock is free and the migration dies with it.
 * @param version of MAAS' packages
 * @param patience how long it is waited for, in milliseconds
 * @throws {NotYetError} when the database does not answer, or another region takes too long, or the migration fails
 */
export async function migrateDatabase(
  maas: Pick<Installation, 'region'>,
  connection: DatabaseConnection,
  version: string,
  unit: string,
  patience = MIGRATION_TIMEOUT,
): Promise<void> {
  // What psql starts has an environment that MAAS cannot do with: `region` gives it one of its own.
  // What the migration says goes to the journal, because the pipes of this process break when it dies.
  const script = `${KEEPALIVE}
SET lock_timeout = '${LOCK_TIMEOUT}s';
SELECT FROM pg_advisory_lock(${MIGRATION_LOCK.join(', ')});
CREATE SCHEMA IF NOT EXISTS maas_ha;
CREATE TABLE IF NOT EXISTS maas_ha.migration (
  version text PRIMARY KEY, unit text NOT NULL, finished timestamptz NOT NULL DEFAULT now());
SELECT NOT EXISTS (SELECT FROM maas_ha.migration WHERE version = :'version') AS is_missing \\gset
\\if :is_missing
  \\set has_migrated \`${migrationCommand(maas)}\`
  \\if :has_migrated
    INSERT INTO maas_ha.migration (version, unit) VALUES (:'version', :'unit');
  \\endif
\\endif
`;
  const result = await tryRunUncut([...PSQL, `--set=version=${version}`, `--set=unit=${unit}`], {
    stdin: script,
    env: environment(connection),
    timeout: patience,
  });
  if (!result) throw new NotYetError(`the migration goes on: journalctl -t ${JOURNAL} says how far it is`);
  const { exitCode, stderr } = result;
  if (exitCode === 0 && (await hasMigrated(connection, version))) return;
  const reason =
    exitCode === 0 ? `journalctl -t ${JOURNAL} says why` : lastLines(withoutPassword(stderr, connection), 2);
  throw new NotYetError(`the database could not be migrated, and will be tried again: ${reason}`);
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

/** 1 where a database was migrated to a version. */
const WAS_MIGRATED = `SELECT to_regclass('maas_ha.migration') IS NOT NULL AS is_there \\gset
\\if :is_there
  SELECT count(*) FROM maas_ha.migration WHERE version = :'version';
\\else
  SELECT 0;
\\endif
`;

/** Whether the database was migrated to a version; `undefined` while it does not answer. */
export async function hasMigrated(
  connection: DatabaseConnection,
  version: string,
): Promise<boolean | undefined> {
  const { exitCode, stdout } = await tryRun([...PSQL, `--set=version=${version}`], {
    stdin: WAS_MIGRATED,
    env: environment(connection),
    timeout: QUESTION_TIMEOUT,
  });
  return exitCode === 0 ? stdout.trim() === '1' : undefined;
}

/** What the leader asks the server. */
export interface ServerFacts {
  /** How many connections it allows. */
  readonly connectionLimit: number;
  /** `16` */
  readonly postgresqlVersion: number;
  /** Whether the database was migrated to the MAAS that is installed. */
  readonly hasMigrated: boolean;
  /** How often a new secret was asked for. */
  readonly rotation: number;
}

/** Nothing while the server does not answer. @param installed version of MAAS' packages; empty: none is */
export async function serverFacts(
  connection: DatabaseConnection,
  installed: string,
): Promise<Partial<ServerFacts>> {
  const { exitCode, stdout } = await tryRun([...PSQL, `--set=version=${installed}`], {
    stdin: `SHOW max_connections; SHOW server_version_num;
${WAS_MIGRATED}SELECT to_regclass('maas_ha.rotation') IS NOT NULL AS is_there \\gset
\\if :is_there
  SELECT max(number) FROM maas_ha.rotation;
\\endif
`,
    env: environment(connection),
    timeout: QUESTION_TIMEOUT,
  });
  const [limit = '', version = '', migrated = '', rotation = ''] = stdout.split('\n');
  if (exitCode !== 0 || !/^\d+$/.test(limit) || !/^\d+$/.test(version)) return {};
  return {
    connectionLimit: Number(limit),
    postgresqlVersion: Math.floor(Number(version) / 10_000),
    hasMigrated: migrated === '1',
    rotation: Number(rotation),
  };
}

/**
 * Writes down that MAAS is to have a new secret, where every leader finds it.
 * @param done how often it had one already; another wish for the same is the same
 * @throws {NotYetError} when the database does not answer
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
    throw new NotYetError(
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
    PGAPPNAME: 'maas-ha',
  };
}

function withoutPassword(text: string, { password }: DatabaseConnection): string {
  return text.replaceAll(password.reveal(), '[redacted]');
}
