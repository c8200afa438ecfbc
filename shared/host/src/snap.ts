import { HostError } from './errors.ts';
import { lastLines, tryRun, type Argv, type RunResult } from './run.ts';

/** A snap comes with all that it needs, and is a few hundred megabytes. In milliseconds. */
const CHANGE_TIMEOUT = 3_600_000;
/** So that what is printed is the same wherever it is. */
const PLAIN = ['--color=never', '--unicode=never'] as const;

/** An installed snap, as `snap list` shows it. */
export interface InstalledSnap {
  readonly version: string;
  /** Its channel: `3.7/stable`. */
  readonly channel: string;
  /** Whether it is held, so that snapd does not refresh it by itself. */
  readonly isHeld: boolean;
}

/** The installed snap; `undefined` if it is not installed, or there is no snapd. */
export async function installedSnap(name: string): Promise<InstalledSnap | undefined> {
  const { exitCode, stdout } = await tryRun(['snap', 'list', ...PLAIN, name]);
  // Name, version, revision, channel, publisher, notes.
  const fields = stdout.split('\n')[1]?.trim().split(/\s+/) ?? [];
  const [, version, , channel, , notes = ''] = fields;
  if (exitCode !== 0 || version === undefined || channel === undefined) return undefined;
  return { version, channel, isHeld: notes.split(',').includes('held') };
}

/**
 * The version in a channel of the store.
 * @throws {HostError} `snap`, with snap's own words
 */
export async function offeredSnap(name: string, channel: string): Promise<string> {
  const result = await tryRun(['snap', 'info', ...PLAIN, name]);
  if (result.exitCode !== 0) throw snapError(`snap ${name} cannot be looked for`, result);
  const lines = result.stdout.split('\n');
  const start = lines.indexOf('channels:');
  if (start === -1)
    throw new HostError('snap', 'retry', `the snap store does not say what channels ${name} has`);
  let open: string | undefined;
  for (const line of lines.slice(start + 1)) {
    const [, track = '', risk = '', version = ''] = /^ {2}([^/\s]+)\/([^:\s]+):\s+(\S+)/.exec(line) ?? [];
    if (track !== channel.split('/')[0]) continue;
    // What is closed has what the next more stable channel has: `^`; or nothing: `--`.
    if (version !== '^') open = version === '--' ? undefined : version;
    if (`${track}/${risk}` === channel && open !== undefined) return open;
  }
  throw new HostError(
    'snap',
    'user',
    `snap ${name} has no channel ${channel}: set source= to one that snap info ${name} shows`,
  );
}

/** Installs a snap from a channel. @throws {HostError} `snap` */
export async function installSnap(name: string, channel: string): Promise<void> {
  // A snapd that has just been installed takes a while.
  await change(`snapd is not ready`, ['wait', 'system', 'seed.loaded']);
  await change(`snap ${name} could not be installed`, ['install', `--channel=${channel}`, name]);
}

/**
 * Refreshes a snap to what its channel has now.
 * @throws {HostError} `snap`; also where that is another version than the one that is wanted
 */
export async function refreshSnap(name: string, channel: string, version: string): Promise<void> {
  await change(`snap ${name} could not be refreshed`, ['refresh', `--channel=${channel}`, name]);
  const now = (await installedSnap(name))?.version;
  if (now !== version)
    throw new HostError(
      'snap',
      'user',
      `${channel} has ${now} of ${name} now, and no more ${version}: look for it again`,
    );
}

/** Switches a snap to another channel, without refreshing it. @throws {HostError} `snap` */
export async function switchSnap(name: string, channel: string): Promise<void> {
  await change(`snap ${name} cannot follow ${channel}`, ['switch', `--channel=${channel}`, name]);
}

/** Has snapd not refresh a snap by itself any more; snapd can from 2.58 on. @throws {HostError} `snap` */
export async function holdSnap(name: string): Promise<void> {
  await change(`snap ${name} cannot be held`, ['refresh', '--hold=forever', name]);
}

/** With all of its data, and without a snapshot of it. @throws {HostError} `snap` */
export async function removeSnap(name: string): Promise<void> {
  await change(`snap ${name} could not be removed`, ['remove', '--purge', name]);
}

async function change(what: string, args: readonly string[]): Promise<void> {
  const argv: Argv = ['snap', ...args];
  const result = await tryRun(argv, { timeout: CHANGE_TIMEOUT });
  if (result.exitCode !== 0) throw snapError(what, result);
}

/** What no waiting mends: a name, a channel or an architecture that there is not, or a snapd that is too old. */
const FINAL =
  /not found|not available|no snap found|is not valid|cannot parse channel|unknown flag|classic confinement|requires devmode|assumes unsupported features/;

function snapError(what: string, { stdout, stderr }: RunResult): HostError {
  const said = (stderr || stdout)
    .replace(/^error: /m, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  if (/unknown flag/.test(said))
    return new HostError('snap', 'user', `${what}: ${said}: sudo snap install snapd brings a newer one`);
  return FINAL.test(said)
    ? new HostError('snap', 'user', `${what}: set source= to another channel: ${said}`)
    : new HostError('snap', 'retry', `${what}, and will be tried again: ${lastLines(said, 1)}`);
}
