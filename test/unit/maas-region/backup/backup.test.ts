// Backups of what the database does not have, in a folder in place of the machine.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEB } from '@maas-ha/maas';
import {
  listBackups,
  refusal,
  unpackBackup,
  writeBackup,
  type BackupPlace,
  type Manifest,
} from '../../../../charms/maas-region/src/backup/backup.ts';
import { programsOnPath } from '../../programs.ts';
import { bagOf, MAAS_34, MAAS_37, machineOf, SECRET, serving } from '../states.ts';

const FILES = {
  '/etc/maas/regiond.conf': 'vault_url: "http://vault"\n',
  '/var/lib/maas/secret': SECRET,
  '/var/lib/maas/maas_id': 'abc123',
  '/var/lib/maas/certificates/cluster.pem': 'certificate',
  '/var/lib/maas/image-storage/f00': 'image',
};

const MANIFEST: Manifest = {
  id: 'maas-region-0-20261124T180000Z',
  created: '2026-11-24T18:00:00.000Z',
  unit: 'maas-region/0',
  hostname: 'region-0',
  version: MAAS_37,
  database: 'maasdb',
  'database-backup': '2026-11-24T17:59:00Z',
};

let place: BackupPlace;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backup-'));
  place = { root: join(folder, 'root'), folder: join(folder, 'backups') };
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(place.root, path)), { recursive: true });
    await writeFile(join(place.root, path), content, { mode: 0o640 });
  }
});

afterEach(async () => {
  await rm(dirname(place.root), { recursive: true });
});

const contents = async (): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      Object.keys(FILES).map(
        async (path) => [path, await readFile(join(place.root, path), 'utf8').catch(() => '')] as const,
      ),
    ),
  );

test('a lost machine has everything back, with its modes, and its identity where it has its name', async () => {
  await writeBackup(DEB, MANIFEST, place);
  await rm(place.root, { recursive: true });
  await mkdir(place.root);
  await unpackBackup(DEB, MANIFEST, 'region-0', place);
  expect(await contents()).toEqual(FILES);
  expect((await stat(join(place.root, '/var/lib/maas/secret'))).mode & 0o777).toBe(0o640);
  // Again, as after a crash in the middle.
  await unpackBackup(DEB, MANIFEST, 'region-0', place);
  expect(await contents()).toEqual(FILES);
});

test('a machine with another name keeps its own identity', async () => {
  await writeBackup(DEB, MANIFEST, place);
  await writeFile(join(place.root, '/var/lib/maas/maas_id'), 'xyz789');
  await unpackBackup(DEB, MANIFEST, 'region-3', place);
  expect(await contents()).toEqual({ ...FILES, '/var/lib/maas/maas_id': 'xyz789' });
});

test('only root reads it, and what an interrupted one left goes with the next', async () => {
  await mkdir(join(place.folder, 'unfinished'), { recursive: true });
  await writeFile(join(place.folder, 'unfinished/archive'), 'half');
  expect(await listBackups(place)).toEqual([]);
  const file = await writeBackup(DEB, MANIFEST, place);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(place.folder)).mode & 0o777).toBe(0o700);
  expect(await readdir(place.folder)).toEqual([`${MANIFEST.id}.tar`]);
});

test('each names the backup of the database that it belongs to; what is none is left out', async () => {
  expect(await listBackups(place)).toEqual([]);
  await writeBackup(DEB, MANIFEST, place);
  await writeFile(join(place.folder, 'notes.tar'), 'no archive');
  expect(await listBackups(place)).toEqual([{ ...MANIFEST, size: expect.any(Number) }]);
});

test('a copy that is not whole changes nothing', async () => {
  const file = await writeBackup(DEB, MANIFEST, place);
  await truncate(file, 4000);
  await writeFile(join(place.root, '/var/lib/maas/secret'), 'as it is');
  await expect(unpackBackup(DEB, MANIFEST, 'region-0', place)).rejects.toMatchObject({
    remedy: 'user',
    message: expect.stringContaining('is no whole backup'),
  });
  expect(await contents()).toMatchObject({ '/var/lib/maas/secret': 'as it is' });
});

describe('a backup that cannot be made', () => {
  const programs = programsOnPath();

  test('for want of room is refused before it begins, and says how much it needs', async () => {
    await programs.program('du', 'echo 9000000000000000 x');
    await expect(writeBackup(DEB, MANIFEST, place)).rejects.toMatchObject({
      remedy: 'user',
      message: expect.stringMatching(/^the backup needs \d+ MB, and .* has \d+ free: make room there$/),
    });
    expect(await readdir(place.folder)).toEqual([]);
  });

  test('because the disk fills up in the middle leaves nothing', async () => {
    await programs.program(
      'tar',
      `for word; do case "$word" in --file=*) head -c 100000 /dev/zero >"\${word#--file=}";; esac; done; echo 'tar: Cannot write: No space left on device' >&2; exit 2`,
    );
    await expect(writeBackup(DEB, MANIFEST, place)).rejects.toThrow('No space left on device');
    expect(await readdir(place.folder)).toEqual([]);
  });

  test('waits for one that a killed hook has left, which still reads and writes', async () => {
    await mkdir(place.folder, { recursive: true });
    const earlier = spawn('flock', [place.folder, 'sh', '-c', 'echo held; read line'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(earlier.stdout, 'data');
    let isDone = false;
    const backup = writeBackup(DEB, MANIFEST, place).then(() => (isDone = true));
    while (!(await waitsForLock())) await sleep(20);
    expect(isDone).toBe(false);
    earlier.stdin.end('\n');
    await backup;
    expect(await readdir(place.folder)).toEqual([`${MANIFEST.id}.tar`]);
  });
});

/** Whether somebody waits for a lock of a file: the kernel marks it with an arrow. */
async function waitsForLock(): Promise<boolean> {
  const { ino } = await stat(place.folder);
  const locks = await readFile('/proc/locks', 'utf8');
  return locks.split('\n').some((line) => line.includes('->') && line.includes(`:${ino} `));
}

describe('a backup is refused', () => {
  const database = MANIFEST['database-backup'];
  const alone = serving({ cluster: { peers: [] } });

  test('nowhere else', () => {
    expect(refusal(alone, MANIFEST, database)).toBeUndefined();
  });

  test('with another backup of the database', () => {
    expect(refusal(alone, MANIFEST, '2026-11-01T00:00:00Z')).toBe(
      'it belongs to the backup 2026-11-24T17:59:00Z of the database, not to 2026-11-01T00:00:00Z: restore that one first',
    );
  });

  test('by another MAAS or another database', () => {
    expect(refusal(alone, { ...MANIFEST, version: MAAS_34 }, database)).toBe(
      'it is of MAAS 3.4: deploy the source of 3.4 first',
    );
    expect(refusal(alone, { ...MANIFEST, database: 'other' }, database)).toMatch(
      /^it belongs to the database other/,
    );
  });

  test('while the unit that it is of is still there', () => {
    const peers = [{ unit: 'maas-region/0', hostname: 'region-0' }];
    const state = serving({ unit: 'maas-region/1', region: { hostname: 'region-1' }, cluster: { peers } });
    expect(refusal(state, MANIFEST, database)).toMatch(/^maas-region\/0, which it is of, is still there/);
  });
});

test('while something is restored nothing else happens on the machine', () => {
  const state = serving({ backup: { isRestoring: true }, region: { isServing: false } });
  expect(machineOf(state).at(-1)).toBe('step:restore-backup');
  expect(machineOf(state).join()).not.toMatch(/service:maas-regiond|restart-regiond|regiond.conf/);
  expect(bagOf(state, 'region-cluster', 'unit')).toBeDefined();
});
