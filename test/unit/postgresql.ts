import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from '@jest/globals';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { execa } from 'execa';
import { Redacted } from 'juju-ts-ops';

const LIBRARY = '/usr/lib/postgresql';

/** The PostgreSQL of the tests of a file, or of a block, for as long as they run. */
export function postgresqlServer(): PostgresqlServer {
  const server = new PostgresqlServer();
  beforeAll(() => server.start());
  afterAll(() => server.remove());
  return server;
}

/** A PostgreSQL of this machine's own packages, in a folder of its own, on loopback only. */
export class PostgresqlServer {
  #bin = '';
  #data = '';
  #port = 0;
  readonly #password = new Redacted(randomBytes(8).toString('hex'));

  /** How MAAS logs in. */
  get connection(): DatabaseConnection {
    return {
      host: '127.0.0.1',
      port: this.#port,
      database: 'maasdb',
      user: 'maas',
      password: this.#password,
    };
  }

  async start(): Promise<void> {
    const [version] = (await readdir(LIBRARY)).toSorted().toReversed();
    if (version === undefined) throw new Error('PostgreSQL is not installed: npm run setup');
    this.#bin = join(LIBRARY, version, 'bin');
    this.#data = await mkdtemp(join(tmpdir(), 'postgresql-'));
    this.#port = await freePort();
    // The server refuses to run as root.
    const { stdout: ids } = await execa('id', ['-u', 'postgres']);
    const { stdout: groups } = await execa('id', ['-g', 'postgres']);
    await chown(this.#data, Number(ids), Number(groups));
    const auth = ['--auth-host=scram-sha-256', '--auth-local=trust'];
    await this.#as('initdb', ['--pgdata', this.#data, ...auth, '--no-sync']);
    await writeFile(
      join(this.#data, 'postgresql.conf'),
      `listen_addresses = '127.0.0.1'\nport = ${this.#port}\nunix_socket_directories = '${this.#data}'\nfsync = off\n`,
    );
    await this.run();
    await this.sql(`CREATE ROLE maas LOGIN PASSWORD '${this.#password.reveal()}'; `, 'postgres');
    await this.sql('CREATE DATABASE maasdb OWNER maas', 'postgres');
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

  async remove(): Promise<void> {
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
