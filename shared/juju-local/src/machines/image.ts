import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { command } from './command.ts';
import { lock } from './lock.ts';

/** What every machine has beside Debian's or Ubuntu's required packages. */
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'ca-certificates', 'procps', 'kmod'];

/** Units that would only disturb: their consoles and update timers belong to machines that stay. */
const MASKED = [
  'console-getty.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'systemd-firstboot.service',
];

/** How this host reaches its package archives. */
const APT_SETTINGS = [
  'etc/apt/sources.list',
  'etc/apt/sources.list.d',
  'etc/apt/apt.conf.d',
  'etc/apt/auth.conf.d',
  'etc/apt/keyrings',
  'etc/apt/trusted.gpg.d',
  'etc/ssl/certs',
  'usr/local/share/ca-certificates',
];

const DIES_WITH_US = ['setpriv', '--pdeathsig', 'KILL'] as const;
const NAMESPACES = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;
/** Runs a program whose processes and mounts all vanish when it is killed, or when this process is. */
const ALONE = [...DIES_WITH_US, ...NAMESPACES] as const;

/** Raise it when what `make` or `install` does changes. */
const RECIPE = 2;

interface ImageWork {
  readonly progress: (message: string) => void;
  readonly cancelSignal: AbortSignal;
}

/**
 * Makes the root file system that machines begin with, unless it is there.
 * @param packages what they have beside the base system
 * @returns the folders that overlayfs lays over each other, the uppermost first
 */
export async function rootImage(
  cache: string,
  packages: readonly string[],
  work: ImageWork,
): Promise<readonly string[]> {
  const base = await baseImage(cache, work);
  if (packages.length === 0) return [base];
  const names = [...new Set(packages)].sort();
  const digest = createHash('sha256').update(JSON.stringify(names)).digest('hex');
  const layer = `${base}-with-${digest.slice(0, 12)}`;
  await once(layer, (unfinished) => install(names, base, unfinished, work));
  return [layer, base];
}

async function baseImage(cache: string, work: ImageWork): Promise<string> {
  const release = parseEnv(await readFile('/etc/os-release', 'utf8'));
  const codename = release['VERSION_CODENAME'] ?? '';
  const sources = await aptSources();
  const digest = createHash('sha256')
    .update(JSON.stringify([RECIPE, codename, PACKAGES, MASKED, sources]))
    .digest('hex');
  const image = join(cache, 'roots', `${codename}-${digest.slice(0, 12)}`);
  await once(image, (unfinished) => make(unfinished, codename, mirrorOf(sources, codename), work));
  return image;
}

/** Makes a folder unless it is there, whole or not at all. */
async function once(folder: string, makeIn: (unfinished: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(dirname(folder), { recursive: true });
  // Another model may be at it.
  const unlock = await lock(join(dirname(folder), 'lock'), true);
  try {
    if (existsSync(folder)) return;
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    try {
      await makeIn(unfinished);
      await rename(unfinished, folder);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  } finally {
    unlock?.();
  }
}

async function make(
  root: string,
  codename: string,
  mirror: string,
  { progress, cancelSignal }: ImageWork,
): Promise<void> {
  const started = performance.now();
  progress(`making a root file system of ${codename}, once`);
  await command(
    [...ALONE, 'debootstrap', '--variant=minbase', `--include=${PACKAGES.join(',')}`, codename, root, mirror],
    { cancelSignal },
  );
  await configure(root);
  await command([...ALONE, 'chroot', root, 'apt-get', 'update', '-q'], { cancelSignal });
  progress(`made it in ${Math.round((performance.now() - started) / 1000)} s`);
}

/** Mounts a root and its /proc, and runs apt there; the mounts go with the namespace that this is to be run in. */
const APT_IN_LAYER =
  'options=$1 root=$2; shift 2; mount -t overlay overlay -o "$options" "$root" && mount -t proc proc "$root/proc" && exec chroot "$root" apt-get "$@"';

/** Installs packages over a root, into a folder that then has what differs. */
async function install(
  packages: readonly string[],
  base: string,
  layer: string,
  { progress, cancelSignal }: ImageWork,
): Promise<void> {
  progress(`installing ${packages.length} packages for all machines, once`);
  const [work, root] = [`${layer}-work`, `${layer}-root`];
  for (const folder of [work, root]) await mkdir(folder, { recursive: true });
  try {
    const options = `lowerdir=${base},upperdir=${layer},workdir=${work},volatile`;
    const apt = [...ALONE, 'sh', '-c', APT_IN_LAYER, 'sh', options, root] as const;
    await command([...apt, 'install', '-y', '-q', ...packages], { cancelSignal }).catch((error: unknown) => {
      const [, reason] = /^E: (.*)$/m.exec(String(error)) ?? [];
      throw reason === undefined ? error : new Error(`machine-packages cannot be installed: ${reason}`);
    });
    await rm(join(layer, 'var/cache/apt/archives'), { recursive: true, force: true });
  } finally {
    for (const folder of [work, root]) await rm(folder, { recursive: true, force: true });
  }
}

async function configure(root: string): Promise<void> {
  for (const path of APT_SETTINGS) {
    await rm(join(root, path), { recursive: true, force: true });
    if (!existsSync(`/${path}`)) continue;
    await cp(`/${path}`, join(root, path), { recursive: true, verbatimSymlinks: true });
  }
  await cp('/etc/resolv.conf', join(root, 'etc/resolv.conf'), { dereference: true });
  await writeFile(
    join(root, 'etc/dpkg/dpkg.cfg.d/juju-local'),
    'force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n',
  );
  // Container images of Debian delete downloaded packages at once; the next machine needs them.
  await rm(join(root, 'etc/apt/apt.conf.d/docker-clean'), { force: true });
  // Commands on a machine reach its units as on Juju's own.
  await symlink('/var/lib/juju/hook-tool', join(root, 'usr/bin/juju-exec'));
  for (const unit of MASKED) await symlink('/dev/null', join(root, 'etc/systemd/system', unit));
  await rm(join(root, 'etc/hostname'), { force: true });
  // Empty, so that each machine makes one up; a missing one would mean a first boot that asks questions.
  await writeFile(join(root, 'etc/machine-id'), '');
  await rm(join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
  await mkdir(join(root, 'var/cache/apt/archives/partial'), { recursive: true });
}

/** The text of all apt sources of this host. */
async function aptSources(): Promise<readonly string[]> {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder)
    ? (await readdir(folder)).filter((name) => /\.(list|sources)$/.test(name))
    : [];
  const files = ['/etc/apt/sources.list', ...names.sort().map((name) => join(folder, name))].filter((file) =>
    existsSync(file),
  );
  return Promise.all(files.map((file) => readFile(file, 'utf8')));
}

/** Where this host gets its own release from, in either format of sources.list(5). */
function mirrorOf(sources: readonly string[], codename: string): string {
  for (const text of sources) {
    for (const stanza of text.split(/\n\s*\n/)) {
      const uri = /^URIs:\s*(\S+)/m.exec(stanza)?.[1];
      const suites = /^Suites:\s*(.+)$/m.exec(stanza)?.[1]?.split(/\s+/) ?? [];
      if (uri !== undefined && suites.includes(codename)) return uri;
    }
    const line = new RegExp(`^deb\\s+(?:\\[[^\\]]*\\]\\s+)?(\\S+)\\s+${codename}\\s`, 'm').exec(text);
    if (line?.[1] !== undefined) return line[1];
  }
  throw new Error(`no apt source of this host has ${codename}`);
}
