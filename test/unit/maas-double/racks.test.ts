// The stand-in’s rackd does what that of the real MAAS 3.4 was seen to do: it exists to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type DoubleHost, until } from './host.ts';
import { doubleHosts } from './hosts.ts';

const doubles = doubleHosts();

describe('racks', () => {
  async function rack(secret: string): Promise<DoubleHost> {
    const host = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await host.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await host.rack(['install-shared-secret'], { input: `${secret}\n` });
    return host;
  }

  test('connect to every region; a wrong secret that is put right counts from the next start on', async () => {
    const region = await doubles.serving();
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
    const regions = [await doubles.migrated(), await doubles.configured(2)];
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
    const one = await doubles.serving();
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
