import { mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { bootProblem, inotify, raiseInotify } from '../../../../shared/juju-local/src/machines/boot.ts';

const plenty = { used: 20, most: 8192 };

test.each([
  [
    { console: '', inotify: { used: 125, most: 128 }, seconds: 120 },
    [
      '125 of the 128 inotify instances of root are taken: sysctl fs.inotify.max_user_instances=8192',
      'after 120 s it has no systemd',
    ],
  ],
  [
    {
      console: 'a\n',
      inotify: plenty,
      seconds: 120,
      state: 'starting',
      jobs: '12 systemd-networkd-wait-online.service start running\n13 multi-user.target start waiting\n',
      failed: 'systemd-udevd.service loaded failed failed Rule-based Manager\n',
    },
    [
      'after 120 s its systemd is "starting"',
      'which waits for systemd-networkd-wait-online.service, multi-user.target',
      'failed: systemd-udevd.service',
      'its console ends with: a',
    ],
  ],
  [
    { console: 'Failed to mount\n', inotify: plenty, seconds: 120, ended: '1' },
    ['systemd-nspawn ended with 1', 'its console ends with: Failed to mount'],
  ],
])('why a machine has not booted: %j', (evidence, reasons) => {
  expect(bootProblem('7', evidence)).toBe(
    `machine 7 did not boot: ${reasons.join('; ')}. "juju-local start-machine 7" tries again`,
  );
});

test('the limit of inotify instances is raised, never lowered, and a host that has none is left alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'inotify-'));
  try {
    const path = join(folder, 'max_user_instances');
    for (const [before, after] of [
      ['128\n', '8192'],
      ['65536\n', '65536\n'],
    ] as const) {
      writeFileSync(path, before);
      await raiseInotify(path);
      expect(readFileSync(path, 'utf8')).toBe(after);
    }
    await expect(raiseInotify(join(folder, 'nothing/here'))).resolves.toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the instances that are taken are counted', async () => {
  const watcher = watch(tmpdir(), () => undefined);
  const { used, most } = await inotify();
  watcher.close();
  expect(used).toBeGreaterThan(0);
  expect(most).toBeGreaterThan(0);
});
