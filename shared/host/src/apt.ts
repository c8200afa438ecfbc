import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from './errors.ts';
import { deleteFile, readFileIfExists, replaceFile } from './files.ts';
import { osRelease } from './os.ts';
import { proxyEnvironment } from './proxy.ts';
import { lastLines, run, tryRun, type Argv, type RunResult } from './run.ts';
import { hideCredentials, renderSource, type Source } from './source.ts';

/** Seconds to wait for another program that uses apt or dpkg, for example unattended-upgrades. */
const LOCK_TIMEOUT = 600;
/** How often a removal is tried, and how long it waits for the next time, in milliseconds: scripts of packages fail for a moment. */
const REMOVAL_TRIES = 3;
const REMOVAL_PAUSE = 5000;

/** What is never removed, though a charm brought it: who may become root with it could not any more, and it refuses where root has no password. */
const NEVER_REMOVED = ['sudo'];

function environment(): Readonly<Record<string, string>> {
  return {
    DEBIAN_FRONTEND: 'noninteractive',
    APT_LISTCHANGES_FRONTEND: 'none',
    NEEDRESTART_SUSPEND: '1',
    ...proxyEnvironment(),
  };
}
const OPTIONS = [
  '-o',
  `DPkg::Lock::Timeout=${LOCK_TIMEOUT}`,
  '-o',
  'Dpkg::Options::=--force-confdef',
  '-o',
  'Dpkg::Options::=--force-confold',
] as const;

const NO_PACKAGE = /Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate/;

/** Which of these packages are installed, with their versions. */
export async function installedPackages(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  const format = '${Package} ${Version} ${db:Status-Abbrev}\\n';
  // It exits with 1 when it does not know one of them, and still tells about the others.
  const { stdout } = await tryRun(['dpkg-query', '--show', `--showformat=${format}`, ...names]);
  return new Map(
    stdout.split('\n').flatMap((line) => {
      const [name, version, status] = line.split(' ');
      // The first letter is what is wanted of it (`h`: held), the second what it is.
      return name !== undefined && version !== undefined && status?.[1] === 'i'
        ? [[name, version] as const]
        : [];
    }),
  );
}

/** The version of an installed package. */
export async function installedVersion(name: string): Promise<string | undefined> {
  return (await installedPackages([name])).get(name);
}

/** The newest version of a package in the sources of this machine. An installed version does not count. */
export async function offeredVersion(name: string): Promise<string | undefined> {
  // One line for each version and source, the newest first: ` name | version | where`.
  const { stdout } = await tryRun(['apt-cache', 'madison', name]);
  return stdout.split('\n')[0]?.split('|')[1]?.trim();
}

/** Whether one version comes before another, as dpkg orders them. */
export async function isOlder(version: string, other: string): Promise<boolean> {
  const { exitCode } = await tryRun(['dpkg', '--compare-versions', version, 'lt', other]);
  return exitCode === 0;
}

/** Downloads the package lists of every source again. @throws {HostError} `apt` */
export async function refreshPackageLists(): Promise<void> {
  await update([]);
}

/**
 * Downloads packages with their dependencies, without installing them. It fails if they cannot be installed here.
 * @throws {HostError} `apt`
 */
export async function downloadPackages(names: readonly string[], version: string): Promise<void> {
  const wanted = names.map((name) => `${name}=${version}`);
  const result = await withFreshLists(() => apt('install', ['--download-only', ...CHANGES_HELD, ...wanted]));
  if (result.exitCode !== 0) throw aptError(`${names.join(', ')} ${version} cannot be installed`, result);
}

/**
 * @param version of every one of them; absent: the one that apt prefers
 * @param isHeld whether they are held back from upgrades of the whole machine, which this is none of
 * @throws {HostError} `apt`
 */
export async function installPackages(
  names: readonly string[],
  version?: string,
  isHeld = false,
): Promise<void> {
  const wanted = [
    ...(isHeld ? CHANGES_HELD : []),
    ...(version === undefined ? names : names.map((name) => `${name}=${version}`)),
  ];
  const result = await withFreshLists(async () => {
    const first = await apt('install', wanted);
    if (!/dpkg was interrupted/.test(first.stderr)) return first;
    await run(['dpkg', '--configure', '-a', '--force-confdef', '--force-confold'], { env: environment() });
    return apt('install', wanted);
  });
  if (result.exitCode !== 0) throw aptError(`${names.join(', ')} could not be installed`, result);
}

/** What is held is changed as well. */
const CHANGES_HELD = ['--allow-change-held-packages'];

/** What apt says where its lists do not fit what the archive has now, or do not fit each other. */
const STALE =
  /Unable to locate package|404 +Not Found|has no installation candidate|^E: Version .* was not found|unmet dependencies|Hash Sum mismatch|could not be parsed|Unable to correct problems/m;

/** Tries again with lists that were just read, where it may be those that are in the way. */
async function withFreshLists(attempt: () => Promise<RunResult>): Promise<RunResult> {
  if (!(await hasPackageLists())) await update([]);
  const result = await attempt();
  if (result.exitCode === 0 || !STALE.test(result.stdout + result.stderr)) return result;
  await update([]);
  return attempt();
}

/** Which of these packages are held back from upgrades of the whole machine. */
export async function heldPackages(names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const { stdout } = await tryRun(['apt-mark', 'showhold', ...names]);
  return new Set(stdout.split('\n').filter((name) => names.includes(name)));
}

/** @throws {HostError} */
export async function holdPackages(
  names: readonly string[],
  verb: 'hold' | 'unhold' = 'hold',
): Promise<void> {
  if (names.length > 0) await run(['apt-mark', verb, ...names]);
}

/** The packages that are not installed, and would be with these: themselves, and what they depend on. */
export async function packagesBroughtBy(names: readonly string[]): Promise<readonly string[]> {
  if (!(await hasPackageLists())) await update([]);
  const { stdout } = await apt('install', ['--simulate', ...names]);
  // `Inst name (version …)`; what is only upgraded has its old version in brackets first.
  return [...stdout.matchAll(/^Inst (\S+) \(/gm)].map(([, name = '']) => name);
}

/** Those of these packages that nothing needs any more once others are gone; none that was installed for its own sake. */
export async function unneededPackages(
  names: readonly string[],
  gone: readonly string[],
): Promise<readonly string[]> {
  const installed = await installedPackages(names);
  const left = names.filter((name) => installed.has(name) && !gone.includes(name));
  // What a charm has not asked for by its name is no less part of the machine than what was there before.
  const essential = await essentialPackages(left, ['required', 'important']);
  const candidates = left.filter((name) => !essential.has(name));
  if (candidates.length === 0) return [];
  const unneeded = await removedWith(['--autoremove', ...gone]);
  return candidates.filter((name) => unneeded.has(name));
}

/**
 * Those of these packages that may go: each without another one going with it, other than those.
 * @param brought what came with them, and goes with them
 */
export async function removablePackages(
  names: readonly string[],
  brought: readonly string[],
): Promise<readonly string[]> {
  const essential = await essentialPackages(names, ['required']);
  let removable = names.filter((name) => !essential.has(name));
  const wanted = removable.length === 0 ? new Set() : await wantedPackages(brought);
  while (removable.length > 0) {
    const mayGo = new Set([...removable, ...brought.filter((name) => !wanted.has(name))]);
    const fits = async (gone: readonly string[]): Promise<boolean> =>
      [...(await removedWith(gone))].every((name) => mayGo.has(name));
    // Mostly all may go, and apt takes seconds for each answer.
    if (await fits(removable)) break;
    const each = await Promise.all(removable.map((name) => fits([name])));
    const left = removable.filter((_, index) => each[index]);
    // Where something needs either of two, each may go for itself, and not both.
    removable = left.length < removable.length ? left : left.slice(1);
  }
  return removable;
}

/** What would be removed with these packages, themselves included. */
async function removedWith(args: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await apt('purge', ['--simulate', ...CHANGES_HELD, ...args]);
  return new Set([...stdout.matchAll(/^(?:Remv|Purg) (\S+) /gm)].map(([, name = '']) => name));
}

/** Those of these packages that somebody has installed for their own sake since. */
async function wantedPackages(names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  return new Set((await tryRun(['apt-mark', 'showmanual', ...names])).stdout.split('\n'));
}

/**
 * Those of these packages that a machine cannot do without.
 * @param priorities of packages that count as such: https://www.debian.org/doc/debian-policy/ch-archive.html#priorities
 */
async function essentialPackages(
  names: readonly string[],
  priorities: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const format = '${Package} ${Essential} ${Protected} ${Priority}\\n';
  const { stdout } = await tryRun(['dpkg-query', '--show', `--showformat=${format}`, ...names]);
  const lines = stdout
    .split('\n')
    .filter((line) => line.split(' ').some((word) => word === 'yes' || priorities.includes(word)));
  return new Set([...lines.map((line) => line.split(' ')[0] ?? ''), ...NEVER_REMOVED]);
}

/**
 * With their configuration. What dpkg says of a try that fails is in the log of the hook.
 * @param pause before the next try, in milliseconds
 * @throws {HostError} `apt`, when every try failed
 */
export async function removePackages(names: readonly string[], pause = REMOVAL_PAUSE): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await apt('purge', [...CHANGES_HELD, ...names]);
    if (result.exitCode === 0) return;
    process.stderr.write(`apt-get purge ${names.join(' ')}:\n${result.stdout}\n${result.stderr}\n`);
    if (attempt === REMOVAL_TRIES) throw aptError(`${names.join(', ')} could not be removed`, result);
    await sleep(pause);
  }
}

/** Where an apt source is written. */
export function sourceFile(name: string): string {
  return `/etc/apt/sources.list.d/${name}.sources`;
}

/**
 * Puts a source in place and reads its package lists. One that cannot be read is taken away again, so that apt
 * goes on working with what it had.
 * @throws {HostError} `source`
 */
export async function setSource(name: string, source: Source): Promise<void> {
  const path = sourceFile(name);
  switch (source.kind) {
    case 'none':
      await deleteFile(path);
      return;
    case 'snap':
      throw new HostError(
        'source',
        'bug',
        `${source.channel} is a channel of the snap store, and no source of apt`,
      );
    case 'ppa':
      await deleteFile(path);
      await addPpa(source.owner, source.name);
      return;
    case 'deb': {
      const before = await readFileIfExists(path);
      const content = renderSource(source);
      const mode = hideCredentials(content) === content ? 0o644 : 0o600;
      await replaceFile({ path, content, mode });
      try {
        await update([
          '-o',
          `Dir::Etc::sourcelist=${path}`,
          '-o',
          'Dir::Etc::sourceparts=-',
          '-o',
          'APT::Get::List-Cleanup=0',
        ]);
        // Beside the others it may be in conflict with one of them, which stops all of apt.
        const all = await tryRun(['apt-get', 'indextargets', '-q'], { env: environment() });
        if (all.exitCode !== 0) throw aptError('apt cannot use it', all);
      } catch (error) {
        // The same text from before is what a crash kept from being taken away again.
        if (before === undefined || before === content) await deleteFile(path);
        else await replaceFile({ path, content: before, mode });
        throw unusable(source, error);
      }
    }
  }
}

function unusable({ uri, suite }: Extract<Source, { kind: 'deb' }>, error: unknown): HostError {
  const reason = error instanceof Error ? error.message : String(error);
  const message = `source: apt cannot use ${uri} ${suite}, check the deb line and its key: ${reason}`;
  return new HostError('source', 'user', hideCredentials(message), { cause: error });
}

/** Takes a PPA away that `setSource` put in place; the packages from it stay. */
export async function removePpa(owner: string, name: string): Promise<void> {
  await tryRun(['add-apt-repository', '--yes', '--remove', `ppa:${owner}/${name}`], { env: environment() });
}

async function addPpa(owner: string, name: string): Promise<void> {
  const { id, version } = await osRelease();
  if (id !== 'ubuntu') {
    throw new HostError(
      'source',
      'user',
      `source=ppa:${owner}/${name}: PPAs are for Ubuntu and this is ${id} ${version}: set source= to a deb line and its key`,
    );
  }
  if (!existsSync('/usr/bin/add-apt-repository')) await installPackages(['software-properties-common']);
  const result = await tryRun(['add-apt-repository', '--yes', `ppa:${owner}/${name}`], {
    env: environment(),
  });
  if (result.exitCode !== 0) {
    throw new HostError(
      'source',
      'user',
      `source=ppa:${owner}/${name} cannot be used here: ${lastLines(result.stderr)}`,
    );
  }
}

async function update(options: readonly string[]): Promise<void> {
  const argv: Argv = ['apt-get', 'update', '-q', ...OPTIONS, '-o', 'APT::Update::Error-Mode=any', ...options];
  const end = performance.now() + LOCK_TIMEOUT * 1000;
  for (;;) {
    const result = await tryRun(argv, { env: environment(), timeout: 1_800_000 });
    if (result.exitCode === 0) return;
    // The timeout of apt is for dpkg alone: of two that read the lists, one fails at once.
    if (!/^E: Could not get lock/m.test(result.stderr) || performance.now() > end)
      throw aptError('the package lists could not be read', result);
    await sleep(1000);
  }
}

function apt(verb: 'install' | 'purge', names: readonly string[]): Promise<RunResult> {
  return tryRun(['apt-get', verb, '-y', '-q', ...OPTIONS, ...names], {
    env: environment(),
    timeout: 3_600_000,
  });
}

function aptError(what: string, { stdout, stderr }: RunResult): HostError {
  const errors = (stderr || stdout)
    .split('\n')
    .filter((line) => /^(E: |W: |dpkg: error)/.test(line))
    .map((line) => line.replace(/^[EW]: /, ''));
  const missing = NO_PACKAGE.exec(stderr)
    ?.slice(1)
    .find((name) => name !== undefined);
  if (missing !== undefined) {
    return new HostError(
      'apt',
      'user',
      `no source of this machine has the package ${missing}: set source= to one that has`,
    );
  }
  if (/unmet dependencies/.test(stdout + stderr)) {
    return new HostError(
      'apt',
      'user',
      `${what}, because these packages are not for this machine: set source= to packages for its release`,
    );
  }
  return new HostError(
    'apt',
    'retry',
    `${what}, and will be tried again: ${lastLines(errors.join('\n') || stderr)}`,
  );
}

async function hasPackageLists(): Promise<boolean> {
  try {
    return (await readdir('/var/lib/apt/lists')).some((name) => name.includes('_Packages'));
  } catch {
    return false;
  }
}
