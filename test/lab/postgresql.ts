// Real PostgreSQL servers on machines of the lab: a primary, and standbys that stream from it.
import { type ChildProcess } from 'node:child_process';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { Lab, Machine } from './lab.ts';

const LIBRARY = '/usr/lib/postgresql';
const SUPERUSER = 'postgres';

/** Who MAAS would be. */
export const CLIENT = { user: 'maas', password: 'dbPassw0rd', database: 'maasdb' };
export const PORT = 5432;

export interface ServerOptions {
  readonly port?: number;
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
}

/** A PostgreSQL on a machine of its own, whose data goes with it. */
export class DatabaseMachine {
  readonly machine: Machine;
  readonly address: string;
  readonly port: number;
  readonly #bin: string;
  readonly #data: string;
  readonly #options: ServerOptions;
  #server: ChildProcess | undefined;

  private constructor(machine: Machine, address: string, options: ServerOptions, bin: string, data: string) {
    this.machine = machine;
    this.address = address;
    this.port = options.port ?? PORT;
    this.#options = options;
    this.#bin = bin;
    this.#data = data;
  }

  /** A primary with the client's role and database. */
  static async primary(
    lab: Lab,
    name: string,
    address: string,
    options: ServerOptions = {},
  ): Promise<DatabaseMachine> {
    const server = await DatabaseMachine.#prepare(lab, name, address, options);
    await server.#as('initdb', [
      '--pgdata',
      server.#data,
      '--auth=scram-sha-256',
      '--auth-local=trust',
      '--no-sync',
    ]);
    await server.#configure();
    await server.run();
    await server.sql(`CREATE ROLE ${CLIENT.user} LOGIN PASSWORD '${CLIENT.password}'`, 'postgres');
    await server.sql(`CREATE DATABASE ${CLIENT.database} OWNER ${CLIENT.user}`, 'postgres');
    return server;
  }

  /** A standby that streams from a server. @param options what it has differently from it */
  static async standbyOf(
    lab: Lab,
    name: string,
    address: string,
    primary: DatabaseMachine,
    options: ServerOptions = {},
  ): Promise<DatabaseMachine> {
    const server = await DatabaseMachine.#prepare(lab, name, address, options);
    await server.#copyOf(primary);
    await server.run();
    return server;
  }

  /** Starts the server, and waits until it answers. */
  async run(): Promise<void> {
    this.start();
    while (!(await this.answers())) {
      await sleep(50);
      // What an earlier one that was killed had in memory may not be free yet.
      if (this.#server?.exitCode !== null) this.start();
    }
  }

  start(): void {
    const user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'];
    this.#server = this.machine.spawn([...user, join(this.#bin, 'postgres'), '-D', this.#data]);
  }

  async answers(): Promise<boolean> {
    return (await this.machine.try([...this.#psql('postgres'), 'SELECT 1'])).exitCode === 0;
  }

  /** As if it had crashed. */
  async kill(): Promise<void> {
    await this.machine.signal('postgres', 'SIGKILL');
    this.#server = undefined;
  }

  /** A stop that ends all sessions, as a planned switchover has it. */
  async stop(): Promise<void> {
    if (this.#server) await this.#as('pg_ctl', ['-D', this.#data, '-w', '-m', 'fast', 'stop']);
    this.#server = undefined;
  }

  /** Has a standby write. */
  async promote(): Promise<void> {
    await this.sql('SELECT pg_promote()', 'postgres');
  }

  /** Has a standby that is stopped forget that it is one: it goes on, on the same timeline, as a primary. */
  async unmark(): Promise<void> {
    await rm(join(this.#data, 'standby.signal'));
  }

  /** Has it offer TLS. @param tls in PEM */
  async useTls({ certificate, key }: { certificate: string; key: string }): Promise<void> {
    for (const [name, content] of [
      ['server.crt', certificate],
      ['server.key', key],
    ] as const) {
      const path = join(this.#data, name);
      await this.machine.write(path, content, 0o600);
      await this.machine.run(['chown', 'postgres:postgres', path]);
    }
    await this.sql('ALTER SYSTEM SET ssl = on');
    await this.sql('SELECT pg_reload_conf()');
  }

  /** Makes of a server that was primary a standby of another, as `pg_rewind` does. */
  async rejoin(primary: DatabaseMachine): Promise<void> {
    await this.stop();
    await this.#copyOf(primary);
    await this.run();
  }

  /** Runs SQL as a superuser and returns its rows, one a line. */
  async sql(sql: string, database = CLIENT.database): Promise<string> {
    return this.machine.run([...this.#psql(database), sql]);
  }

  async remove(): Promise<void> {
    await this.machine.kill();
    await rm(this.#data, { recursive: true, force: true });
  }

  static async #prepare(
    lab: Lab,
    name: string,
    address: string,
    options: ServerOptions,
  ): Promise<DatabaseMachine> {
    const [version] = (await readdir(LIBRARY)).toSorted().toReversed();
    if (version === undefined) throw new Error('PostgreSQL is not installed: node test/setup.mjs tests');
    const data = await mkdtemp(join(tmpdir(), 'postgresql-'));
    const [{ stdout: user }, { stdout: group }] = await Promise.all([
      execa('id', ['-u', SUPERUSER]),
      execa('id', ['-g', SUPERUSER]),
    ]);
    await chown(data, Number(user), Number(group));
    const machine = await lab.machine(name, [`${address}/24`]);
    return new DatabaseMachine(machine, address, options, join(LIBRARY, version, 'bin'), data);
  }

  async #copyOf(primary: DatabaseMachine): Promise<void> {
    await this.machine.run(['find', this.#data, '-mindepth', '1', '-delete']);
    const upstream = `host=${primary.address} port=${primary.port} user=${SUPERUSER}`;
    const how = ['--checkpoint=fast', '--wal-method=stream', '--no-sync'];
    await this.#as('pg_basebackup', ['--dbname', upstream, '--pgdata', this.#data, ...how]);
    await writeFile(join(this.#data, 'standby.signal'), '');
    await writeFile(join(this.#data, 'postgresql.auto.conf'), `primary_conninfo = '${upstream}'\n`);
    await this.#configure();
  }

  async #configure(): Promise<void> {
    const { settings = [] } = this.#options;
    const lines = [
      `listen_addresses = '*'`,
      `port = ${this.port}`,
      `unix_socket_directories = '${this.#data}'`,
      'fsync = off',
      ...settings,
    ];
    await writeFile(join(this.#data, 'postgresql.conf'), `${lines.join('\n')}\n`);
    await writeFile(
      join(this.#data, 'pg_hba.conf'),
      `local all all trust\nhost replication ${SUPERUSER} all trust\nhost all all all scram-sha-256\n`,
    );
  }

  #psql(database: string): string[] {
    const where = ['--host', this.#data, '--port', String(this.port), '--dbname', database];
    return ['psql', '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-U', SUPERUSER, ...where, '-c'];
  }

  #as(program: string, args: readonly string[]): Promise<string> {
    return this.machine.run(['runuser', '-u', SUPERUSER, '--', join(this.#bin, program), ...args]);
  }
}
