// The stand-in’s commands do what those of the real MAAS 3.4 were seen to do: they exist to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { until } from './host.ts';
import { doubleHosts } from './hosts.ts';

const doubles = doubleHosts();

describe('regiond.conf', () => {
  test('local_config_get makes an empty file for root and the group', async () => {
    const host = await doubles.make('3.4', 'region-1', '127.0.7.1');
    expect(await host.region(['local_config_get'])).toMatchObject({ exitCode: 0, stdout: '{}' });
    expect((await stat(join(host.root, 'etc/maas/regiond.conf'))).mode & 0o777).toBe(0o640);
  });

  test('local_config_get answers as it is asked, and only what it is asked for', async () => {
    const host = await doubles.configured(1);
    const ask = async (...how: readonly string[]): Promise<string> =>
      (await host.region(['local_config_get', ...how])).stdout;
    expect(await ask('--num-workers')).toBe('num_workers: 2');
    expect(await ask('--json', '--database-port')).toBe(
      `{"database_port": ${doubles.server.connection.port}}`,
    );
    expect(await ask('--plain', '--num-workers', '--database-name')).toBe('maasdb\n2');
  });

  test('local_config_set keeps mode and owner, and keys that it does not know', async () => {
    const host = await doubles.configured(1);
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
    const host = await doubles.configured(1);
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
    const host = await doubles.configured(1);
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
    const host = await doubles.configured(1);
    const { exitCode, stderr } = await host.region(['local_config_set', ...args]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(words);
  });

  test('an address alone becomes a URL without /MAAS; an unknown flag is a wrong call', async () => {
    const host = await doubles.configured(1);
    await host.region(['local_config_set', '--maas-url', '10.0.0.5']);
    expect(parse(await host.read('etc/maas/regiond.conf'))).toMatchObject({ maas_url: 'http://10.0.0.5' });
    expect(await host.region(['local_config_set', '--broadcast-address', '10.0.0.5'])).toMatchObject({
      exitCode: 2,
    });
    const newer = await doubles.configured(2, '3.7');
    expect(await newer.region(['local_config_set', '--broadcast-address', '10.0.0.5'])).toMatchObject({
      exitCode: 0,
    });
  });

  test('a password of digits that is not quoted stops regiond, which does not say why', async () => {
    const host = await doubles.migrated();
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

test.each([
  ['3.5', 1],
  ['3.6', 2],
])('config_tls of MAAS %s opens its files before it asks anything', async (version, exitCode) => {
  const host = await doubles.migrated(1, version);
  expect(await host.region(['config_tls', 'enable', '/nowhere', '/nowhere'])).toMatchObject({
    exitCode,
    stdout: '',
    stderr: expect.stringContaining(
      "argument key: can't open '/nowhere': [Errno 2] No such file or directory: '/nowhere'",
    ),
  });
});

describe('administrators', () => {
  test('a password on stdin, twice; one that exists is refused, with the new address', async () => {
    const host = await doubles.migrated();
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
    const host = await doubles.migrated();
    const create = ['createadmin', '--username', 'admin', '--password', 'pass'];
    const { exitCode, stdout } = await host.region(create);
    expect(exitCode).toBeUndefined();
    expect(stdout.match(/Email: /g)?.length).toBeGreaterThan(1000);
  });

  test('the same API key each time; nobody has none', async () => {
    const host = await doubles.migrated();
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
    const host = await doubles.configured(1);
    expect((await host.region(['status'])).stderr).toContain("Unknown command: 'status'");
  });
});
