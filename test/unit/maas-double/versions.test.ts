// What the versions of MAAS differ in, and that the charms' own files and commands are right for each that they know.
import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { DEB } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { parse } from 'yaml';
import { plan as planRack } from '../../../charms/maas-rack/src/plan.ts';
import { plan as planRegion } from '../../../charms/maas-region/src/plan.ts';
import { SET_SECRET } from '../../../charms/maas-region/src/cluster/secret.ts';
import { connected } from '../maas-rack/states.ts';
import { fileOf, fresh, machineOf } from '../maas-region/states.ts';
import { type DoubleHost, until } from './host.ts';
import { doubleHosts } from './hosts.ts';

const KNOWN = ['3.2', '3.4', '3.7'] as const;
/** By what is in it the charms know what they have brought here. */
const OWN_FOLDER = '/var/lib/maas-ha/';
const doubles = doubleHosts();

/** A region that runs with the file that the charm writes for this version. */
async function region(version: string): Promise<DoubleHost> {
  const host = await doubles.make(version, 'region-0', '127.0.7.51');
  const state = fresh({
    region: { version, packageVersion: `1:${version}.0-1` },
    database: { kind: 'ready', connection: doubles.server.connection, standbys: [] },
    options: { 'maas-url': 'http://127.0.7.51:5240/MAAS', 'num-workers': 2 },
  });
  await host.write('etc/maas/regiond.conf', fileOf(state, DEB.conf.region) ?? '');
  expect(await host.region(['local_config_get', '--maas-url'])).toMatchObject({
    exitCode: 0,
    stdout: 'maas_url: http://127.0.7.51:5240/MAAS',
  });
  expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
  host.startRegion();
  await until(
    () => host.regions(),
    (regions) => regions.includes('region-0'),
  );
  return host;
}

test.each(KNOWN)('MAAS %s: region and rack run with what the charms write', async (version) => {
  const one = await region(version);
  const rack = await doubles.make(version, 'rack-0', '127.0.7.52');
  const secret = new Redacted(await one.read('var/lib/maas/secret'));
  const state = connected({
    version,
    currentConf: {},
    region: { app: 'maas-region', url: 'http://127.0.7.51:5240/MAAS', secret },
  });
  const { machine, rolling = [] } = planRack(state);
  for (const file of [...machine, ...rolling]) {
    if (file.kind !== 'file' || file.path.startsWith(OWN_FOLDER)) continue;
    await rack.write(
      file.path.slice(1),
      typeof file.content === 'string' ? file.content : file.content.reveal(),
    );
  }
  expect(existsSync(join(rack.root, DEB.conf.rack))).toBe(true);
  rack.startRack();
  await until(
    () => rack.log,
    (log) => log.includes('Fully connected to all 2 event-loops on all 1 region controllers (region-0).'),
  );
  const mode = (await stat(join(one.root, 'var/lib/maas/maas_id'))).mode & 0o777;
  expect(mode).toBe(version === '3.2' ? 0o600 : 0o640);
});

test('an older MAAS is refused in words by both charms, and nothing of it is configured', () => {
  const old = { version: '2.3', packageVersion: '2.3.7-6576-0ubuntu1' };
  const message = 'MAAS 2.3 is older than 3.2, and is not known here: set source= to a newer one';
  expect(planRegion(fresh({ region: old })).status).toEqual([{ level: 'blocked', message }]);
  expect(machineOf(fresh({ region: old })).join()).not.toMatch(/regiond\.conf|migrate|running/);
  expect(planRack(connected(old)).status).toEqual([{ level: 'blocked', message }]);
  const files = planRack(connected(old)).machine.flatMap((file) => (file.kind === 'file' ? file.path : []));
  expect(files.filter((path) => !path.startsWith(OWN_FOLDER))).toEqual([]);
});

describe('from 3.5 on dbupgrade ends with the tool of Temporal', () => {
  test.each(['PGSYSCONFDIR', 'PGLOCALEDIR', 'PGSERVICEFILE'])('which panics on %s', async (name) => {
    const host = await doubles.make('3.7', 'region-0', '127.0.7.58');
    await host.configure(doubles.server.connection);
    expect(await host.region(['dbupgrade'], { env: { [name]: '/nowhere' } })).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining(
        `Failed to apply Temporal migrations\npanic: setting ${name} not supported\n`,
      ),
    });
    expect(await host.region(['dbupgrade'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/Running Temporal migrations:\n {2}Applied all migrations\.$/),
    });
  });

  test('and an older MAAS has none', async () => {
    const host = await doubles.make('3.4', 'region-0', '127.0.7.58');
    await host.configure(doubles.server.connection);
    expect(await host.region(['dbupgrade'], { env: { PGSYSCONFDIR: '/nowhere' } })).toMatchObject({
      exitCode: 0,
      stdout: expect.not.stringContaining('Temporal'),
    });
  });
});

describe('the secret that the charm has MAAS take', () => {
  const NEW = '00112233445566778899aabbccddeeff';

  test.each(['3.3', '3.4', '3.5', '3.6', '3.7'])('is the one of MAAS %s', async (version) => {
    const host = await doubles.make(version, 'region-0', '127.0.7.61');
    await host.configure(doubles.server.connection);
    await host.region(['dbupgrade']);
    expect(await host.region(['shell', '--command', SET_SECRET], { input: `${NEW}\n` })).toMatchObject({
      exitCode: 0,
    });
    await host.serve('region-0');
    expect(await host.read('var/lib/maas/secret')).toBe(NEW);
  });

  test('is kept from 3.7 on through a service layer, which Django’s shell does not begin', async () => {
    const host = await doubles.make('3.7', 'region-0', '127.0.7.61');
    await host.configure(doubles.server.connection);
    const failing: readonly (readonly [string, string])[] = [
      ['', 'ServiceLayerNotInitialized: Service layer not initialized in this thread.'],
      ['from maasserver.sqlalchemy import service_layer; service_layer.init()', 'NoneType'],
    ];
    for (const [before, words] of failing) {
      const snippet = `${before}\nfrom maasserver.secrets import SecretManager\nSecretManager()`;
      expect(await host.region(['shell', '--command', snippet])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining(words),
      });
    }
  });
});

describe('the extension btree_gin', () => {
  const onEmpty = async (version: string): Promise<DoubleHost> => {
    const host = await doubles.make(version, 'region-0', '127.0.7.60');
    await host.configure(doubles.server.connection);
    return host;
  };

  test.each(['3.2', '3.4', '3.5.6', '3.6.0'])(
    'is in the way of migration 0030 of MAAS %s, until it is gone',
    async (version) => {
      const host = await onEmpty(version);
      await doubles.server.sql('CREATE EXTENSION btree_gin SCHEMA public');
      expect(await host.region(['dbupgrade'])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(
          /cannot drop function \S+\(.*\) because extension btree_gin requires it/,
        ),
      });
      await doubles.server.sql('DROP EXTENSION btree_gin');
      expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
      // Only what comes after the first migration finds it no more.
      await doubles.server.sql('CREATE EXTENSION IF NOT EXISTS btree_gin');
      expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    },
  );

  test.each(['3.5.7', '3.6.1', '3.7'])('is welcome to MAAS %s', async (version) => {
    const host = await onEmpty(version);
    await doubles.server.sql('CREATE EXTENSION btree_gin SCHEMA public');
    expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
  });

  test('is what Temporal needs, and makes itself only where it may', async () => {
    const host = await onEmpty('3.7');
    await doubles.server.sql(
      `ALTER DATABASE maasdb OWNER TO postgres;
       CREATE SCHEMA temporal AUTHORIZATION maas; CREATE SCHEMA temporal_visibility AUTHORIZATION maas`,
    );
    // MAAS itself needs another one, and comes first.
    const { exitCode, stderr } = await host.region(['dbupgrade']);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('permission denied to create extension "pgcrypto"'),
    ]);
    await doubles.server.sql('CREATE EXTENSION pgcrypto SCHEMA public');
    try {
      expect(await host.region(['dbupgrade'])).toMatchObject({
        exitCode: 1,
        stdout: expect.stringContaining('permission denied to create extension "btree_gin"'),
      });
      await doubles.server.sql('CREATE EXTENSION btree_gin SCHEMA public');
      expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    } finally {
      await doubles.server.sql('ALTER DATABASE maasdb OWNER TO maas');
    }
  });
});

describe('what the database knows of its migrations', () => {
  const alembic = (): Promise<string> => doubles.server.sql('SELECT version_num FROM alembic_version');
  const django = async (): Promise<number> =>
    Number(await doubles.server.sql('SELECT count(*) FROM django_migrations'));

  test('is from 3.7 on in a table of its own, and that of before is empty unless there was an older MAAS', async () => {
    const one = await doubles.make('3.4', 'region-0', '127.0.7.62');
    await one.configure(doubles.server.connection);
    expect(await one.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    const before = await django();
    expect(before).toBeGreaterThan(0);
    await expect(alembic()).rejects.toThrow('"alembic_version" does not exist');
    const two = await doubles.make('3.7', 'region-0', '127.0.7.63');
    await two.configure(doubles.server.connection);
    expect(await two.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    expect(await django()).toBeGreaterThan(before);
    expect(await alembic()).toBe('0026');
    // Nothing more to do, and it says so of nothing.
    expect((await two.region(['dbupgrade'])).stdout).toBe(
      'Running Temporal migrations:\n  Applied all migrations.',
    );
    await doubles.server.empty();
    expect(await two.region(['dbupgrade'])).toMatchObject({
      exitCode: 0,
      stdout: expect.not.stringContaining('Applying'),
    });
    expect([await django(), await alembic()]).toEqual([0, '0026']);
  });
});

describe('MAAS 2.3', () => {
  test('knows neither workers nor debug lines, and its rack one URL only', async () => {
    const host = await doubles.make('2.3', 'region-0', '127.0.7.53');
    for (const flag of ['--num-workers', '--debug'])
      expect(await host.region(['local_config_set', flag, '1'])).toMatchObject({ exitCode: 2 });
    await host.rack(['config', '--region-url', 'http://a/MAAS', '--region-url', 'http://b/MAAS']);
    expect(parse(await host.read('etc/maas/rackd.conf'))).toEqual({ maas_url: 'http://b/MAAS' });
    expect((await host.region(['config_tls', 'disable'])).stderr).toContain("Unknown command: 'config_tls'");
  });

  test('has no web server before regiond: refused until it serves, and no page without it', async () => {
    const host = await doubles.make('2.3', 'region-0', '127.0.7.54');
    await host.configure(doubles.server.connection, { num_workers: undefined });
    await host.region(['dbupgrade']);
    expect(await host.get('/MAAS/r/')).toMatchObject({ status: 0 });
    const regiond = host.startRegion();
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-0'),
    );
    expect((await host.get('/MAAS/rpc/')).text.match(/pid=/g)).toHaveLength(4);
    regiond.kill('SIGKILL');
    await until(
      () => host.get('/MAAS/rpc/'),
      ({ status }) => status === 0,
    );
  });

  test('starts a rack without a secret, which is refused', async () => {
    const host = await doubles.make('2.3', 'region-0', '127.0.7.55');
    await host.configure(doubles.server.connection, { num_workers: undefined });
    await host.region(['dbupgrade']);
    host.startRegion();
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-0'),
    );
    const rack = await doubles.make('2.3', 'rack-0', '127.0.7.56');
    await rack.rack(['config', '--region-url', 'http://127.0.7.55:5240/MAAS']);
    rack.startRack();
    await until(
      () => rack.log,
      (log) => log.includes('FAILED authentication'),
    );
    expect(existsSync(join(rack.root, 'var/lib/maas/rpc.state'))).toBe(false);
  });
});

describe('edit_named_options', () => {
  const CONFLICT =
    'options { directory "/var/cache/bind";\n  // a comment\n  forwarders { 8.8.8.8; 1.1.1.1; };\n  dnssec-validation no;\n};\n';

  async function named(
    content: string,
  ): Promise<{ host: DoubleHost; run: () => ReturnType<DoubleHost['region']> }> {
    const host = await doubles.make('3.4', 'region-0', '127.0.7.57');
    await mkdir(join(host.root, 'etc/bind'), { recursive: true });
    await host.write('etc/bind/named.conf.options', content);
    const path = join(host.root, 'etc/bind/named.conf.options');
    return {
      host,
      run: () => host.region(['edit_named_options', '--migrate-conflicting-options', '--config-path', path]),
    };
  }

  const backups = async (host: DoubleHost): Promise<readonly string[]> =>
    (await readdir(join(host.root, 'etc/bind'))).filter((name) => name.startsWith('named.conf.options.'));

  test('moves what conflicts into MAAS, once, and keeps what was there', async () => {
    const { host, run } = await named(CONFLICT);
    await host.configure(doubles.server.connection);
    await host.region(['dbupgrade']);
    expect(await run()).toMatchObject({ exitCode: 0, stdout: '' });
    const after = await host.read('etc/bind/named.conf.options');
    expect(after).toContain('options { directory "/var/cache/bind";');
    expect(after).toContain('/etc/bind/maas/named.conf.options.inside.maas');
    expect(after.replaceAll(/^\/\/.*$/gm, '')).not.toMatch(/forwarders|dnssec|a comment/);
    const [backup = ''] = await backups(host);
    expect((await stat(join(host.root, 'etc/bind', backup))).mode & 0o777).toBe(0o660);
    expect(await host.read(`etc/bind/${backup}`)).toBe(CONFLICT);
    expect(
      await doubles.server.sql("SELECT value FROM maasserver_config WHERE name = 'upstream_dns'"),
    ).toContain('8.8.8.8 1.1.1.1');
    expect(await run()).toMatchObject({ exitCode: 0 });
    expect(await host.read('etc/bind/named.conf.options')).toBe(after);
    expect(await backups(host)).toHaveLength(1);
  });

  test('before there is anything to include leaves named unable to load', async () => {
    const { host, run } = await named('');
    await host.write(
      'etc/bind/named.conf.options',
      `options { directory "${host.root}"; dnssec-validation auto; };\n`,
    );
    const check = () =>
      execa('named-checkconf', [join(host.root, 'etc/bind/named.conf.options')], { reject: false });
    expect(await run()).toMatchObject({ exitCode: 0 });
    expect(await check()).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('file not found') });
    await mkdir(join(host.root, 'etc/bind/maas'));
    expect(await host.common(['setup-dns'])).toMatchObject({ exitCode: 0 });
    expect(await check()).toMatchObject({ exitCode: 0 });
    const local = join(host.root, 'etc/bind/named.conf.local');
    await host.write('etc/bind/named.conf.local', '// own\n');
    for (let time = 0; time < 2; time += 1)
      expect(await host.common(['get-named-conf', '--edit', '--config-path', local])).toMatchObject({
        exitCode: 0,
      });
    expect((await host.read('etc/bind/named.conf.local')).match(/include/g)).toHaveLength(2);
  });

  test('setup-dns makes MAAS’ part of it as on a new machine, whatever was there', async () => {
    const { host } = await named('');
    expect(await host.common(['setup-dns'])).toMatchObject({ exitCode: 1 });
    for (const folder of ['etc/bind/maas', 'var/lib/bind/maas'])
      await mkdir(join(host.root, folder), { recursive: true });
    expect(await host.common(['setup-dns'])).toMatchObject({ exitCode: 0 });
    const keys = await host.read('etc/bind/maas/keys.conf.maas');
    const zones = `${await host.read('etc/bind/maas/named.conf.maas')}zone "maas" { type master; };\n`;
    for (const [options, kept] of [
      [['--no-clobber'], zones],
      [[], expect.not.stringContaining('zone "maas"')],
    ] as const) {
      await host.write('etc/bind/maas/named.conf.maas', zones);
      await host.write('var/lib/bind/maas/zone.maas', '; a zone\n');
      expect(await host.common(['setup-dns', ...options])).toMatchObject({ exitCode: 0 });
      expect(await host.read('etc/bind/maas/named.conf.maas')).toEqual(kept);
      expect(await readdir(join(host.root, 'var/lib/bind/maas'))).toEqual([]);
    }
    expect(await host.read('etc/bind/maas/keys.conf.maas')).not.toBe(keys);
    expect((await stat(join(host.root, 'etc/bind/maas/named.conf.rndc.maas'))).mode & 0o777).toBe(0o660);
  });

  test('says that there is no file, and leaves alone what it does not know to conflict', async () => {
    const { host, run } = await named('options { empty-zones-enable yes; };\n');
    expect(await run()).toMatchObject({ exitCode: 0 });
    expect(await host.read('etc/bind/named.conf.options')).toContain('empty-zones-enable yes;');
    const path = join(host.root, 'etc/bind/missing');
    expect(await host.region(['edit_named_options', '--config-path', path])).toMatchObject({
      exitCode: 1,
      stderr: `CommandError: ${path} does not exist`,
    });
  });

  test('leaves forwarders in place without a database, and says nothing', async () => {
    const { host, run } = await named(CONFLICT);
    expect(await run()).toMatchObject({ exitCode: 0, stdout: '' });
    const after = await host.read('etc/bind/named.conf.options');
    expect(after).toContain('forwarders');
    expect(after.replaceAll(/^\/\/.*$/gm, '')).not.toContain('dnssec-validation');
  });

  test.each([
    ['zone "a" { type hint; };', "Can't find options {} block in"],
    ['options { directory "/"; ', 'Invalid brackets.'],
  ])('refuses %s', async (content, words) => {
    const { host, run } = await named(content);
    const { exitCode, stderr } = await run();
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(words) });
    expect(await host.read('etc/bind/named.conf.options')).toBe(content);
  });
});
