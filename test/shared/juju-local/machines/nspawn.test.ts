import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { dropOldPackages, takePackages } from '../../../../shared/juju-local/src/machines/nspawn.ts';

test('of a downloaded package the newest versions are kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'archives-'));
  try {
    const versions = ['1%3a3.4-1', '1%3a3.10-1', '1%3a3.7-1', '1%3a3.6-1', '1%3a3.5-1'];
    for (const [age, version] of versions.entries()) {
      const file = join(folder, `maas-common_${version}_all.deb`);
      writeFileSync(file, '');
      utimesSync(file, 1_000_000 - age, 1_000_000 - age);
    }
    for (const name of ['haproxy_2.6_amd64.deb', 'haproxy_2.6_arm64.deb', 'bind9_9.18_amd64.deb'])
      writeFileSync(join(folder, name), '');
    await dropOldPackages(folder);
    expect(readdirSync(folder).sort()).toEqual([
      'bind9_9.18_amd64.deb',
      'haproxy_2.6_amd64.deb',
      'haproxy_2.6_arm64.deb',
      'maas-common_1%3a3.10-1_all.deb',
      'maas-common_1%3a3.4-1_all.deb',
      'maas-common_1%3a3.7-1_all.deb',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('machines that go at the same time leave the packages that they have downloaded, and none fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'archives-'));
  try {
    const [cache, ...machines] = ['cache', '0', '1', '2'].map((name) => join(folder, name));
    if (cache === undefined) throw new Error('no cache');
    const archives = (machine: string) => join(machine, 'var/cache/apt/archives');
    for (const path of [cache, ...machines.map(archives)]) mkdirSync(path, { recursive: true });
    const names = Array.from({ length: 60 }, (_, number) => `maas-${number % 6}_${number}_all.deb`);
    for (const machine of machines)
      for (const name of names) writeFileSync(join(archives(machine), name), '');
    const leave = async (machine: string): Promise<void> => {
      await takePackages(machine, cache);
      await dropOldPackages(cache);
    };
    await Promise.all(machines.map(leave));
    // Another one may have linked after the last look.
    await dropOldPackages(cache);
    expect(readdirSync(cache)).toHaveLength(18);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('of what a machine has downloaded nothing is taken through a link, and nothing is shared with it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'archives-'));
  try {
    const [cache, machine, host] = [join(folder, 'cache'), join(folder, 'machine'), join(folder, 'host')];
    const archives = join(machine, 'var/cache/apt/archives');
    for (const path of [cache, archives, host]) mkdirSync(path, { recursive: true });
    writeFileSync(join(host, 'secret'), 'of the host');
    writeFileSync(join(host, 'other_1_all.deb'), 'of the host');
    writeFileSync(join(archives, 'real_1_all.deb'), 'package');
    symlinkSync(join(host, 'secret'), join(archives, 'fake_1_all.deb'));
    await takePackages(machine, cache);
    writeFileSync(join(archives, 'real_1_all.deb'), 'changed on the machine');
    expect(readdirSync(cache)).toEqual(['real_1_all.deb']);
    expect(readFileSync(join(cache, 'real_1_all.deb'), 'utf8')).toBe('package');

    rmSync(join(machine, 'var/cache'), { recursive: true });
    mkdirSync(join(host, 'apt/archives'), { recursive: true });
    writeFileSync(join(host, 'apt/archives/more_1_all.deb'), 'of the host');
    symlinkSync(host, join(machine, 'var/cache'));
    await takePackages(machine, cache);
    expect(readdirSync(cache)).toEqual(['real_1_all.deb']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
