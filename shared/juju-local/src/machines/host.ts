import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt } from './command.ts';

/** Programs that machines are made with, and the Debian package of each. */
const PROGRAMS = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  nft: 'nftables',
  ip: 'iproute2',
  nsenter: 'util-linux',
};

const FOLDERS = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];

/**
 * What this host lacks to run machines, each with what to do about it.
 * @param folders where programs are looked for
 */
export async function missingOnHost(folders: readonly string[] = FOLDERS): Promise<readonly string[]> {
  const problems = Object.entries(PROGRAMS)
    .filter(([program]) => !folders.some((folder) => existsSync(join(folder, program))))
    .map(([program, debian]) => `${program} is not installed: apt-get install ${debian}`);
  const known = async () => (await readFile('/proc/filesystems', 'utf8')).includes('\toverlay\n');
  if (!(await known())) {
    await attempt(['modprobe', 'overlay']);
    if (!(await known())) problems.push('the kernel has no overlay file system: modprobe overlay');
  }
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers') && !existsSync('/sys/fs/cgroup/systemd'))
    problems.push('no cgroup hierarchy is mounted at /sys/fs/cgroup');
  return problems;
}
