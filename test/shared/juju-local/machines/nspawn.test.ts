import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { dropOldPackages } from '../../../../shared/juju-local/src/machines/nspawn.ts';

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
