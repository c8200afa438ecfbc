import { mkdir, open, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HostError } from './errors.ts';
import { commandOf, lastLines, tryRun, type Argv } from './run.ts';

/** A value that must not be shown. */
export interface Secret {
  reveal(): string;
}

/** The desired state of a file. */
export interface WantedFile {
  readonly path: string;
  readonly content: string | Secret;
  /** Permission bits, `0o640`. */
  readonly mode: number;
  /** Name of a user; root if absent. */
  readonly owner?: string;
  /** Name of a group; root if absent. */
  readonly group?: string;
  /** A program that checks the new file, with `{}` for its path, before it replaces the old one. */
  readonly validate?: Argv;
  /**
   * Extracts the problem from that program's output; `undefined` if there is none. If absent, the exit code decides.
   */
  readonly complaint?: Complaint;
}

/** What is wrong with a file, by the exit code and the output of a program that checks it. */
export type Complaint = (exitCode: number | undefined, output: string) => string | undefined;

/** The text of a file; `undefined` if it does not exist. */
export async function readFileIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isNothingThere(error)) return undefined;
    throw error;
  }
}

/** Whether a file already is as it should be. */
export async function isAsWanted(file: WantedFile): Promise<boolean> {
  const current = await readFileIfExists(file.path);
  if (current !== textOf(file.content)) return false;
  const { mode, uid, gid } = await stat(file.path);
  const ids = await idsOf(file);
  return (mode & 0o7777) === file.mode && uid === ids.uid && gid === ids.gid;
}

/**
 * Replaces a file in one step, and creates its folder if necessary: whenever the machine stops, either the old or the
 * new file is complete. The next write removes the leftovers of an interrupted one (`<path>.new`).
 * @throws {HostError} `invalid-file` if its validator refuses it; the old file stays.
 */
export async function replaceFile(file: WantedFile): Promise<void> {
  const temporary = temporaryOf(file.path);
  const { uid, gid } = await idsOf(file);
  await mkdir(dirname(file.path), { recursive: true });
  await rm(temporary, { force: true });
  // Exclusive, because some folders belong to a service's user, who could have put a link to another file there.
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(textOf(file.content));
    await handle.chown(uid, gid);
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (file.validate) await validate(file, file.validate, temporary);
  await rename(temporary, file.path);
  const folder = await open(dirname(file.path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Deletes a file, and the leftovers of an interrupted write. */
export async function deleteFile(path: string): Promise<void> {
  await rm(temporaryOf(path), { force: true });
  await rm(path, { force: true });
  // systemd's settings for one unit: the folder was made for them.
  const folder = dirname(path);
  if (!/^\/etc\/systemd\/system\/[^/]+\.d$/.test(folder)) return;
  await rmdir(folder).catch((error: unknown) => {
    if (!isNothingThere(error) && codeOf(error) !== 'ENOTEMPTY') throw error;
  });
}

function temporaryOf(path: string): string {
  return `${path}.new`;
}

function isNothingThere(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Of an error of Node's. Where Node runs code in contexts, those are no instances of the context's Error. */
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function textOf(content: string | Secret): string {
  return typeof content === 'string' ? content : content.reveal();
}

async function validate(
  { path, complaint = complaintOf }: WantedFile,
  [program, ...args]: Argv,
  temporary: string,
): Promise<void> {
  const { exitCode, stdout, stderr } = await tryRun([
    program,
    ...args.map((arg) => arg.replace('{}', temporary)),
  ]);
  const said = complaint(exitCode, (stderr || stdout).replaceAll(temporary, path));
  if (said === undefined) return;
  await rm(temporary, { force: true });
  throw new HostError(
    'invalid-file',
    'user',
    `${path} stays as it was, because ${commandOf([program, ...args])[0]} refuses the new one: ${said}`,
  );
}

function complaintOf(exitCode: number | undefined, output: string): string | undefined {
  return exitCode === 0 ? undefined : lastLines(output);
}

async function idsOf({ owner = 'root', group = 'root' }: WantedFile): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([idIn('/etc/passwd', owner), idIn('/etc/group', group)]);
  return { uid, gid };
}

async function idIn(file: string, name: string): Promise<number> {
  const line = (await readFile(file, 'utf8')).split('\n').find((entry) => entry.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  if (line === undefined || !Number.isInteger(id))
    throw new HostError('invalid-file', 'bug', `${file} has no ${name}`);
  return id;
}
