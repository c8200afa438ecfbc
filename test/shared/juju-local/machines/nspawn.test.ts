import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { dropOldPackages, linkPackages } from '../../../../shared/juju-local/src/machines/nspawn.ts';

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
    for (const path of [cache, ...machines]) mkdirSync(path);
    const names = Array.from({ length: 60 }, (_, number) => `maas-${number % 6}_${number}_all.deb`);
    for (const machine of machines) for (const name of names) writeFileSync(join(machine, name), '');
    const leave = async (machine: string): Promise<void> => {
      await linkPackages(machine, cache);
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
