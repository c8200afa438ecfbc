// What a rack's hooks find out about rackd, and do to it.
import { describe, expect, test } from '@jest/globals';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { DEB, SNAP } from '@maas-ha/maas';
import { connectionsOf, isSecretNewer, wakeRackd } from '../../../charms/maas-rack/src/rackd.ts';
import { programsOnPath } from '../programs.ts';

const programs = programsOnPath();

/**
 * A machine on which systemd says when a service became active, and the secret was written then.
 * @param age how long ago that was by the machine's uptime, in seconds; so long that it says nothing if absent
 */
async function machine(active: string, written?: string, age = uptime()): Promise<string> {
  const monotonic = Math.round((uptime() - age) * 1e6);
  await programs.program(
    'systemctl',
    `[ "$1" = show ] || echo "$@" >>${programs.folder}/called
     echo "$@" >>${programs.folder}/asked
     echo 'ActiveEnterTimestamp=${active}'; echo 'ActiveEnterTimestampMonotonic=${active === '' ? 0 : monotonic}'`,
  );
  const secretFile = join(programs.folder, 'secret');
  if (written !== undefined) {
    await writeFile(secretFile, 'x');
    await utimes(secretFile, new Date(written), new Date(written));
  }
  return secretFile;
}

const called = (name = 'called'): Promise<string> => readFile(join(programs.folder, name), 'utf8');
const now = (offset = 0): string => new Date(Date.now() + offset).toISOString();
const asSystemd = (time: string): string => `Sun ${time.slice(0, 10)} ${time.slice(11, 19)} UTC`;

test.each([
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T10:04:59Z', true],
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T09:59:59Z', false],
  // It may have been there when rackd looked, within the second that systemd shows.
  ['Thu 2026-11-26 10:00:00 UTC', '2026-11-26T10:00:00.400Z', false],
  ['Thu 2026-11-26 10:00:00 UTC', undefined, false],
  ['', '2026-11-26T10:00:00Z', false],
])('active since “%s”, a secret of %s: newer is %s', async (active, written, isNewer) => {
  const ago = (Date.now() - Date.parse('2026-11-26T10:00:00Z')) / 1000;
  const secretFile = await machine(active, written, ago);
  expect(await isSecretNewer({ ...DEB, secretFile }, '3.7')).toBe(isNewer);
});

test('the service that is asked is the one that has rackd', async () => {
  await machine('');
  for (const version of ['3.4', '3.7']) await isSecretNewer(SNAP, version);
  expect((await called('asked')).match(/\S+\.service/g)).toEqual([
    'snap.maas.supervisor.service',
    'snap.maas.pebble.service',
  ]);
});

test('a rackd that finds no region by itself is restarted, and one that does is left alone', async () => {
  await machine(asSystemd(now(-60_000)), undefined, 60);
  const maas = { ...DEB, rpcState: await rpcState() };
  await programs.program('ss', `echo '0 0 10.0.0.9:4711 10.0.0.4:5250'`);
  await wakeRackd(maas, '3.7', 600);
  await expect(called()).rejects.toThrow('ENOENT');
  await programs.program('ss', 'true');
  await wakeRackd(maas, '3.7', 600);
  expect(await called()).toBe('restart maas-rackd.service\n');
});

/** What rackd has written down of the regions that have taken it in. */
async function rpcState(written = now()): Promise<string> {
  const path = join(programs.folder, 'rpc.state');
  await writeFile(path, 'http://10.0.0.4:5240/MAAS\nhttp://[fd00::4]:5240/MAAS\n');
  await utimes(path, new Date(written), new Date(written));
  return path;
}

describe('connected are those regions that have taken the rack in', () => {
  const regions = new Map([
    ['region-0', new Set(['10.0.0.4 5250', '10.0.0.4 5251'])],
    ['region-1', new Set(['10.0.0.5 5250'])],
    ['region-2', new Set(['fd00::4 5250'])],
  ]);

  test('and not those whose handshake fails, however long its connections last', async () => {
    await machine(asSystemd(now(-60_000)), undefined, 60);
    await programs.program(
      'ss',
      `echo '0 0 10.0.0.9:4711 10.0.0.4:5250'; echo '0 0 10.0.0.9:4712 10.0.0.5:5250'; echo '0 0 [fd00::9]:4712 [fd00::4]:5250'`,
    );
    const never = { ...DEB, rpcState: join(programs.folder, 'none') };
    expect(await connectionsOf(never, '3.7', regions)).toBe(0);
    expect(await connectionsOf(never, '3.7')).toBe(0);
    const registered = { ...DEB, rpcState: await rpcState() };
    expect(await connectionsOf(registered, '3.7', regions)).toBe(2);
    expect(await connectionsOf(registered, '3.7')).toBe(2);
  });

  test.each([
    ['what an earlier rackd wrote does not count', -120_000, -60_000, 60, 0],
    ['the clock was set back since it started', -30_000, 3_600_000, 60, 1],
    ['the clock was set forward since it wrote', -3_600_000, -3_660_000, 60, 1],
  ])('%s', async (_, written, started, age, count) => {
    await machine(asSystemd(now(started)), undefined, age);
    await programs.program('ss', `echo '0 0 10.0.0.9:4711 10.0.0.4:5250'`);
    const maas = { ...DEB, rpcState: await rpcState(now(written)) };
    expect(await connectionsOf(maas, '3.7', regions)).toBe(count);
  });
});
