// The stand-in does what the real MAAS 3.4 was seen to do: it exists to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { authorization, DEB, MaasApi } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { parse } from 'yaml';
import { forgetRack, insist } from '../../../charms/maas-region/src/cluster/controllers.ts';
import { dhcpConfigurer } from '../../../charms/maas-region/src/racks/dhcp.ts';
import { type DoubleHost, until } from './host.ts';
import { doubleHosts } from './hosts.ts';

const doubles = doubleHosts();

async function machine(number: number, version = '3.4'): Promise<DoubleHost> {
  const host = await doubles.make(version, `region-${number}`, `127.0.7.${number}`);
  await host.configure(doubles.server.connection);
  return host;
}

async function migrated(number = 1, version = '3.4'): Promise<DoubleHost> {
  const host = await machine(number, version);
  expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
  return host;
}

async function api(host: DoubleHost): Promise<MaasApi> {
  await host.region(['createadmin', '--username', 'admin', '--email', 'a@example.com'], {
    input: 'p\np\n\n',
  });
  return new MaasApi({ host: host.address, port: 5240 }, await keyOf(host));
}

async function keyOf(host: DoubleHost): Promise<Redacted> {
  return new Redacted((await host.region(['apikey', '--username', 'admin'])).stdout);
}

test('every address of a region is static in MAAS, and is of the one that told of it last', async () => {
  const hosts = [await migrated(1, '3.7'), await machine(2, '3.7')] as const;
  const VIRTUAL = '127.0.7.200';
  const holds = async (host: DoubleHost, addresses: string): Promise<void> =>
    host.write(
      'etc/maas/double.conf',
      `${(await host.read('etc/maas/double.conf')).replace(/^addresses:.*\n/m, '')}addresses: [${addresses}]\n`,
    );
  await holds(hosts[0], VIRTUAL);
  for (const [index, host] of hosts.entries()) await host.serve(`region-${index + 1}`);
  const maas = await api(hosts[0]);
  const known = async (): Promise<readonly (readonly string[])[]> =>
    (await maas.regionControllers()).map(({ ip_addresses }) => ip_addresses);
  await until(known, (now) => JSON.stringify(now) === `[["127.0.7.1","${VIRTUAL}"],["127.0.7.2"]]`);
  // Whoever held it may be dead, and tell of nothing.
  await holds(hosts[1], VIRTUAL);
  await until(known, (now) => JSON.stringify(now) === `[["127.0.7.1"],["127.0.7.2","${VIRTUAL}"]]`);
});

describe('dbupgrade', () => {
  test('two at once: exactly one fails, on an empty database and on a migrated one', async () => {
    const regions = [await machine(1), await machine(2)];
    for (const state of ['empty', 'migrated']) {
      // The one that comes first waits, in what it does next, until the other one has come as well.
      const next = state === 'empty' ? 'pg_class IN SHARE MODE' : 'double_migration';
      const unlock = await doubles.server.lock(next);
      const runs = regions.map((host) => host.region(['dbupgrade']));
      await Promise.race(runs);
      await unlock();
      const ends = await Promise.all(runs);
      expect(new Set(ends.map(({ exitCode }) => exitCode))).toEqual(new Set([0, 1]));
      expect(ends.find(({ exitCode }) => exitCode === 1)?.stderr).toContain('tuple concurrently updated');
      expect(ends.find(({ exitCode }) => exitCode === 0)?.stdout).toContain(
        state === 'empty' ? '0001_initial' : 'No migrations to apply.',
      );
    }
  });

  test('a second run applies nothing; an older MAAS refuses', async () => {
    const host = await migrated();
    expect((await host.region(['dbupgrade'])).stdout).toContain('No migrations to apply.');
    const old = await machine(2, '3.2');
    expect(await old.region(['dbupgrade'])).toMatchObject({ exitCode: 1 });
  });

  test('to another version deadlocks with a region that serves, and not with one that has stopped', async () => {
    const old = await migrated();
    const regiond = old.startRegion();
    const serving = (): Promise<string> =>
      doubles.server.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'");
    await until(serving, (count) => count === '1');
    const newer = await machine(2, '3.7');
    expect(await newer.region(['dbupgrade'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('deadlock detected'),
    });
    regiond.kill('SIGKILL');
    await once(regiond, 'exit');
    await until(serving, (count) => count === '0');
    expect(await newer.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
  });

  test('with nothing to migrate disturbs nobody', async () => {
    const host = await migrated();
    await host.serve('region-1');
    expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    expect(await host.regions()).toEqual(['region-1']);
  });

  test('what needs the schema fails before it', async () => {
    const host = await machine(1);
    const admin = ['createadmin', '--username', 'admin', '--password', 'p', '--email', 'a@example.com'];
    for (const command of [admin, ['apikey', '--username', 'admin']])
      expect(await host.region(command)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('relation "auth_user" does not exist'),
      });
  });

  test('fails at once, with what PostgreSQL says', async () => {
    const host = await machine(1);
    await host.configure({ ...doubles.server.connection, password: new Redacted('wrong') });
    const { exitCode, stderr } = await host.region(['dbupgrade']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('password authentication failed');
    await host.configure({ ...doubles.server.connection, database: 'nosuch' });
    expect((await host.region(['dbupgrade'])).stderr).toContain('database "nosuch" does not exist');
    await host.configure({ ...doubles.server.connection, port: 1 });
    expect((await host.region(['dbupgrade'])).stderr).toContain('Connection refused');
    // A wrong file is not what it speaks of.
    await host.configure(doubles.server.connection, { database_pass: 12345 });
    expect((await host.region(['dbupgrade'])).stderr).toContain('Please supply the ENGINE value');
    expect((await host.region(['local_config_get'])).stderr).toContain(
      'The input must be a Unicode string (not a int: 12345)',
    );
  });

  test('and regions on a database that only reads: it fails, they wait and start once it does not', async () => {
    const host = await migrated();
    const only = (reads: 'on' | 'off') =>
      doubles.server.sql(`ALTER ROLE maas SET default_transaction_read_only = ${reads}`);
    await only('on');
    try {
      expect(await host.region(['dbupgrade'])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('cannot execute DROP VIEW in a read-only transaction'),
      });
      const regiond = host.startRegion();
      await until(
        () => host.log,
        (log) => /Database error during start-up\n.*in a read-only transaction/.test(log),
      );
      expect(regiond.exitCode).toBeNull();
    } finally {
      await only('off');
    }
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-1'),
    );
  });
});

describe('regiond.conf', () => {
  test('local_config_get makes an empty file for root and the group', async () => {
    const host = await doubles.make('3.4', 'region-1', '127.0.7.1');
    expect(await host.region(['local_config_get'])).toMatchObject({ exitCode: 0, stdout: '{}' });
    expect((await stat(join(host.root, 'etc/maas/regiond.conf'))).mode & 0o777).toBe(0o640);
  });

  test('local_config_get answers as it is asked, and only what it is asked for', async () => {
    const host = await machine(1);
    const ask = async (...how: readonly string[]): Promise<string> =>
      (await host.region(['local_config_get', ...how])).stdout;
    expect(await ask('--num-workers')).toBe('num_workers: 2');
    expect(await ask('--json', '--database-port')).toBe(
      `{"database_port": ${doubles.server.connection.port}}`,
    );
    expect(await ask('--plain', '--num-workers', '--database-name')).toBe('maasdb\n2');
  });

  test('local_config_set keeps mode and owner, and keys that it does not know', async () => {
    const host = await machine(1);
    const path = join(host.root, 'etc/maas/regiond.conf');
    await chmod(path, 0o600);
    await host.configure(doubles.server.connection, { vault_thing: 'kept' });
    await host.region(['local_config_set', '--num-workers', '3']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(parse(await host.read('etc/maas/regiond.conf'))).toMatchObject({
      vault_thing: 'kept',
      num_workers: 3,
    });
  });

  test('local_config_set takes whatever a password is, and local_config_reset takes a key away', async () => {
    const host = await doubles.make('3.4', 'region-1', '127.0.7.1');
    const conf = (): Promise<string> => host.read('etc/maas/regiond.conf');
    expect(await host.region(['local_config_set'])).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await conf()).toBe('');
    await host.region(['local_config_set', '--maas-url', '', '--database-pass', '12345']);
    expect(await conf()).toBe("database_pass: '12345'\nmaas_url: null\n");
    await host.region(['local_config_set', '--database-pass', `a'b"c: #x`]);
    await host.region(['local_config_reset', '--maas-url']);
    expect(await conf()).toBe(`database_pass: 'a''b"c: #x'\n`);
  });

  test('what its commands were called with can be read afterwards', async () => {
    const host = await machine(1);
    await host.region(['local_config_set', '--database-pass', 's3cret']);
    await host.rack(['config', '--region-url', 'http://127.0.7.1/MAAS']);
    const calls = (await host.read('var/log/maas-calls')).trim().split('\n');
    expect(calls).toHaveLength(2);
    expect(calls[0]).toMatch(/ local_config_set --database-pass s3cret$/);
    expect(calls[1]).toMatch(/ config --region-url http:\/\/127\.0\.7\.1\/MAAS$/);
  });

  test('whoever is not root is refused', async () => {
    const host = await doubles.make('3.4', 'region-1', '127.0.7.1');
    for (const said of [
      await host.region(['local_config_get'], { uid: 65_534 }),
      await host.rack(['config'], { uid: 65_534 }),
    ])
      expect(said).toMatchObject({ exitCode: 1, stderr: 'This utility may only be run as root.' });
  });

  test('local_config_set writes a new file also where nothing changes', async () => {
    const host = await machine(1);
    const before = await stat(join(host.root, 'etc/maas/regiond.conf'));
    await host.region(['local_config_set', '--num-workers', '2']);
    expect((await stat(join(host.root, 'etc/maas/regiond.conf'))).ino).not.toBe(before.ino);
  });

  test.each([
    [['--maas-url', 'http://2001:db8::5/MAAS'], 'CommandError: maas-url: That is not a valid URL.'],
    [['--database-port', 'abc'], 'CommandError: database-port: Please enter an integer value.'],
    [['--database-port', '0'], 'CommandError: database-port: Please enter a number that is 1 or greater.'],
    [
      ['--database-port', '65536'],
      'CommandError: database-port: Please enter a number that is 65535 or smaller.',
    ],
  ])('%j is refused in the words of MAAS', async (args, words) => {
    const host = await machine(1);
    const { exitCode, stderr } = await host.region(['local_config_set', ...args]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(words);
  });

  test('an address alone becomes a URL without /MAAS; an unknown flag is a wrong call', async () => {
    const host = await machine(1);
    await host.region(['local_config_set', '--maas-url', '10.0.0.5']);
    expect(parse(await host.read('etc/maas/regiond.conf'))).toMatchObject({ maas_url: 'http://10.0.0.5' });
    expect(await host.region(['local_config_set', '--broadcast-address', '10.0.0.5'])).toMatchObject({
      exitCode: 2,
    });
    const newer = await machine(2, '3.7');
    expect(await newer.region(['local_config_set', '--broadcast-address', '10.0.0.5'])).toMatchObject({
      exitCode: 0,
    });
  });

  test('a password of digits that is not quoted stops regiond, which does not say why', async () => {
    const host = await migrated();
    await host.configure(doubles.server.connection, { database_pass: 12345 });
    expect(await host.region(['local_config_get', '--maas-url'])).toMatchObject({ exitCode: 1 });
    const regiond = host.startRegion();
    await until(
      () => host.log,
      (log) => log.includes('settings.DATABASES is improperly configured'),
    );
    expect(regiond.exitCode).toBeNull();
  });
});

describe('administrators', () => {
  test('a password on stdin, twice; one that exists is refused, with the new address', async () => {
    const host = await migrated();
    const create = (email: string) =>
      host.region(['createadmin', '--username', 'admin', '--email', email], { input: 'pass\npass\n\n' });
    expect(await create('a@example.com')).toMatchObject({ exitCode: 0 });
    const again = await create('b@example.com');
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain(
      'AlreadyExistingUser: A user with the email b@example.com already exists.',
    );
  });

  test('without its address it asks for ever at the end of the input', async () => {
    const host = await migrated();
    const create = ['createadmin', '--username', 'admin', '--password', 'pass'];
    const { exitCode, stdout } = await host.region(create);
    expect(exitCode).toBeUndefined();
    expect(stdout.match(/Email: /g)?.length).toBeGreaterThan(1000);
  });

  test('the same API key each time; nobody has none', async () => {
    const host = await migrated();
    await host.region(['createadmin', '--username', 'admin', '--email', 'a@example.com'], {
      input: 'p\np\n\n',
    });
    const { stdout } = await host.region(['apikey', '--username', 'admin']);
    expect(stdout).toMatch(/^\w{18}:\w{18}:\w{32}$/);
    expect((await host.region(['apikey', '--username', 'admin'])).stdout).toBe(stdout);
    const more = await host.region(['apikey', '--username', 'admin', '--generate', '--with-names']);
    expect(more.stdout.split('\n').map((line) => line.replace(/^\S+/, 'key'))).toEqual([
      'key MAAS consumer',
      'key MAAS consumer',
    ]);
    expect((await host.region(['apikey'])).stderr).toContain('You must provide a username with --username.');
    const nobody = await host.region(['apikey', '--username', 'nobody']);
    expect(nobody).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('CommandError: User does not exist.'),
    });
  });

  test('there is no `status`', async () => {
    const host = await machine(1);
    expect((await host.region(['status'])).stderr).toContain("Unknown command: 'status'");
  });
});

describe('regions', () => {
  test('while the database is slow requests wait, and a region takes no more than fifty connections', async () => {
    const host = await migrated(1, '3.7');
    await host.serve('region-1');
    const unlock = await doubles.server.lock('maasserver_regionprocess');
    const answers = Promise.all(Array.from({ length: 90 }, () => host.get('/MAAS/rpc/')));
    const connections = (): Promise<string> =>
      doubles.server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'maas-regiond'");
    const most = await until(connections, (count) => Number(count) >= 40);
    await unlock();
    expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([200]));
    expect(Math.max(Number(most), Number(await connections()))).toBeLessThanOrEqual(50);
  });

  test('a busy web server keeps clients waiting, as nginx does, and loses none', async () => {
    const host = await doubles.make('3.7', 'region-1', '127.0.7.1');
    await host.write('var/lib/maas/http/regiond.nginx.conf', '{}');
    const web = host.startWeb();
    await until(
      () => host.get('/MAAS/'),
      ({ status }) => status === 301,
    );
    web.kill('SIGSTOP');
    const clients = Array.from({ length: 50 }, () => createConnection(5240, host.address));
    await until(
      () => clients.filter(({ connecting }) => connecting).length,
      (waiting) => waiting === 0,
    );
    for (const client of clients) client.destroy();
    web.kill('SIGCONT');
  });

  test('one that waits for a schema is alive, and serves once it is there', async () => {
    const host = await machine(1);
    const regiond = host.startRegion();
    await until(
      () => host.log,
      (log) => log.includes('Database error during start-up'),
    );
    expect(await host.get('/MAAS/r/')).toMatchObject({ status: 0 });
    await host.region(['dbupgrade']);
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-1'),
    );
    expect(regiond.exitCode).toBeNull();
    regiond.kill('SIGKILL');
    await until(
      () => host.get('/MAAS/rpc/'),
      ({ status }) => status === 502,
    );
    expect(await host.get('/MAAS/r/')).toMatchObject({ status: 200 });
  });

  test('answer at the addresses of MAAS, and at no others', async () => {
    const host = await migrated();
    await host.serve('region-1');
    const statuses: Record<string, number> = {};
    for (const path of ['/', '/MAAS', '/MAAS/', '/MAAS/rpc', '/MAAS//rpc/', '/rpc/', '/MAAS/metrics'])
      statuses[path] = (await host.get(path)).status;
    expect(statuses).toEqual({
      '/': 301,
      '/MAAS': 301,
      '/MAAS/': 301,
      '/MAAS/rpc': 301,
      '/MAAS//rpc/': 200,
      '/rpc/': 404,
      '/MAAS/metrics': 404,
    });
    expect(await host.get('/MAAS/api/2.0/version')).toEqual({
      status: 404,
      text: 'Unknown API endpoint: /MAAS/api/2.0/version.',
    });
    expect(JSON.parse((await host.get('/MAAS/accounts/login/')).text)).toMatchObject({ no_users: true });
    await doubles.server.sql("INSERT INTO maasserver_config VALUES ('prometheus_enabled', 'true')");
    expect(await host.get('/MAAS/metrics')).toMatchObject({ status: 200 });
  });

  test('wait for the database, for ever and alive', async () => {
    const host = await machine(1);
    await host.configure({ ...doubles.server.connection, port: 1 });
    const regiond = host.startRegion();
    await until(
      () => host.log.match(/Connection to database cannot be established/g)?.length ?? 0,
      (times) => times > 1,
    );
    expect(regiond.exitCode).toBeNull();
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 0 });
  });

  test('one that was deleted and starts again gets another identity', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const two = await machine(2);
    const regiond = await two.serve('region-2');
    expect(await one.regions()).toHaveLength(2);
    const before = await two.read('var/lib/maas/maas_id');
    expect(before).toMatch(/^[a-z0-9]{6}$/);
    regiond.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
    await doubles.server.sql(`DELETE FROM maasserver_node WHERE system_id = '${before}'`);
    two.startRegion();
    await until(
      () => one.regions(),
      (regions) => regions.length === 2,
    );
    expect(await two.read('var/lib/maas/maas_id')).not.toBe(before);
  });

  test('have one secret: of 3.3 and later the database wins over a file', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const two = await machine(2);
    await two.write('var/lib/maas/secret', 'f'.repeat(32));
    await two.serve('region-2');
    const secret = await one.read('var/lib/maas/secret');
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    expect(await two.read('var/lib/maas/secret')).toBe(secret);
    expect(await one.regions()).toEqual(['region-1', 'region-2']);
  });

  test('have one secret: until 3.2 the first takes its file, and another one with another file never starts', async () => {
    const one = await migrated(1, '3.2');
    await one.write('var/lib/maas/secret', 'a'.repeat(32));
    await one.serve('region-1');
    expect(await one.read('var/lib/maas/secret')).toBe('a'.repeat(32));
    const two = await machine(2, '3.2');
    await two.write('var/lib/maas/secret', 'b'.repeat(32));
    two.startRegion();
    await until(
      () => two.log,
      (log) => log.includes('does not match'),
    );
    expect(await one.regions()).toEqual(['region-1']);
  });

  test('one that is asked to stop is gone at once; one that is killed only after a while', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const [polite, killed] = [await machine(2), await machine(3)];
    const daemons = [polite.startRegion(), killed.startRegion()];
    await until(
      () => one.regions(),
      (regions) => regions.length === 3,
    );
    daemons[0]?.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => !regions.includes('region-2'),
    );
    // It is listed a moment before its web server is there.
    await until(
      () => killed.get('/MAAS/rpc/'),
      ({ status }) => status === 200,
    );
    daemons[1]?.kill('SIGKILL');
    await until(
      () => killed.get('/MAAS/rpc/'),
      ({ status }) => status === 502,
    );
    expect(await one.regions()).toContain('region-3');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
  });

  test('one with a copied maas_id answers and never lists itself', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const two = await machine(2);
    await two.write('var/lib/maas/maas_id', await one.read('var/lib/maas/maas_id'));
    two.startRegion();
    await until(
      () => two.get('/MAAS/rpc/'),
      ({ status }) => status === 200,
    );
    expect(await two.regions()).not.toContain('region-2');
    await until(
      () => two.log,
      (log) => log.includes("record's may be out of date"),
    );
  });

  test('without the database answer 500, and at once again when it is back', async () => {
    const host = await migrated();
    await host.serve('region-1');
    await doubles.server.stop();
    try {
      // What PostgreSQL's client says, as it stands.
      expect(await host.get('/MAAS/rpc/')).toMatchObject({
        status: 500,
        text: expect.stringMatching(/connection/),
      });
      expect(await host.get('/MAAS/api/2.0/version/')).toMatchObject({ status: 500 });
    } finally {
      await doubles.server.run();
    }
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
  });

  test('read their file when they start, and never again', async () => {
    const host = await migrated();
    const regiond = await host.serve('region-1');
    await host.region(['local_config_set', '--database-port', '1']);
    await new Promise((done) => setTimeout(done, 2000));
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
    regiond.kill('SIGKILL');
    await once(regiond, 'exit');
    host.startRegion();
    await until(
      () => host.log,
      (log) => log.includes('Connection to database cannot be established'),
    );
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 502 });
  });

  test('whose connection to the database has died in between answer one isolated 500', async () => {
    const host = await migrated();
    await host.serve('region-1');
    // The region asks itself as well, until it has told of its networks.
    await until(
      () => doubles.server.sql('SELECT reported FROM maasserver_node'),
      (reported) => reported === 't',
    );
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
    await doubles.server.sql(
      'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    );
    const statuses: number[] = [];
    while (statuses.length < 10) statuses.push((await host.get('/MAAS/rpc/')).status);
    expect(statuses).toContain(500);
    expect(statuses.slice(-6)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  test('whose URL nobody answers serve, and MAAS does not learn of their networks until somebody does', async () => {
    const host = await migrated();
    await host.configure(doubles.server.connection, { maas_url: 'http://127.0.7.99:5240/MAAS' });
    await host.serve('region-1');
    await until(
      () => host.log,
      (log) => log.includes("Couldn't report test results: URL error ["),
    );
    const maas = await api(host);
    const networks = async () => (await maas.regionControllers()).map((one) => one.interface_set.length);
    expect(await networks()).toEqual([0]);
    const other = await doubles.make('3.4', 'region-2', '127.0.7.99');
    await other.configure(doubles.server.connection);
    await other.serve('region-2');
    await until(networks, (found) => found.join() === '1,1');
  });
});

describe('racks', () => {
  async function rack(secret: string): Promise<DoubleHost> {
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await host.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await host.rack(['install-shared-secret'], { input: `${secret}\n` });
    return host;
  }

  test('connect to every region; a wrong secret that is put right counts from the next start on', async () => {
    const region = await migrated();
    await region.serve('region-1');
    const host = await rack('0'.repeat(32));
    const first = host.startRack();
    await until(
      () => host.log,
      (log) => log.includes('FAILED authentication'),
    );
    await host.rack(['install-shared-secret'], { input: await region.read('var/lib/maas/secret') });
    await new Promise((done) => setTimeout(done, 2000));
    expect(host.log).not.toContain('Fully connected');
    first.kill('SIGKILL');
    host.startRack();
    await until(
      () => host.log,
      (log) => log.includes('Fully connected to all 2 event-loops on all 1 region controllers (region-1).'),
    );
    expect(await host.read('var/lib/maas/rpc.state')).toBe('http://127.0.7.1:5240/MAAS\n');
  });

  test('whose region dies say so at once, and go on with the others', async () => {
    const regions = [await migrated(), await machine(2)];
    for (const [index, region] of regions.entries()) await region.serve(`region-${index + 1}`);
    const host = await rack((await regions[0]?.read('var/lib/maas/secret')) ?? '');
    host.startRack();
    await until(
      () => host.log,
      (log) => log.includes('all 4 event-loops on all 2 region controllers (region-1, region-2).'),
    );
    await regions[1]?.[Symbol.asyncDispose]();
    await until(
      () => host.log,
      (log) => log.includes('ClusterClient connection lost'),
    );
    await until(
      () => host.log,
      (log) => log.includes('all 2 event-loops on all 1 region controllers (region-1).'),
    );
  });

  test('without a secret for five minutes do nothing more, whatever is installed then', async () => {
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9', 0.005);
    const daemon = host.startRack();
    await until(
      () => host.log,
      (log) => log.includes('without any service'),
    );
    await host.rack(['install-shared-secret'], { input: 'a'.repeat(32) });
    expect(daemon.exitCode).toBeNull();
  });

  test('follow a changed URL without a restart, and keep their connections while the old one is gone', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await host.rack(['config', '--region-url', 'http://127.0.7.99:5240/MAAS']);
    await host.write('var/lib/maas/secret', await one.read('var/lib/maas/secret'));
    const rackd = host.startRack();
    await until(
      () => host.log,
      (log) => log.includes('Region not available'),
    );
    await host.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await until(
      () => host.log,
      (log) => log.includes('Fully connected'),
    );
    await host.rack(['config', '--region-url', 'http://127.0.7.99:5240/MAAS']);
    await new Promise((done) => setTimeout(done, 2000));
    expect(host.log).not.toContain('ClusterClient connection lost');
    expect(rackd.exitCode).toBeNull();
  });

  test('registered with a secret on stdin stay stopped, with one in the arguments they start', async () => {
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    const folder = await host.commands();
    await host.write('bin/systemctl', `#!/bin/sh\necho "$@" >>${host.root}/systemctl.log\n`);
    await chmod(join(folder, 'systemctl'), 0o755);
    const path = process.env['PATH'];
    process.env['PATH'] = `${folder}:${path}`;
    try {
      const url = ['register', '--url', 'http://127.0.7.1:5240/MAAS'];
      expect(await host.rack(url, { input: 'a1b2\n' })).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining('Secret installed'),
      });
      expect(await host.read('systemctl.log')).toBe('stop maas-rackd\n');
      expect(await host.rack([...url, '--secret', 'a1b2'])).toMatchObject({ exitCode: 0 });
      expect(await host.read('systemctl.log')).toBe(
        'stop maas-rackd\nstop maas-rackd\nenable maas-rackd\nstart maas-rackd\n',
      );
      expect(await host.rack(['register'])).toMatchObject({
        exitCode: 1,
        stdout: expect.stringContaining('MAAS region controller URL must be given'),
        stderr: '',
      });
      // Whatever it is; from then on none of its commands works.
      expect(await host.rack([...url, '--secret', 'xyz0'])).toMatchObject({ exitCode: 0 });
      expect(await host.rack(['config'])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('binascii.Error: Non-hexadecimal digit found'),
      });
      await host.write('var/lib/maas/secret', '');
      await host.write('bin/systemctl', '#!/bin/sh\necho "no systemd here" >&2\nexit 1\n');
      expect(await host.rack([...url, '--secret', 'a1b2'])).toMatchObject({
        exitCode: 1,
        stderr: 'Unable to stop maas-rackd service.\nFailed with error: no systemd here.',
      });
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('`config` makes an empty file, keeps the order of URLs, and refuses what is none', async () => {
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await host.rack(['config']);
    expect(await host.read('etc/maas/rackd.conf')).toBe('');
    await host.rack(['config', '--init', '--region-url', 'http://b/MAAS', '--region-url', 'http://a/MAAS']);
    expect(parse(await host.read('etc/maas/rackd.conf'))).toEqual({
      cluster_uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      maas_url: ['http://b/MAAS', 'http://a/MAAS'],
    });
    expect(await host.rack(['config', '--region-url', 'http://2001:db8::5/'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('That is not a valid URL'),
    });
    expect(await host.rack(['config', '--debug', 'maybe'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("argument --debug: Value should be 'true' or 'false'"),
    });
    expect(await host.rack([])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Choose a sub-command.'),
    });
  });

  test('an empty secret is installed by deleting the one that is there', async () => {
    const host = await rack('DEADbeef');
    expect(await host.read('var/lib/maas/secret')).toBe('DEADbeef');
    expect((await stat(join(host.root, 'var/lib/maas/secret'))).mode & 0o777).toBe(0o640);
    expect(await host.rack(['install-shared-secret'])).toMatchObject({ exitCode: 0 });
    await expect(host.read('var/lib/maas/secret')).rejects.toThrow('ENOENT');
    const wrong = await host.rack(['install-shared-secret'], { input: 'xyz0' });
    expect(wrong).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Non-hexadecimal digit found'),
    });
    expect((await host.rack(['install-shared-secret'], { input: 'abc' })).stderr).toContain(
      'Odd-length string',
    );
  });
});

describe('the API', () => {
  test('takes OAuth; answers 400 without it and 401 to a wrong key', async () => {
    const host = await migrated();
    await host.serve('region-1');
    expect(await host.get('/MAAS/api/2.0/regioncontrollers/')).toMatchObject({ status: 400 });
    const stranger = new MaasApi({ host: host.address, port: 5240 }, new Redacted('a:b:c'));
    await expect(stranger.regionControllers()).rejects.toThrow('Invalid API key');
    const [controller] = await (await api(host)).regionControllers();
    expect(controller).toMatchObject({ hostname: 'region-1', version: '3.4.0' });
  });

  test('refuses to forget a region that runs, forgets one that does not, and knows no other', async () => {
    const one = await migrated();
    await one.serve('region-1');
    const two = await machine(2);
    const regiond = await two.serve('region-2');
    expect(await one.regions()).toHaveLength(2);
    const maas = await api(one);
    const id = (await two.read('var/lib/maas/maas_id')).trim();
    await expect(maas.deleteController('region', id)).rejects.toThrow(
      "Unable to delete region-2 as it's currently running.",
    );
    regiond.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
    await maas.deleteController('region', id);
    expect((await maas.regionControllers()).map(({ hostname }) => hostname)).toEqual(['region-1']);
    await maas.deleteController('region', id);
  });

  test('a rack on a region’s machine is one controller with it, and either goes for itself', async () => {
    const region = await migrated();
    await region.serve('region-1');
    const both = await doubles.make('3.4', 'region-1', '127.0.7.9');
    await both.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await both.write('var/lib/maas/secret', await region.read('var/lib/maas/secret'));
    await both.write('var/lib/maas/maas_id', await region.read('var/lib/maas/maas_id'));
    both.startRack();
    const maas = await api(region);
    const [rack] = await until(
      () => maas.rackControllers(),
      (list) => list.length === 1,
    );
    expect(rack?.system_id).toBe(await region.read('var/lib/maas/maas_id'));
    await maas.deleteController('rack', rack?.system_id ?? '');
    expect(await maas.rackControllers()).toEqual([]);
    expect((await maas.regionControllers()).map(({ hostname }) => hostname)).toEqual(['region-1']);
  });

  test('has DHCP on a VLAN only with a range and a primary rack, and never on one rack twice', async () => {
    const host = await migrated();
    await host.serve('region-1');
    const rack = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await rack.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await rack.rack(['install-shared-secret'], { input: await host.read('var/lib/maas/secret') });
    const rackd = rack.startRack();
    const maas = await api(host);
    const racks = await until(
      () => maas.rackControllers(),
      (list) => list.length === 1,
    );
    const id = racks[0]?.system_id ?? '';
    const vlan = { fabric_id: 0, vid: 0 };
    await expect(maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: id })).rejects.toThrow(
      'dhcp_on: dhcp can only be turned on when a dynamic IP range is defined.',
    );
    await doubles.server.sql("INSERT INTO maasserver_iprange VALUES ('10.0.0.100', '10.0.0.200', 5001)");
    await expect(maas.updateVlan(vlan, { dhcp_on: 'true' })).rejects.toThrow(
      'when a primary rack controller is set',
    );
    await expect(maas.updateVlan(vlan, { primary_rack: 'zzzzzz' })).rejects.toThrow(
      'zzzzzz is not one of the available choices',
    );
    await expect(maas.updateVlan(vlan, { primary_rack: id, secondary_rack: id })).rejects.toThrow(
      'must be different',
    );
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: id });
    await expect(maas.deleteController('rack', id)).rejects.toThrow(
      'no other rack controller can provide DHCP',
    );
    const key = await keyOf(host);
    const forget = (what: string) =>
      fetch(`http://${host.address}:5240/MAAS/api/2.0/rackcontrollers/${what}`, {
        method: 'DELETE',
        headers: { Authorization: authorization(key, randomUUID(), Math.floor(Date.now() / 1000)) },
      });
    const unknown = await forget('zzzzzz/');
    expect([unknown.status, await unknown.text()]).toEqual([
      404,
      'No RackController matches the given query.',
    ]);
    // One that goes takes its secret along and starts anew, to wait for another.
    const gone = once(rackd, 'exit');
    expect((await forget(`${id}/?force=true`)).status).toBe(204);
    await gone;
    await expect(rack.read('var/lib/maas/secret')).rejects.toThrow('ENOENT');
    expect(await rack.read('var/lib/maas/maas_id')).toBe(id);
  });

  const vlan = { fabric_id: 0, vid: 0 };

  /** Racks that are connected to every process of every region, on a VLAN that has a range of addresses. */
  async function withRacks(...names: readonly string[]): Promise<void> {
    for (const name of names)
      await doubles.server.sql(
        `INSERT INTO maasserver_node VALUES ('id_${name}', '${name}', 2, '127.0.7.9', '3.4', true);
         INSERT INTO maasserver_regionrackrpcconnection SELECT system_id, port, 'id_${name}' FROM maasserver_regionprocess`,
      );
    await doubles.server.sql("INSERT INTO maasserver_iprange VALUES ('10.0.0.100', '10.0.0.200', 5001)");
  }

  async function pairOf(maas: MaasApi): Promise<string> {
    const [found] = await maas.vlans();
    return `${found?.primary_rack} ${found?.secondary_rack}`;
  }

  test('lets a rack go from one place on a VLAN to the other in two changes only, and the charm makes both', async () => {
    const host = await migrated();
    await host.serve('region-1');
    const maas = await api(host);
    await withRacks('a', 'b', 'c');
    const pairNow = (): Promise<string> => pairOf(maas);
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await expect(maas.updateVlan(vlan, { primary_rack: 'id_c', secondary_rack: 'id_a' })).rejects.toThrow(
      'id_a is already set as the primary rack controller',
    );
    await maas.updateVlan(vlan, { primary_rack: 'id_b', secondary_rack: 'id_c' });
    expect(await pairNow()).toBe('id_b null');
    for (const [primary = '', secondary = ''] of ['ab', 'ba', 'cb', 'bc', 'ca', 'ab']) {
      await dhcpConfigurer({ vlan: 0, primary, secondary })(maas);
      expect(await pairNow()).toBe(`id_${primary} id_${secondary}`);
    }
  });

  test('knows which racks are connected, and gives a dead primary no new secondary', async () => {
    const host = await migrated();
    await host.serve('region-1');
    const maas = await api(host);
    await withRacks('a', 'b', 'c');
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await doubles.server.sql(
      `DELETE FROM maasserver_regionrackrpcconnection WHERE rack = 'id_a' OR rack = 'id_b' AND port = 5250`,
    );
    const services = (await maas.rackControllers()).flatMap(({ service_set }) => service_set);
    expect(services.map(({ status, status_info }) => `${status} ${status_info}`)).toEqual([
      'dead ',
      // MAAS counts four processes for each region, however many there are.
      'degraded 75% connected to region controllers.',
      'running ',
    ]);
    await expect(maas.updateVlan(vlan, { secondary_rack: 'id_c' })).rejects.toThrow(
      'The primary rack controller must be up and running to set a secondary rack controller.',
    );
    await expect(dhcpConfigurer({ vlan: 0, primary: 'a', secondary: 'c' })(maas)).rejects.toThrow(
      'its rackd is dead',
    );
    await dhcpConfigurer({ vlan: 0 })(maas);
    expect(await pairOf(maas)).toBe('id_b id_c');
  });

  test('3.7 answers 500 to what it has done where Temporal is down; the charm puts it back, and asks again', async () => {
    const host = await migrated(1, '3.7');
    await host.serve('region-1');
    const maas = await api(host);
    await withRacks('a', 'b', 'c');
    const stateNow = async (): Promise<string> => `${(await maas.vlans())[0]?.dhcp_on} ${await pairOf(maas)}`;
    await expect(
      maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' }),
    ).rejects.toThrow('it says 500');
    expect(await stateNow()).toBe('true id_a id_b');
    for (const [primary = '', secondary = ''] of ['bc', 'ba', 'ca', 'cb', 'ac']) {
      await expect(dhcpConfigurer({ vlan: 0, primary, secondary })(maas)).rejects.toThrow('it says 500');
      expect(await stateNow()).toBe('true id_a id_b');
    }
    await expect(maas.updateVlan(vlan, { dhcp_on: 'false', secondary_rack: '' })).rejects.toThrow('500');
    await maas.updateVlan(vlan, { primary_rack: '' });
    const command = join(await host.commands(), 'maas-region');
    const installed = {
      ...DEB,
      sockets: join(host.root, 'var/lib/maas'),
      region: (...args: readonly string[]) => [command, ...args] as const,
    };
    const configure = dhcpConfigurer({ vlan: 0, primary: 'b', secondary: 'a' });
    await expect(insist(installed, configure, 1)).rejects.toThrow(
      "500, after 0 s: `systemctl list-units 'maas-*'` shows what does not run; run this action again",
    );
    expect(await stateNow()).toBe('false null null');
    const asked = insist(installed, configure);
    await host.startTemporal();
    await asked;
    expect(await stateNow()).toBe('true id_b id_a');
  });

  test('a rack that is forgotten leaves its DHCP to the others; where that is off it is in the way', async () => {
    const host = await migrated();
    await host.serve('region-1');
    const maas = await api(host);
    await withRacks('a', 'b', 'c');
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await maas.deleteController('rack', 'id_a');
    expect(await pairOf(maas)).toBe('id_b id_c');
    await maas.deleteController('rack', 'id_c');
    expect(await pairOf(maas)).toBe('id_b null');
    await maas.updateVlan(vlan, { dhcp_on: 'false' });
    await expect(maas.deleteController('rack', 'id_b')).rejects.toThrow('it says 500');
    await forgetRack(maas, 'id_b');
    expect(await maas.rackControllers()).toEqual([]);
    expect(await pairOf(maas)).toBe('null null');
  });
});
