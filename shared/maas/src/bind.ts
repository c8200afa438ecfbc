import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfExists, tryRun, type Argv } from 'juju-ts-host';
import { inOwnEnvironment } from './environment.ts';

/**
 * Has BIND's own options include MAAS' no more, before the packages of a region are purged. Their scripts delete the file,
 * and leave the include: MAAS itself has written it to the end of a line, where they do not look. named would not start
 * again, where it stays for a rack or was there before MAAS.
 * @param root so that tests can have it elsewhere
 */
export async function leaveBind(root = '/'): Promise<void> {
  const include = String.raw`include "[^"]*/maas/named\.conf\.options\.inside\.maas";`;
  await attempt(['sed', '--in-place', `s,${include},,`, join(root, 'etc/bind/named.conf.options')]);
}

/**
 * Gives the rack of this machine its part of BIND's configuration again, which the scripts of `maas-region-api` take away
 * when that is purged: until MAAS 3.6 rackd writes there where it asks for names, and without the folder it only fails.
 * As the rack's own package does it; to install that anew would restart rackd, and DHCP with it.
 * @param root so that tests can have it elsewhere
 */
export async function restoreRackDns(root = '/'): Promise<void> {
  const bind = join(root, 'etc/bind');
  const folder = join(bind, 'maas');
  const common = (...args: readonly string[]): Argv =>
    inOwnEnvironment([join(root, 'usr/lib/maas/maas-common'), ...args]);
  const local = join(bind, 'named.conf.local');
  const isSetUp = existsSync(join(folder, 'named.conf.maas'));
  const isIncluded = /^include\s.*maas/m.test((await readFileIfExists(local)) ?? '');
  await mkdir(folder, { recursive: true });
  for (const argv of [
    // What rackd has written since is not thrown away.
    ...(isSetUp ? [] : [common('setup-dns')]),
    ['chown', '--recursive', 'maas:maas', folder],
    ['chgrp', 'bind', join(folder, 'named.conf.rndc.maas')],
    ['chmod', '640', join(folder, 'named.conf.rndc.maas')],
    ['chmod', '600', join(folder, 'rndc.conf.maas')],
    ...(isIncluded ? [] : [common('get-named-conf', '--edit', '--config-path', local)]),
    common('edit-named-options', '--config-path', join(bind, 'named.conf.options')),
    // systemd has perhaps given it up in between.
    ['systemctl', 'reset-failed', 'named.service'],
  ] satisfies readonly Argv[])
    await attempt(argv);
  // One that somebody has disabled is not missed.
  const { exitCode } = await tryRun(['systemctl', 'is-enabled', '--quiet', 'named.service']);
  if (exitCode === 0) await attempt(['systemctl', 'restart', 'named.service']);
}

/** What fails is in the log: it keeps no region from going. */
async function attempt(argv: Argv): Promise<void> {
  const { exitCode, stderr } = await tryRun(argv);
  if (exitCode !== 0) process.stderr.write(`${argv.join(' ')}: ${stderr}\n`);
}
