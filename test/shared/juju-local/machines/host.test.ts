import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { missingOnHost } from '../../../../shared/juju-local/src/machines/host.ts';

test('each program that is missing is named with its package', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'host-'));
  try {
    for (const name of ['debootstrap', 'ip', 'nsenter']) writeFileSync(join(folder, name), '');
    expect(await missingOnHost([folder])).toEqual(
      expect.arrayContaining([
        'systemd-nspawn is not installed: apt-get install systemd-container',
        'nft is not installed: apt-get install nftables',
      ]),
    );
    expect((await missingOnHost([folder])).join()).not.toContain('debootstrap');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
