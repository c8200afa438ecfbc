import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, readFileIfExists, replaceFile, run, tryRun, type Resource } from 'juju-ts-host';
import { majorMinor, type Installation } from '@maas-ha/maas';
import { WaitingError, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import type { RegionJuju } from '../juju.ts';
import { read } from '../read.ts';
import type { State } from '../state.ts';

/** Where the backups of this unit are. They outlive it for as long as its machine does. */
export const BACKUP_FOLDER = '/var/backups/maas';

const MANIFEST = 'maas-backup.json';
/** Images are many gigabytes. */
const ARCHIVE_TIMEOUT = 4 * 60 * 60_000;

const Manifest = z.object({
  id: z.string(),
  created: z.string(),
  unit: z.string(),
  hostname: z.string(),
  /** Version of MAAS' packages. */
  version: z.string(),
  /** Name of the database, and of the backup of it that this one belongs to. */
  database: z.string(),
  'database-backup': z.string(),
});
export type Manifest = Readonly<z.infer<typeof Manifest>>;

/** Where things are, so that tests can have them elsewhere. */
export interface BackupPlace {
  readonly root: string;
  readonly folder: string;
}

const HERE: BackupPlace = { root: '/', folder: BACKUP_FOLDER };

/**
 * Archives what the database does not have, for root alone, and returns where. Whatever stops it in the middle, there is
 * a whole backup or none, and nothing that is half made stays.
 * @throws {UserError} where the disk has no room for it, or cannot be written to
 */
export async function writeBackup(
  { backedUp }: Installation,
  manifest: Manifest,
  { root, folder }: BackupPlace = HERE,
): Promise<string> {
  const file = join(folder, `${manifest.id}.tar`);
  const unfinished = join(folder, 'unfinished');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    await rm(unfinished, { recursive: true, force: true });
    const present = backedUp.map((path) => path.slice(1)).filter((path) => existsSync(join(root, path)));
    await requireRoom(folder, root, present);
    await mkdir(unfinished);
    await archive(manifest, present, { root, folder });
    await rename(join(unfinished, 'archive'), file);
  } catch (error) {
    throw isDiskError(error) ? new UserError(`the backup could not be made: ${error.message}`) : error;
  } finally {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
  }
  return file;
}

/** Beside what is archived: what `tar` adds to it, and what the machine needs to go on, in bytes. */
const SPARE = 64 * 1024 * 1024;

/** @throws {UserError} */
async function requireRoom(folder: string, root: string, present: readonly string[]): Promise<void> {
  const sizes =
    present.length === 0
      ? ''
      : await run([
          'du',
          '--summarize',
          '--apparent-size',
          '--block-size=1',
          '--',
          ...present.map((path) => join(root, path)),
        ]);
  const needed = sizes.split('\n').reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), SPARE);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < needed)
    throw new UserError(
      `the backup needs ${inMegabytes(needed)} MB, and ${folder} has ${inMegabytes(bavail * bsize)} free: make room there`,
    );
}

function inMegabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}

/** A disk that is full, or cannot be written to. */
function isDiskError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'].includes(String(error.code))
  );
}

async function archive(
  manifest: Manifest,
  present: readonly string[],
  { root, folder }: BackupPlace,
): Promise<void> {
  const unfinished = join(folder, 'unfinished');
  await writeFile(join(unfinished, MANIFEST), JSON.stringify(manifest), { mode: 0o600 });
  const handle = await open(join(unfinished, 'archive'), 'wx', 0o600);
  try {
    const { exitCode, stderr } = await tryRun(
      [
        ...alone(folder),
        'tar',
        '--create',
        `--file=${join(unfinished, 'archive')}`,
        `--directory=${unfinished}`,
        MANIFEST,
        `--directory=${root}`,
        ...present,
      ],
      { timeout: ARCHIVE_TIMEOUT },
    );
    if (exitCode !== 0)
      throw new WaitingError(`the backup could not be made, try again: ${lastLines(stderr, 1)}`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Has a program wait for one that an earlier hook has begun, which goes on although that hook was killed: the lock is held
 * for as long as it runs.
 */
function alone(folder: string): readonly [string, ...string[]] {
  return ['flock', '--exclusive', folder];
}

/** The backups that are on this unit, the newest last. What is no backup is left out. */
export async function listBackups({ folder }: BackupPlace = HERE): Promise<
  readonly (Manifest & { readonly size: number })[]
> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith('.tar')) : [];
  const backups = await Promise.all(
    names.map(async (name) => {
      const manifest = await readManifest(join(folder, name));
      return manifest ? [{ ...manifest, size: (await stat(join(folder, name))).size }] : [];
    }),
  );
  return backups.flat().toSorted((a, b) => a.created.localeCompare(b.created));
}

async function readManifest(file: string): Promise<Manifest | undefined> {
  const { exitCode, stdout } = await tryRun([
    'tar',
    '--extract',
    '--to-stdout',
    '--occurrence=1',
    `--file=${file}`,
    MANIFEST,
  ]);
  try {
    return exitCode === 0 ? Manifest.parse(JSON.parse(stdout)) : undefined;
  } catch {
    return undefined;
  }
}

/** The names in a backup that are to be put back. @throws {UserError} where it is not whole */
async function contentsOf({ backedUp }: Installation, file: string): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await tryRun(['tar', '--list', `--file=${file}`], {
    timeout: ARCHIVE_TIMEOUT,
  });
  if (exitCode !== 0) throw new UserError(`${file} is no whole backup: ${lastLines(stderr, 1)}`);
  const names = new Set(stdout.split('\n').map((name) => name.replace(/\/$/, '')));
  return backedUp.map((path) => path.slice(1)).filter((path) => names.has(path));
}

/**
 * Puts back what is in a backup. Twice is as good as once. The identity in MAAS only comes along where the machine still
 * has the name: under another one MAAS has a record of this machine already, and would have it twice.
 */
export async function unpackBackup(
  maas: Installation,
  { id, hostname }: Pick<Manifest, 'id' | 'hostname'>,
  here: string,
  { root, folder }: BackupPlace = HERE,
): Promise<void> {
  const file = join(folder, `${id}.tar`);
  const names = (await contentsOf(maas, file)).filter(
    (name) => name !== maas.idFile.slice(1) || hostname === here,
  );
  await run(
    [
      ...alone(folder),
      'tar',
      '--extract',
      `--file=${file}`,
      `--directory=${root}`,
      '--preserve-permissions',
      ...names,
    ],
    {
      timeout: ARCHIVE_TIMEOUT,
    },
  );
}

const Restoring = Manifest.pick({ id: true, hostname: true });

export function restoration({ region: { maas, hostname }, backup: { restoreFile } }: State): Resource {
  return { kind: 'step', id: 'restore-backup', run: () => restore(maas, restoreFile, hostname) };
}

/** Puts a backup in place of a region that has stopped; it starts again when all of it is there. */
async function restore(maas: Installation, mark: string, here: string): Promise<void> {
  const text = await readFileIfExists(mark);
  if (text === undefined) return;
  await maas.pauseRegion();
  await unpackBackup(maas, Restoring.parse(JSON.parse(text)), here);
  await rm(mark);
  await maas.resumeRegion();
}

/** @throws {UserError} */
export async function createBackup(
  juju: RegionJuju,
  databaseBackup: string,
): Promise<Readonly<Record<string, string>>> {
  const { unit, region, options } = await read(juju);
  const { maas, hostname, packageVersion } = region;
  if (packageVersion === undefined) throw new WaitingError(`waiting for ${maas.name}`);
  const created = new Date().toISOString();
  const id = `${unit.replace('/', '-')}-${created.replaceAll(/[-:]|\.\d+/g, '')}`;
  const path = await writeBackup(maas, {
    id,
    created,
    unit,
    hostname,
    version: packageVersion,
    database: options['database-name'],
    'database-backup': databaseBackup,
  });
  return { 'backup-id': id, path, 'database-backup': databaseBackup };
}

/** Has a backup of this unit, or of one that is lost, put back; that is for the hooks. @throws {UserError} */
export async function restoreBackup(
  juju: RegionJuju,
  id: string,
  databaseBackup: string,
): Promise<Readonly<Record<string, string>>> {
  const state = await read(juju);
  const backups = await listBackups();
  const manifest = backups.find((backup) => backup.id === id);
  if (!manifest) {
    const known = backups.map((backup) => backup.id).join(', ') || 'none';
    throw new UserError(`there is no backup ${id} in ${BACKUP_FOLDER}; there is: ${known}`);
  }
  const problem = refusal(state, manifest, databaseBackup);
  if (problem !== undefined) throw new UserError(problem);
  await contentsOf(state.region.maas, join(BACKUP_FOLDER, `${id}.tar`));
  const restoring = { id, hostname: manifest.hostname };
  await replaceFile({ path: state.backup.restoreFile, content: JSON.stringify(restoring), mode: 0o600 });
  return { 'backup-id': id };
}

/** Why a backup is not for this unit; `undefined` where it is. */
export function refusal(
  { region: { packageVersion, hostname }, options, cluster }: State,
  manifest: Manifest,
  databaseBackup: string,
): string | undefined {
  const database = manifest['database-backup'];
  if (database !== databaseBackup)
    return `it belongs to the backup ${database} of the database, not to ${databaseBackup}: restore that one first`;
  if (manifest.database !== options['database-name'])
    return `it belongs to the database ${manifest.database}, and this unit uses ${options['database-name']}`;
  const version = majorMinor(manifest.version);
  if (packageVersion === undefined || majorMinor(packageVersion) !== version)
    return `it is of MAAS ${version}: deploy the source of ${version} first`;
  const owner = cluster.peers.find(
    (peer) => peer.hostname === manifest.hostname && peer.hostname !== hostname,
  );
  return (
    owner && `${owner.unit}, which it is of, is still there: restore it there, or remove that unit first`
  );
}
