import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';

/** The operating system: `{ id: 'ubuntu', version: '24.04' }`. https://www.freedesktop.org/software/systemd/man/os-release.html */
export async function osRelease(): Promise<{ readonly id: string; readonly version: string }> {
  const release = parseEnv(await readFile('/etc/os-release', 'utf8'));
  return { id: release['ID'] ?? 'linux', version: release['VERSION_ID'] ?? '' };
}

/** Whether this machine is a container, according to its systemd. https://systemd.io/CONTAINER_INTERFACE/ */
export function inContainer(): boolean {
  return existsSync('/run/systemd/container');
}
