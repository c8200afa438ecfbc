// What a rack's hooks find out about rackd, and do to it.
import { expect, test } from '@jest/globals';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEB, SNAP } from '@maas-ha/maas';
import { isSecretNewer, wakeRackd } from '../../../charms/maas-rack/src/rackd.ts';
import { programsOnPath } from '../programs.ts';

const programs = programsOnPath();

/** A machine on which systemd says when a service became active, and the secret was written then. */
async function machine(active: string, written?: string): Promise<string> {
  await programs.program('systemctl', `echo "$@" >>${programs.folder}/called\necho '${active}'`);
  const secretFile = join(programs.folder, 'secret');
  if (written !== undefined) {
    await writeFile(secretFile, 'x');
    await utimes(secretFile, new Date(written), new Date(written));
  }
  return secretFile;
}

const called = (): Promise<string> => readFile(join(programs.folder, 'called'), 'utf8');

test.each([
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T10:04:59Z', true],
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T09:59:59Z', false],
  // It may have been there when rackd looked, within the second that systemd shows.
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T10:00:00.400Z', false],
  ['Thu 2026-11-26 10:00:00 UTC', undefined, false],
  ['', '2026-11-26T10:00:00Z', false],
])('active since “%s”, a secret of %s: newer is %s', async (active, written, isNewer) => {
  const secretFile = await machine(active, written);
  expect(await isSecretNewer({ ...DEB, secretFile }, '3.7')).toBe(isNewer);
});

test('the service that is asked is the one that has rackd', async () => {
  await machine('');
  for (const version of ['3.4', '3.7']) await isSecretNewer(SNAP, version);
  expect((await called()).match(/\S+\.service/g)).toEqual([
    'snap.maas.supervisor.service',
    'snap.maas.pebble.service',
  ]);
});

test('a rackd that finds no region by itself is restarted, and one that does is left alone', async () => {
  await machine('');
  await programs.program('ss', `echo '0 0 10.0.0.9:4711 10.0.0.4:5250'`);
  await wakeRackd('maas-rackd', 600);
  await expect(called()).rejects.toThrow('ENOENT');
  await programs.program('ss', 'true');
  await wakeRackd('maas-rackd', 600);
  expect(await called()).toBe('restart maas-rackd.service\n');
});
