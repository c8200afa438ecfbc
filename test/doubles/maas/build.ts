// Makes the stand-in MAAS packages and signs them into apt repositories, one for each version.
//   node test/doubles/maas/build.ts <folder>     which machines see as /srv/maas-apt
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { lock } from '../../../shared/juju-local/src/machines/lock.ts';
import { packagesOf, SNAPD, type Package } from './packages.ts';

/** Where machines see the repositories. */
export const MACHINE_FOLDER = '/srv/maas-apt';
export const VERSIONS = ['3.4', '3.7'] as const;
/** The stand-in snapd, on machines: to be installed before a charm wants a snapd. */
export const SNAPD_PACKAGE = `${MACHINE_FOLDER}/snap/${SNAPD.name}_${SNAPD.version}_all.deb`;
export type Version = (typeof VERSIONS)[number];

/**
 * Makes the repositories in `folder`, unless they are there already, and gives the text of the charms' option
 * `source` for each version.
 */
export async function buildMaasRepository(folder: string): Promise<Readonly<Record<Version, string>>> {
  const files = join(import.meta.dirname, 'files');
  const inputs = await Promise.all(
    [
      ...(await modulesIn(files)).map((path) => join(files, path)),
      join(import.meta.dirname, 'packages.ts'),
      import.meta.filename,
    ].map((path) => readFile(path)),
  );
  const digest = createHash('sha256').update(Buffer.concat(inputs)).digest('hex');
  const marker = join(folder, 'digest');
  await mkdir(dirname(folder), { recursive: true });
  const unlock = await lock(`${folder}.lock`, true);
  try {
    if (!existsSync(marker) || (await readFile(marker, 'utf8')) !== digest) {
      const unfinished = `${folder}.unfinished`;
      await rm(unfinished, { recursive: true, force: true });
      await build(unfinished, files);
      await writeFile(join(unfinished, 'digest'), digest);
      await rm(folder, { recursive: true, force: true });
      await rename(unfinished, folder);
    }
  } finally {
    unlock?.();
  }
  const key = await readFile(join(folder, 'key.asc'), 'utf8');
  const source = (version: Version): string => `deb file:${MACHINE_FOLDER}/${version} ./\n${key}`;
  return { '3.4': source('3.4'), '3.7': source('3.7') };
}

async function build(folder: string, files: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'maas-double-'));
  try {
    const gpg = (args: readonly string[], input = ''): Promise<{ stdout: string }> =>
      execa(
        'gpg',
        [
          '--homedir',
          join(work, 'gnupg'),
          '--batch',
          '--quiet',
          '--pinentry-mode',
          'loopback',
          '--passphrase',
          '',
          ...args,
        ],
        { input },
      );
    await mkdir(join(work, 'gnupg'), { mode: 0o700 });
    await gpg(['--quick-generate-key', 'MAAS stand-in', 'rsa2048', 'sign', '1y']);
    for (const version of VERSIONS) {
      const repository = join(folder, version);
      await mkdir(repository, { recursive: true });
      for (const definition of packagesOf(version))
        await makePackage(definition, join(work, version), repository, files);
      const { stdout: packages } = await execa('apt-ftparchive', ['packages', '.'], { cwd: repository });
      await writeFile(join(repository, 'Packages'), `${packages}\n`);
      const { stdout: release } = await execa('apt-ftparchive', ['release', '.'], { cwd: repository });
      await writeFile(join(repository, 'InRelease'), (await gpg(['--clear-sign'], `${release}\n`)).stdout);
    }
    await mkdir(join(folder, 'snap'));
    await makePackage(SNAPD, join(work, 'snap'), join(folder, 'snap'), files);
    const { stdout: key } = await gpg(['--armor', '--export']);
    await writeFile(join(folder, 'key.asc'), key);
    await execa('gpgconf', ['--homedir', join(work, 'gnupg'), '--kill', 'all']);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The code of the stand-ins, by path in their folder; not what Python has compiled there. */
async function modulesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.py')).sort();
}

async function makePackage(
  { name, version, depends, folders = [], files, postinst, postrm, code }: Package,
  work: string,
  repository: string,
  source: string,
) {
  const root = join(work, name);
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: nobody <nobody@example.com>',
    ...(depends.length > 0 ? [`Depends: ${depends.join(', ')}`] : []),
    'Description: stand-in for tests',
    '',
  ];
  const all = {
    ...files,
    'DEBIAN/control': control.join('\n'),
    'DEBIAN/postinst': `#!/bin/sh\nset -e\n${postinst}`,
    ...(postrm !== undefined && { 'DEBIAN/postrm': `#!/bin/sh\nset -e\n${postrm}` }),
  };
  for (const [path, content] of Object.entries(all)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
    if (/^(usr\/s?bin\/|usr\/lib\/maas\/|DEBIAN\/post)/.test(path)) await chmod(join(root, path), 0o755);
  }
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  if (code) {
    const target = join(root, 'usr/lib/python3/dist-packages');
    await mkdir(target, { recursive: true });
    for (const path of await modulesIn(source)) await cp(join(source, path), join(target, path));
    // Daemons of the user maas cannot keep what they compile. Another version of Python passes over it.
    await execa('/usr/bin/python3', ['-m', 'compileall', '-q', target]);
  }
  await execa('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', root, repository]);
}

if (process.argv[1] === import.meta.filename) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('usage: node test/doubles/maas/build.ts <folder>');
  await buildMaasRepository(folder);
}
