import { expect, test } from '@jest/globals';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { leaveBind, restoreRackDns } from '@maas-ha/maas';
import { DoubleHost } from '../maas-double/host.ts';
import { programsOnPath } from '../programs.ts';

const programs = programsOnPath();

test.each(['3.4', '3.7'])(
  'a rack of MAAS %s has its DNS again once its machine’s region is purged, and keeps what it has written since',
  async (version) => {
    await using host = await DoubleHost.make(version, 'rack-1', '127.0.7.71');
    const bind = join(host.root, 'etc/bind');
    await host.commands();
    for (const name of ['chown', 'chgrp', 'systemctl'])
      await programs.program(name, `echo "${name} $@" >>${programs.folder}/called`);
    await mkdir(bind);
    await host.write('etc/bind/named.conf.local', '// own\n');
    await host.write('etc/bind/named.conf.options', `options { directory "${host.root}"; };\n`);
    const path = join(bind, 'named.conf.options');
    await host.region(['edit_named_options', '--config-path', path]);
    const check = async (): Promise<number | undefined> =>
      (await execa('named-checkconf', [path], { reject: false })).exitCode;
    expect(await check()).toBe(1);
    for (let time = 0; time < 2; time += 1) {
      await leaveBind(host.root);
      expect(await check()).toBe(0);
    }

    await restoreRackDns(host.root);
    const local = await host.read('etc/bind/named.conf.local');
    expect(local).toBe(`// own\ninclude "${bind}/maas/named.conf.maas";\n`);
    const options = await host.read('etc/bind/named.conf.options');
    expect(options).toContain(`include "${bind}/maas/named.conf.options.inside.maas";`);
    for (const name of ['local', 'options'])
      expect(await execa('named-checkconf', [join(bind, `named.conf.${name}`)])).toMatchObject({
        exitCode: 0,
      });
    const mode = async (name: string): Promise<string> =>
      ((await stat(join(bind, 'maas', name))).mode & 0o777).toString(8);
    expect(await Promise.all(['named.conf.rndc.maas', 'rndc.conf.maas'].map(mode))).toEqual(['640', '600']);
    const called = await readFile(join(programs.folder, 'called'), 'utf8');
    expect(called).toContain(`chown --recursive maas:maas ${bind}/maas\n`);
    expect(called).toMatch(/systemctl reset-failed named\.service\n.*\nsystemctl restart named\.service\n$/);

    await host.write('etc/bind/maas/named.conf.options.inside.maas', 'forwarders { 10.0.0.1; };\n');
    await restoreRackDns(host.root);
    expect(await host.read('etc/bind/maas/named.conf.options.inside.maas')).toContain('10.0.0.1');
    expect(await host.read('etc/bind/named.conf.local')).toBe(local);
    expect(await host.read('etc/bind/named.conf.options')).toBe(options);
  },
);
