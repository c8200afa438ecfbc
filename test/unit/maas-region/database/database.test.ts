// What the regions settle among themselves in the database, on a real PostgreSQL.
import { beforeEach, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEB } from '@maas-ha/maas';
import { execa } from 'execa';
import { Redacted } from 'juju-ts-ops';
import {
  askForRotation,
  connectionsNeeded,
  hasMigrated,
  migrateDatabase,
  serverFacts,
} from '../../../../charms/maas-region/src/database/database.ts';
import { OWN_SESSIONS } from '../../../../charms/maas-region/src/database/sessions.ts';
import { DoubleHost } from '../../maas-double/host.ts';
import { postgresqlServer } from '../../postgresql.ts';
import { programsOnPath } from '../../programs.ts';

const server = postgresqlServer();
const programs = programsOnPath();

beforeEach(async () => {
  await programs.program('systemd-cat', 'shift; exec "$@"');
  await dbupgrade('sleep 0.3');
  await server.sql('DROP SCHEMA IF EXISTS maas_ha CASCADE');
});

/** A migration that writes down when it begins and ends, its arguments and its environment. */
async function dbupgrade(script: string): Promise<void> {
  await programs.program(
    'maas-region',
    `echo "begin $*" >>${programs.folder}/log; ${script}; code=$?; echo "end $code" >>${programs.folder}/log; exit $code`,
  );
}

async function logged(): Promise<readonly string[]> {
  const text = await readFile(join(programs.folder, 'log'), 'utf8').catch(() => '');
  return text.trim().split('\n').filter(Boolean);
}

const ONCE = ['begin dbupgrade', 'end 0'];
/** A migration that lasts until the test says so. */
const UNTIL_TOLD = 'd="$(dirname "$0")"; while [ -d "$d" ] && [ ! -e "$d/go-on" ]; do sleep 0.1; done';
/** How many wait for the lock of another migration. */
const WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

test('one migration, however many regions ask for it at once', async () => {
  const units = ['maas-region/0', 'maas-region/1', 'maas-region/2'];
  await Promise.all(units.map((unit) => migrateDatabase(DEB, server.connection, '3.7', unit)));
  expect(await logged()).toEqual(ONCE);
  expect(await hasMigrated(server.connection, '3.7')).toBe(true);
  expect((await serverFacts(server.connection, '3.7')).hasMigrated).toBe(true);
});

test('the database remembers its migrations, so that a leader who knows of none migrates nothing', async () => {
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/1');
  expect(await logged()).toEqual(ONCE);
});

describe('a region that Juju says has gone, and that runs on', () => {
  test(
    'keeps the database from being migrated, and is named',
    async () => {
      await using region = await server.connectedElsewhere();
      const migration = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
      await expect(migration).rejects.toMatchObject({
        remedy: 'retry',
        message: expect.stringContaining('MAAS still runs at the database server, stop it there'),
      });
      expect(await logged()).toEqual([]);
      await region.end();
      await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
      expect(await logged()).toEqual(ONCE);
    },
    2 * 60_000,
  );

  test('is not taken for one that only looks for the primary: every region does', async () => {
    await using _checker = await server.connectedElsewhere(OWN_SESSIONS.checker);
    await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
    expect(await logged()).toEqual(ONCE);
  });

  test('is waited for while it stops', async () => {
    await using region = await server.connectedElsewhere();
    const migration = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
    await sleep(1000);
    expect(await logged()).toEqual([]);
    await region.end();
    await migration;
    expect(await logged()).toEqual(ONCE);
  });
});

test('another version migrates again', async () => {
  await migrateDatabase(DEB, server.connection, '3.6', 'maas-region/0');
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  expect(await logged()).toEqual([...ONCE, ...ONCE]);
});

test('a database that was restored since is migrated again, whatever is written down in it', async () => {
  await server.sql(
    'CREATE TABLE django_migrations (app text, name text); ALTER TABLE django_migrations OWNER TO maas',
  );
  const migrate = (): Promise<void> => migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  try {
    await dbupgrade(
      `echo "INSERT INTO django_migrations VALUES ('maasserver', '0001')" | PGPASSWORD=${server.connection.password.reveal()} psql -qX -h 127.0.0.1 -p ${server.connection.port} -U maas maasdb`,
    );
    await migrate();
    expect(await hasMigrated(server.connection, '3.7')).toBe(true);
    await server.sql('TRUNCATE django_migrations');
    expect(await hasMigrated(server.connection, '3.7')).toBe(false);
    expect(await serverFacts(server.connection, '3.7')).toMatchObject({ hasMigrated: false, isEmpty: false });
    await migrate();
    expect(await logged()).toEqual([...ONCE, ...ONCE]);
    expect(await hasMigrated(server.connection, '3.7')).toBe(true);
  } finally {
    await server.sql('DROP TABLE django_migrations');
  }
});

test('a migration that fails is tried again, and counts only once it has succeeded', async () => {
  await dbupgrade('false');
  const failed = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  await expect(failed).rejects.toMatchObject({ remedy: 'retry' });
  await expect(failed).rejects.toThrow('journalctl -t maas-dbupgrade');
  expect(await hasMigrated(server.connection, '3.7')).toBe(false);
  expect((await serverFacts(server.connection, '3.7')).hasMigrated).toBe(false);
  await dbupgrade('true');
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  expect(await hasMigrated(server.connection, '3.7')).toBe(true);
});

/** A hook that migrates, in a process group of its own as Juju starts it. */
function hook(timeout: number) {
  return execa(process.execPath, ['--input-type=module'], {
    input: `import { Redacted } from 'juju-ts-ops';
        import { DEB } from '@maas-ha/maas';
        import { migrateDatabase } from '${import.meta.dirname}/../../../../charms/maas-region/src/database/database.ts';
        const connection = { ...${JSON.stringify(server.connection)}, password: new Redacted('${server.connection.password.reveal()}') };
        await migrateDatabase(DEB, connection, '3.7', 'maas-region/0', { timeout: ${timeout} });`,
    reject: false,
    cwd: join(import.meta.dirname, '../../../..'),
    detached: true,
  });
}

async function begun(): Promise<void> {
  while ((await logged()).length === 0) await sleep(50);
}

/** Has the migrations that are under way end. */
const goOn = (): Promise<void> => writeFile(join(programs.folder, 'go-on'), '');

test.each(['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
  'a hook and its process group get %s: the migration goes on, and nobody begins another one beside it',
  async (signal) => {
    await dbupgrade(UNTIL_TOLD);
    const holder = hook(60_000);
    await begun();
    if (holder.pid === undefined) throw new Error('the hook did not start');
    process.kill(-holder.pid, signal);
    await holder;
    const next = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/1');
    while ((await server.sql(WAITING)) === '0') await sleep(50);
    await goOn();
    await next;
    expect(await logged()).toEqual(ONCE);
    expect(await server.sql('SELECT unit FROM maas_ha.migration')).toBe('maas-region/0');
  },
);

test('a hook that waits no longer leaves the migration to go on, and the next one waits for it', async () => {
  await dbupgrade(UNTIL_TOLD);
  const { stderr } = await hook(500);
  expect(stderr).toContain('the migration goes on');
  await begun();
  const next = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/1');
  while ((await server.sql(WAITING)) === '0') await sleep(50);
  await goOn();
  await next;
  expect(await logged()).toEqual(ONCE);
});

test('psql is killed: the migration dies with it, so that the next one is alone', async () => {
  await dbupgrade(UNTIL_TOLD);
  await programs.program('psql', `echo $$ >>${programs.folder}/pids; exec /usr/bin/psql "$@"`);
  const cut = migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  void cut.catch(() => undefined);
  await begun();
  const pids = (await readFile(join(programs.folder, 'pids'), 'utf8')).trim().split('\n');
  process.kill(Number(pids[0]), 'SIGKILL');
  await expect(cut).rejects.toMatchObject({ remedy: 'retry' });
  await goOn();
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/1');
  expect(await logged()).toEqual(['begin dbupgrade', ...ONCE]);
});

test.each(['3.4', '3.7'])(
  'MAAS %s itself is migrated, whatever psql gives to what it starts',
  async (version) => {
    await using host = await DoubleHost.make(version, 'region-0', '127.0.7.59');
    await host.configure(server.connection);
    await programs.program('maas-region', `exec ${await host.commands()}/maas-region "$@"`);
    await programs.program('systemd-cat', `shift; exec "$@" >>${programs.folder}/log 2>&1`);
    await server.empty();
    await expect(migrateDatabase(DEB, server.connection, version, 'maas-region/0')).resolves.toBeUndefined();
  },
);

test('a migration is given nothing of the environment of psql, nor of the hook', async () => {
  await dbupgrade(`env >${programs.folder}/environment`);
  process.env['MAAS_URL'] = 'http://elsewhere';
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0').finally(
    () => delete process.env['MAAS_URL'],
  );
  const names = (await readFile(join(programs.folder, 'environment'), 'utf8'))
    .split('\n')
    .flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
  // The last three are the shell's own.
  const known = ['PATH', 'HOME', 'LC_ALL', 'PWD', 'SHLVL', '_'];
  expect(names).toContain('HOME');
  expect(names.filter((name) => !known.includes(name))).toEqual([]);
});

test('a database that does not answer, or lets nobody in, is waited for', async () => {
  const wrong = { ...server.connection, password: new Redacted('wrong') };
  const refused = migrateDatabase(DEB, wrong, '3.7', 'maas-region/0');
  await expect(refused).rejects.toMatchObject({ remedy: 'retry' });
  await expect(refused).rejects.toThrow('password authentication failed');
  const nobody = { ...server.connection, port: 1 };
  await expect(migrateDatabase(DEB, nobody, '3.7', 'maas-region/0')).rejects.toMatchObject({
    remedy: 'retry',
  });
  expect(await hasMigrated(nobody, '3.7')).toBeUndefined();
  expect(await serverFacts(nobody, '3.7')).toEqual({ refusal: 'Connection refused' });
  expect(await logged()).toEqual([]);
});

test('the password is in no argument list while psql runs', async () => {
  await programs.program(
    'psql',
    `tr '\\0' ' ' </proc/$$/cmdline >>${programs.folder}/log; exec /usr/bin/psql "$@"`,
  );
  await migrateDatabase(DEB, server.connection, '3.7', 'maas-region/0');
  const text = (await logged()).join('\n');
  expect(text).toContain('--set=version=3.7');
  expect(text).not.toContain(server.connection.password.reveal());
});

test('a new secret that is asked for twice before it is there is one', async () => {
  expect((await serverFacts(server.connection, '3.7')).rotation).toBe(0);
  await askForRotation(server.connection, 0, 'maas-region/0');
  await askForRotation(server.connection, 0, 'maas-region/1');
  expect((await serverFacts(server.connection, '3.7')).rotation).toBe(1);
  await askForRotation(server.connection, 1, 'maas-region/1');
  expect((await serverFacts(server.connection, '3.7')).rotation).toBe(2);
});

test('the number of connections, and the version of PostgreSQL', async () => {
  const { connectionLimit, postgresqlVersion = 0 } = await serverFacts(server.connection, '3.7');
  expect(connectionLimit).toBe(100);
  expect(await server.sql('SHOW server_version')).toMatch(new RegExp(`^${postgresqlVersion}\\.`));
  expect([1, 2, 3, 5].map((regions) => connectionsNeeded(regions, 4))).toEqual([100, 110, 160, 260]);
  expect(connectionsNeeded(3, 10)).toBe(358);
});
