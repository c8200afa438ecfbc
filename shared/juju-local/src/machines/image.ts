import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
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

/** Raise it when what `build` does changes. */
const RECIPE = 2;

/** Makes the root file system that all machines begin with, unless it is there, and returns its folder. */
export async function rootImage(
  cache: string,
  progress: (message: string) => void,
  cancelSignal: AbortSignal,
): Promise<string> {
  const release = parseEnv(await readFile('/etc/os-release', 'utf8'));
  const codename = release['VERSION_CODENAME'] ?? '';
  const sources = await aptSources();
  const digest = createHash('sha256')
    .update(JSON.stringify([RECIPE, codename, PACKAGES, MASKED, sources]))
    .digest('hex');
  const image = join(cache, 'roots', `${codename}-${digest.slice(0, 12)}`);
  if (existsSync(image)) return image;
  await mkdir(join(cache, 'roots'), { recursive: true });
  // Another model may be at it.
  const unlock = await lock(join(cache, 'roots', 'lock'), true);
  try {
    if (existsSync(image)) return image;
    await make(image, codename, mirrorOf(sources, codename), progress, cancelSignal);
  } finally {
    unlock?.();
  }
  return image;
}

async function make(
  image: string,
  codename: string,
  mirror: string,
  progress: (message: string) => void,
  cancelSignal: AbortSignal,
): Promise<void> {
  const unfinished = `${image}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const started = performance.now();
  progress(`making a root file system of ${codename}, once`);
  await command(
    [
      ...ALONE,
      'debootstrap',
      '--variant=minbase',
      `--include=${PACKAGES.join(',')}`,
      codename,
      unfinished,
      mirror,
    ],
    { cancelSignal },
  );
  await configure(unfinished);
  await command([...ALONE, 'chroot', unfinished, 'apt-get', 'update', '-q'], { cancelSignal });
  await rename(unfinished, image);
  progress(`made it in ${Math.round((performance.now() - started) / 1000)} s`);
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
