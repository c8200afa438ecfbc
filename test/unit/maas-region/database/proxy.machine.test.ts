// A region and its databases, real ones, in namespaces: where what MAAS writes goes when servers come and go.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readReport } from '../../../../charms/maas-region/src/database/proxy/report.ts';
import { LOCAL } from '../../../../charms/maas-region/src/database/proxy/route.ts';
import { Lab, type Machine } from '../../../lab/lab.ts';
import { MemoryGroup } from '../../../lab/memory.ts';
import { CLIENT, DatabaseMachine, PORT } from '../../../lab/postgresql.ts';
import { describeOnMachines } from '../../../machines.ts';
import { until } from '../../../lab/vip.ts';

const SERVICE = join(import.meta.dirname, '../../../lab/database-proxy.ts');
const [A, B] = ['10.9.0.1', '10.9.0.2'];

describeOnMachines('the service that follows the primary', () => {
  let lab: Lab;
  let region: Machine;
  let folder: string;
  let primary: DatabaseMachine;
  let standby: DatabaseMachine;

  // Each test has machines of its own: a new one at an old address would be looked for where that was.
  beforeEach(async () => {
    lab = await Lab.start();
    region = await lab.machine('region', ['10.9.0.9/24']);
    folder = await mkdtemp(join(tmpdir(), 'database-proxy-'));
    primary = await DatabaseMachine.primary(lab, 'db1', A);
    standby = await DatabaseMachine.standbyOf(lab, 'db2', B, primary);
    await primary.sql('CREATE TABLE written (server text, number serial); ALTER TABLE written OWNER TO maas');
    await configure();
    start();
    await until(async () => (await report())?.current?.host === A);
  }, 120_000);
  afterEach(async () => {
    await Promise.all([primary, standby].map((server) => server.remove()));
    await lab.stop();
    await rm(folder, { recursive: true });
  }, 60_000);

  /** @param more what differs from an ordinary configuration */
  async function configure(more: object = {}): Promise<void> {
    await mkdir(folder, { recursive: true });
    const named = [A, B].map((host) => ({ host, port: PORT }));
    const config = { relation: 4, ...CLIENT, named, former: [], metricsPort: 9543, ...more };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  }

  function start(): void {
    region.spawn([process.execPath, SERVICE, folder]);
  }

  const report = () => readReport(join(folder, 'report.json'));

  /** What MAAS would get that writes now. */
  async function write(): Promise<{ exitCode: number; output: string }> {
    const url = `postgresql://${CLIENT.user}:${CLIENT.password}@${LOCAL.host}/${CLIENT.database}?connect_timeout=3`;
    const sql = 'INSERT INTO written (server) VALUES (host(inet_server_addr())) RETURNING server';
    return region.try(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', url, '-c', sql]);
  }
  const writesTo = async (address: string): Promise<boolean> => {
    const { exitCode, output } = await write();
    return exitCode === 0 && output === address;
  };

  /** A session that listens, as every regiond has one. @returns what waits for its end */
  async function listen(): Promise<() => Promise<void>> {
    const url = `postgresql://${CLIENT.user}:${CLIENT.password}@${LOCAL.host}/${CLIENT.database}`;
    // It asks nothing more: only a connection that is cut tells it.
    const script =
      'import psycopg2,select,sys; c=psycopg2.connect(sys.argv[1]); c.cursor().execute("LISTEN x"); print("listens",flush=True); select.select([c],[],[]); c.poll()';
    const session = region.spawnPiped(['/usr/bin/python3', '-c', script, url]);
    const ended = once(session, 'exit');
    await once(session.stdout, 'data');
    return async () => void (await ended);
  }

  test('the primary dies and its standby is promoted: writes go there, and it says so', async () => {
    expect(await writesTo(A)).toBe(true);
    await primary.kill();
    await standby.promote();
    await until(() => writesTo(B));
    // It says so once the kernel has been told.
    await until(async () => (await report())?.current?.host === B);
    const said = await report();
    expect(said).toMatchObject({ relation: 4, current: { host: B, timeline: 2 } });
    expect(said?.problem).toBeUndefined();
  }, 60_000);

  test('who only listens is cut as well, and an old primary that comes back is left alone', async () => {
    const cut = await listen();
    await primary.machine.signal('postgres', 'SIGSTOP');
    await standby.promote();
    await until(() => writesTo(B));
    await cut();
    await primary.machine.signal('postgres', 'SIGCONT');
    await until(
      async () => (await report())?.problem?.startsWith(`${A} says that it is the primary too`) ?? false,
    );
    expect(await writesTo(B)).toBe(true);
    // The new one goes as well: what it has written, the old one has not.
    await standby.kill();
    await until(async () => (await report())?.problem?.includes('start that one') ?? false);
    expect((await write()).exitCode).not.toBe(0);
    await standby.run();
    await until(() => writesTo(B));
    await primary.rejoin(standby);
    await until(async () => (await report())?.problem === undefined);
  }, 120_000);

  test('Juju runs a hook once the database has other extensions than those that a unit is stopped by', async () => {
    const [programs, told] = [join(folder, 'programs'), join(folder, 'told')];
    await mkdir(programs);
    await writeFile(join(programs, 'systemd-run'), `#!/bin/sh\necho "$@" >>${told}\n`, { mode: 0o755 });
    await configure({ stopped: { unit: 'maas-region/0', extensions: ['plpgsql'] } });
    await region.signal('database-proxy', 'SIGKILL');
    await rm(join(folder, 'report.json'));
    region.spawn(['env', `PATH=${programs}:${process.env['PATH']}`, process.execPath, SERVICE, folder]);
    await until(async () => (await report())?.current?.host === A);
    expect(existsSync(told)).toBe(false);
    await primary.sql('CREATE EXTENSION btree_gin');
    await until(() => Promise.resolve(existsSync(told)));
    expect(await readFile(told, 'utf8')).toBe(
      '--quiet --collect --no-block /usr/bin/juju-exec maas-region/0 JUJU_DISPATCH_PATH=hooks/update-status ./dispatch\n',
    );
  }, 60_000);

  test('two primaries of one timeline: nobody is written to', async () => {
    // What somebody does who makes a standby write by hand.
    await standby.stop();
    await standby.unmark();
    await standby.run();
    await until(async () => (await report())?.isUndecided ?? false);
    expect((await report())?.problem).toBe(
      `${A} and ${B} both say that they are the primary: stop the wrong one`,
    );
    expect((await write()).output).toContain('refused');
    await standby.stop();
    await until(() => writesTo(A));
  }, 60_000);

  test('the service is killed or hangs: writes go on; its rules are flushed: it writes them again', async () => {
    await region.signal('database-proxy', 'SIGSTOP');
    expect(await writesTo(A)).toBe(true);
    await region.signal('database-proxy', 'SIGKILL');
    const held = await listen();
    expect(await writesTo(A)).toBe(true);
    start();
    await until(
      async () => (await region.try(['curl', '-sf', 'http://127.0.0.1:9543/metrics'])).exitCode === 0,
    );
    const metrics = await region.run(['curl', '-s', 'http://127.0.0.1:9543/metrics']);
    expect(metrics).toContain('maas_database_writable 1\n');
    expect(metrics).toContain(`maas_database_primary{server="${A}"} 1\n`);
    await region.run(['nft', 'flush', 'ruleset']);
    await until(() => writesTo(A));
    await standby.promote();
    await until(() => writesTo(B));
    await held();
  }, 60_000);

  test('the service runs out of memory: the kernel ends it, and writes go on until it runs again', async () => {
    const held = await listen();
    await region.signal('database-proxy', 'SIGKILL');
    const group = await MemoryGroup.make(`database-proxy-${process.pid}`, 256 * MB);
    let gluttons: readonly ReturnType<Machine['spawnPiped']>[] = [];
    try {
      // As its unit has it, it goes before others.
      region.spawn(group.with(['choom', '--adjust', '500', '--', process.execPath, SERVICE, folder]));
      await until(
        async () => (await region.try(['curl', '-sf', 'http://127.0.0.1:9543/metrics'])).exitCode === 0,
      );
      // They take nearly all that there is; the kernel may end one of them as well.
      const glutton = ['/usr/bin/python3', '-c', `import sys; b = b"x" * ${116 * MB}; sys.stdin.read()`];
      gluttons = [1, 2].map(() => region.spawnPiped(group.with(glutton)));
      await until(async () => (await region.try(['pgrep', '--exact', 'database-proxy'])).exitCode !== 0);
      expect(await group.killed()).toBeGreaterThan(0);
      expect(await writesTo(A)).toBe(true);
    } finally {
      for (const one of gluttons) one.stdin.destroy();
      // Where it lives on, the test has failed already.
      await region.signal('database-proxy', 'SIGKILL').catch(() => undefined);
      await group.remove();
    }
    start();
    await standby.promote();
    await until(() => writesTo(B));
    await held();
  }, 60_000);

  test('a new password is used without a connection being cut; the old one is no reason to leave the primary', async () => {
    const url = `postgresql://${CLIENT.user}:${CLIENT.password}@${LOCAL.host}/${CLIENT.database}`;
    const session = region.spawnPiped(['psql', '-XAtq', url]);
    const answers = createInterface({ input: session.stdout })[Symbol.asyncIterator]();
    const ask = async (): Promise<unknown> => {
      session.stdin.write('SELECT pg_backend_pid();\n');
      return (await answers.next()).value;
    };
    const backend = await ask();
    await primary.sql("ALTER ROLE maas PASSWORD 'another'");
    await region.signal('database-proxy', 'SIGKILL');
    start();
    await until(async () => (await report())?.problem?.includes('password authentication failed') ?? false);
    expect((await report())?.current?.host).toBe(A);
    await region.signal('database-proxy', 'SIGKILL');
    await configure({ password: 'another' });
    start();
    await until(async () => (await report())?.problem === undefined);
    expect(await ask()).toBe(backend);
    session.kill();
  }, 60_000);

  test('the certificate of a server is checked against the CA of the relation', async () => {
    await region.signal('database-proxy', 'SIGKILL');
    const [ours, other] = [await authority('ours'), await authority('other')];
    await primary.useTls(await ours.sign(A));
    await configure({ authority: other.certificate });
    start();
    await until(async () => (await report())?.problem?.includes('certificate') ?? false);
    await region.signal('database-proxy', 'SIGKILL');
    await configure({ authority: ours.certificate });
    start();
    await until(async () => (await report())?.problem === undefined);
    const encrypted = `SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'maas-ha-database-proxy'`;
    expect(await primary.sql(encrypted)).toBe('t');
  }, 60_000);

  /** A CA of its own, and what signs the certificate of a server. */
  async function authority(name: string): Promise<{
    readonly certificate: string;
    readonly sign: (address: string) => Promise<{ certificate: string; key: string }>;
  }> {
    const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    const fresh = ['openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj'];
    await region.run([...fresh, `/CN=${name}`, '-x509', '-days', '2', '-keyout', key, '-out', certificate]);
    return {
      certificate: await readFile(certificate, 'utf8'),
      sign: async (address) => {
        const [own, request] = [join(folder, 'server.key'), join(folder, 'server.csr')];
        await region.run([...fresh, `/CN=${address}`, '-keyout', own, '-out', request]);
        const by = ['-CA', certificate, '-CAkey', key, '-CAcreateserial', '-days', '2'];
        const signed = await region.run(['openssl', 'x509', '-req', '-in', request, ...by]);
        return { certificate: `${signed}\n`, key: await readFile(own, 'utf8') };
      },
    };
  }

  test('a PostgreSQL of the machine holds 5432 itself, and is not taken for the database', async () => {
    const own = region.spawnPiped(['python3', '-c', OCCUPANT]);
    await once(own.stdout, 'data');
    expect(await writesTo(A)).toBe(true);
    own.kill();
  }, 60_000);

  test('PgBouncer in front of a server is asked as the server would be', async () => {
    const [ini, users] = ['/run/pgbouncer.ini', '/run/users.txt'];
    await primary.machine.write(users, `"${CLIENT.user}" "${CLIENT.password}"\n`);
    await primary.machine.write(
      ini,
      `[databases]\n* = host=${A} port=${PORT}\n[pgbouncer]\nlisten_addr = *\nlisten_port = 6432\nauth_type = plain\nauth_file = ${users}\npool_mode = session\nunix_socket_dir =\n`,
    );
    primary.machine.spawn(['pgbouncer', '--user=postgres', ini]);
    await region.signal('database-proxy', 'SIGKILL');
    await region.run(['nft', 'flush', 'ruleset']);
    await configure({ relation: 5, named: [{ host: A, port: 6432 }] });
    start();
    await until(async () => (await report())?.current?.port === 6432);
    expect(await writesTo(A)).toBe(true);
  }, 60_000);

  test('PgBouncer on the region itself, as its charm has it: sessions pass, and it goes where it is told', async () => {
    const [ini, users] = ['/run/pgbouncer.ini', '/run/users.txt'];
    const tell = (host: string): Promise<void> =>
      region.write(
        ini,
        `[databases]\n* = host=${host} port=${PORT}\n[pgbouncer]\nlisten_addr = localhost\nlisten_port = 6432\nauth_type = plain\nauth_file = ${users}\npool_mode = session\nunix_socket_dir =\n`,
      );
    await region.write(users, `"${CLIENT.user}" "${CLIENT.password}"\n`);
    await tell(A);
    region.spawn(['pgbouncer', '--user=postgres', ini]);
    const url = `postgresql://${CLIENT.user}:${CLIENT.password}@localhost:6432/${CLIENT.database}?connect_timeout=3`;
    const ask = async (sql: string): Promise<string> =>
      (await region.try(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', url, '-c', sql])).output;
    await until(async () => (await ask('INSERT INTO written (server) VALUES (1) RETURNING 1')) === '1');
    // What MAAS needs of a session.
    expect(await ask('LISTEN x; SELECT pg_try_advisory_lock(20120116); NOTIFY x')).toMatch(
      /^t\nAsynchronous notification "x" received/,
    );
    await primary.kill();
    await standby.promote();
    await tell(B);
    await region.signal('pgbouncer', 'SIGHUP');
    await until(async () => (await ask('SELECT host(inet_server_addr())')) === B);
    expect(await ask('INSERT INTO written (server) VALUES (2) RETURNING 2')).toBe('2');
  }, 60_000);
});

const MB = 1024 * 1024;
const OCCUPANT =
  'import socket,time; s=socket.socket(); s.bind(("0.0.0.0",5432)); s.listen(); print("listens",flush=True); time.sleep(600)';
