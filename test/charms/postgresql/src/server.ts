import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { replaceFile, run, tryRun } from '@maas-ha/host';
import { NotYetError, type Redacted } from 'juju-ts-ops';

/** Is there where this server is the primary, or was. */
const PRIMARY_MARK = '/var/lib/postgresql/primary';
const REPLICATOR = 'replicator';

/** `15`; absent until the server is installed. */
export function installedVersion(): string | undefined {
  const [version] = existsSync('/etc/postgresql') ? readdirSync('/etc/postgresql') : [];
  return version;
}

/** The timeline on which this server writes; absent where it is no primary, or does not run. */
export async function timeline(): Promise<number | undefined> {
  if (!existsSync(PRIMARY_MARK) || (await isInRecovery())) return undefined;
  // The first eight digits of a WAL file's name.
  const { exitCode, stdout } = await query('SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)');
  return exitCode === 0 ? Number.parseInt(stdout.trim(), 16) : undefined;
}

export async function isInRecovery(): Promise<boolean> {
  return (await query('SELECT pg_is_in_recovery()')).stdout.trim() === 't';
}

/** Makes the server the one that writes, and lets standbys replicate. The SQL goes over stdin: it has the password. */
export async function becomePrimary(password: Redacted): Promise<void> {
  if (await isInRecovery())
    throw new NotYetError('waiting for a primary: juju run <a unit> promote-to-primary scope=unit');
  await psql(
    'postgres',
    `SELECT 'CREATE ROLE ${REPLICATOR} LOGIN REPLICATION' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${REPLICATOR}') \\gexec
     ALTER ROLE ${REPLICATOR} PASSWORD '${password.reveal()}';`,
  );
  await markPrimary();
}

export async function promote(): Promise<void> {
  const { exitCode } = await query('SELECT pg_promote()');
  if (exitCode !== 0) throw new NotYetError('waiting for the standby to be promoted');
  await markPrimary();
}

/** Replaces the data of this server by those of the primary, and follows it from then on. */
export async function follow(version: string, primary: string, password: Redacted): Promise<void> {
  const data = `/var/lib/postgresql/${version}/main`;
  await rm(PRIMARY_MARK, { force: true });
  await run(['systemctl', 'stop', `postgresql@${version}-main.service`]);
  await rm(data, { recursive: true, force: true });
  await run(
    [
      'runuser',
      '--user=postgres',
      '--',
      'pg_basebackup',
      `--host=${primary}`,
      `--username=${REPLICATOR}`,
      `--pgdata=${data}`,
      '--write-recovery-conf',
      '--checkpoint=fast',
      '--no-password',
    ],
    { env: { PGPASSWORD: password.reveal() } },
  );
  await run(['systemctl', 'start', `postgresql@${version}-main.service`]);
}

export async function psql(database: string, sql: string): Promise<void> {
  await run(['runuser', '-u', 'postgres', '--', 'psql', '-v', 'ON_ERROR_STOP=1', '-q', '-d', database], {
    stdin: sql,
  });
}

function query(sql: string): ReturnType<typeof tryRun> {
  return tryRun(['runuser', '-u', 'postgres', '--', 'psql', '-qAt', '-d', 'postgres', '-c', sql]);
}

async function markPrimary(): Promise<void> {
  await replaceFile({ path: PRIMARY_MARK, content: '', mode: 0o644 });
}
