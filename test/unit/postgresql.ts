import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from '@maas-ha/interfaces/database';
import { execa } from 'execa';
import { Redacted } from 'juju-ts-ops';

const LIBRARY = '/usr/lib/postgresql';

/** A PostgreSQL of this machine's own packages, in a folder of its own, on loopback only. */
export class PostgresqlServer implements AsyncDisposable {
  readonly connection: DatabaseConnection;
  readonly #bin: string;
  readonly #data: string;
  readonly #port: number;

  private constructor(bin: string, data: string, port: number, connection: DatabaseConnection) {
    this.#bin = bin;
    this.#data = data;
    this.#port = port;
    this.connection = connection;
  }

  static async start(): Promise<PostgresqlServer> {
    const [version] = (await readdir(LIBRARY)).toSorted().toReversed();
    if (version === undefined) throw new Error('PostgreSQL is not installed: npm run setup');
    const bin = join(LIBRARY, version, 'bin');
    const data = await mkdtemp(join(tmpdir(), 'postgresql-'));
    // The server refuses to run as root.
    const { stdout: ids } = await execa('id', ['-u', 'postgres']);
    const { stdout: groups } = await execa('id', ['-g', 'postgres']);
    await chown(data, Number(ids), Number(groups));
    const port = await freePort();
    const password = randomBytes(8).toString('hex');
    const server = new PostgresqlServer(bin, data, port, {
      host: '127.0.0.1',
      port,
      database: 'maasdb',
      user: 'maas',
      password: new Redacted(password),
    });
    await server.#as('initdb', [
      '--pgdata',
      data,
      '--auth-host=scram-sha-256',
      '--auth-local=trust',
      '--no-sync',
    ]);
    await writeFile(
      join(data, 'postgresql.conf'),
      `listen_addresses = '127.0.0.1'\nport = ${port}\nunix_socket_directories = '${data}'\nfsync = off\n`,
    );
    await server.run();
    await server.sql(`CREATE ROLE maas LOGIN PASSWORD '${password}'; `, 'postgres');
    await server.sql('CREATE DATABASE maasdb OWNER maas', 'postgres');
    return server;
  }

  async run(): Promise<void> {
    await this.#as('pg_ctl', ['-D', this.#data, '-l', join(this.#data, 'log'), '-w', 'start']);
  }

  async stop(): Promise<void> {
    await this.#as('pg_ctl', ['-D', this.#data, '-w', '-m', 'immediate', 'stop']);
  }

  /** Runs SQL as a superuser and returns its rows, one a line. */
  async sql(sql: string, database = 'maasdb'): Promise<string> {
    const where = ['--host', this.#data, '--port', String(this.#port), '--dbname', database];
    return this.#as('psql', ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', ...where, '-c', sql]);
  }

  /** A connection of MAAS' own from another address than that of this machine's. */
  async connectedElsewhere(name = 'regiond'): Promise<AsyncDisposable & { end(): Promise<void> }> {
    const which = `FROM pg_stat_activity WHERE application_name = '${name}'`;
    const where = ['--host', this.#data, '--port', String(this.#port), '--username', 'maas', '--dbname'];
    const held = this.#as('psql', [
      ...where,
      `dbname=maasdb application_name=${name}`,
      '-c',
      'SELECT pg_sleep(600)',
    ]).catch(() => '');
    while ((await this.sql(`SELECT count(*) ${which}`)) === '0') await sleep(20);
    const end = async (): Promise<void> => {
      await this.sql(`SELECT pg_terminate_backend(pid) ${which}`);
      await held;
    };
    return { end, [Symbol.asyncDispose]: end };
  }

  /** Has whoever needs a table, in such a mode or another, wait until the lock is let go. @returns what lets it go */
  async lock(table: string): Promise<() => Promise<void>> {
    const holder = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    const held = this.sql(`BEGIN; LOCK TABLE ${table}; SELECT pg_sleep(600)`).catch(() => '');
    while ((await this.sql(`SELECT count(*) ${holder}`)) === '0') await sleep(20);
    return async () => {
      await this.sql(`SELECT pg_terminate_backend(pid) ${holder}`);
      await held;
    };
  }

  /** Leaves nothing in the database, of whoever was killed nothing either: PostgreSQL may not have noticed yet. */
  async empty(): Promise<void> {
    await this.sql(
      `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid();
       DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS temporal, temporal_visibility, maas_ha CASCADE;
       CREATE SCHEMA public AUTHORIZATION maas`,
    );
  }

  async #as(program: string, args: readonly string[]): Promise<string> {
    const { stdout } = await execa('runuser', ['-u', 'postgres', '--', join(this.#bin, program), ...args], {
      stdin: 'ignore',
      cwd: '/',
      // A server goes on holding what it got from pg_ctl.
      ...(program === 'pg_ctl' && { stdout: 'ignore', stderr: 'ignore' }),
    });
    return stdout ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
    await rm(this.#data, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
