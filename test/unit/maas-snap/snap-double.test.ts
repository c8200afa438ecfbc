// The stand-in of snap refuses what snapd refuses, in its words, and its MAAS does what the real snap does: trap 31 among it.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { describeOnMachines } from '../../machines.ts';
import { DoubleHost } from '../maas-double/host.ts';
import { postgresqlServer } from '../postgresql.ts';
import { SnapMachine, STORE } from './machine.ts';

describeOnMachines('the stand-in of the snap store', () => {
  const server = postgresqlServer();
  let machine: SnapMachine;
  beforeEach(async () => {
    machine = await SnapMachine.start('region-0');
    await server.empty();
  });
  afterEach(() => machine[Symbol.asyncDispose]());

  const snap = (...args: readonly string[]) => machine.tryOn(['snap', ...args]);
  const install = (channel = '3.7/stable') => snap('install', `--channel=${channel}`, 'maas');
  const uri = (scheme = 'postgres'): string => {
    const { host, port, user, password, database } = server.connection;
    return `${scheme}://${user}:${password.reveal()}@${host}:${port}/${database}`;
  };
  const init = (mode: string, input: string) =>
    machine.tryOn(['snap', 'run', 'maas', 'init', mode, '--maas-url', 'http://127.0.0.1:5240/MAAS'], input);

  describe('snap', () => {
    test.each([
      [['frobnicate'], 64, `error: unknown command "frobnicate", see 'snap help'.`],
      [['install', '--chanel=3.7/stable', 'maas'], 64, "error: unknown flag `chanel'"],
      [['refresh', '--hold=forever', '--channel=3.7/stable', 'maas'], 1, 'is not installed'],
      [['install', '--channel=9.9/stable', 'maas'], 1, 'snap "maas" not available on channel "9.9/stable"'],
      [['install', 'mass'], 1, 'error: snap "mass" not found'],
      [['list', 'maas'], 1, 'error: no matching snaps installed'],
      [['info', 'mass'], 1, 'error: no snap found for "mass"'],
      [['switch', 'maas'], 1, 'error: nothing to switch'],
      [['remove', 'maas'], 0, 'snap "maas" is not installed'],
      [['run', 'maas'], 1, 'cannot find current revision for snap maas'],
    ])('%j without the snap: %i, %s', async (words, exitCode, stderr) => {
      expect(await snap(...words)).toMatchObject({ exitCode, stderr: expect.stringContaining(stderr) });
    });

    test('with it: what is there already is no error, and a hold goes with nothing else', async () => {
      expect(await install()).toMatchObject({ exitCode: 0 });
      expect(await install()).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining('is already installed'),
      });
      expect(await snap('refresh', 'maas')).toMatchObject({
        exitCode: 0,
        stderr: 'snap "maas" has no updates available',
      });
      expect(await snap('refresh', '--hold', '--channel=3.7/stable', 'maas')).toMatchObject({
        exitCode: 1,
        stderr: 'error: cannot use --hold with other flags',
      });
      expect(await snap('refresh', '--hold=soon', 'maas')).toMatchObject({ exitCode: 1 });
      expect(await machine.on('snap', 'list', 'maas')).toMatch(/3\.7\/stable +canonical\*\* +-$/);
      await snap('refresh', '--hold', 'maas');
      expect(await machine.on('snap', 'list', 'maas')).toMatch(/held$/);
    });

    test('until snapd 2.57 nothing can be held', async () => {
      await machine.offer(STORE, { snapd: '2.57.6' });
      await install();
      expect(await snap('refresh', '--hold=forever', 'maas')).toMatchObject({
        exitCode: 64,
        stderr: "error: unknown flag `hold'",
      });
      expect(await snap('refresh', 'maas')).toMatchObject({ exitCode: 0 });
    });

    test('a closed channel has what the next more stable one has; without the store only what is installed is known', async () => {
      expect(await install('3.7/candidate')).toMatchObject({ exitCode: 0 });
      const about = await machine.on('snap', 'info', 'maas');
      expect(about).toMatch(/^ {2}3\.7\/candidate: +\^$/m);
      expect(about).toMatch(/^ {2}3\.7\/stable: +3\.7\.3-17487-g\.362c9ab .*\(41649\)/m);
      await machine.offer(STORE, { online: false });
      expect((await snap('info', 'maas')).stdout).not.toContain('channels:');
      expect(await snap('refresh', '--channel=3.4/stable', 'maas')).toMatchObject({
        exitCode: 1,
        stderr: 'error: unable to contact snap store',
      });
    });
  });

  describe('maas init', () => {
    test('asks for what is not in its arguments, and at the end of its input for ever', async () => {
      await install();
      const { stdout } = await machine.tryOn(['sh', '-c', 'snap run maas init rack | head --bytes=10000']);
      expect(stdout.match(/MAAS URL: /g)?.length).toBeGreaterThan(500);
    });

    test('of a region migrates an empty database itself, and writes its file for everybody', async () => {
      await install();
      expect(await init('region', `${uri()}\n`)).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining('Performing database migrations'),
      });
      const conf = '/var/snap/maas/current/regiond.conf';
      expect(parse(await machine.read(conf))).toMatchObject({
        database_name: 'maasdb',
        database_user: 'maas',
      });
      expect(await machine.on('stat', '--format=%a', conf)).toBe('644');
      // Again, where there are tables: it asks whether it may, and migrates nothing.
      const again = await init('region', `yes\n${uri()}\n`);
      expect(again.stdout).toContain('Controller has already been initialized.');
      expect(again.stdout).not.toContain('Performing database migrations');
    });

    test('takes one form of a URI', async () => {
      await install();
      expect(await init('region', `${uri('postgresql')}\n`)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("start with 'postgres://'"),
      });
      expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('');
    });
  });

  test('MAAS reads no file of the machine: it is confined', async () => {
    await install();
    await init('region', `${uri()}\n`);
    await machine.write('/run/key.pem', 'a key');
    const region = [
      'snap',
      'run',
      '--shell',
      'maas',
      '-c',
      'exec "$SNAP/bin/maas-region" "$@"',
      'maas-region',
    ];
    expect(
      await machine.tryOn([...region, 'config_tls', 'enable', '/run/key.pem', '/run/key.pem', '--yes']),
    ).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('Permission denied') });
  });

  test('a refresh migrates where this is a region: while another one runs it fails, and all of it is taken back', async () => {
    await install('3.4/stable');
    await init('region', `${uri()}\n`);
    await using other = await DoubleHost.make('3.4', 'region-1', '127.0.7.92');
    await other.configure(server.connection);
    await other.serve('region-1');
    const refreshed = await snap('refresh', '--channel=3.7/stable', 'maas');
    expect(refreshed).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Run post-refresh hook of "maas"'),
    });
    expect(refreshed.stderr).toContain('deadlock detected');
    expect(await machine.on('snap', 'list', 'maas')).toContain('3.4.10');
    expect(await server.sql('SELECT version FROM double_migration')).toBe('3.4');
    // In no mode it does not.
    await machine.write('/var/snap/maas/common/snap_mode', 'none');
    expect(await snap('refresh', '--channel=3.7/stable', 'maas')).toMatchObject({ exitCode: 0 });
    expect(await server.sql('SELECT version FROM double_migration')).toBe('3.4');
  });
});
