import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, tryRun } from '@maas-ha/host';
import { connectedRegions, type Installation } from '@maas-ha/maas';
import { NotYetError } from 'juju-ts-ops';

/** How long a hook waits for a region to take the rack in, in milliseconds; it takes a few seconds. */
const REGISTRATION_TIMEOUT = 30_000;
/** How long one that has lost every region takes to find them again, in milliseconds; it tries every few seconds. */
const RETURN_TIMEOUT = 10_000;

/** Waits until a region has taken this rack in. @param version of MAAS: `3.7` @throws {NotYetError} */
export async function awaitRegistration(maas: Installation, version: string): Promise<void> {
  if (!(await isTakenIn(REGISTRATION_TIMEOUT)))
    throw new NotYetError(
      `waiting for a region to take this rack in; ${maas.log('rack', version)} says why not`,
    );
}

async function isTakenIn(patience: number): Promise<boolean> {
  const end = performance.now() + patience;
  while ((await connectedRegions(undefined)) === 0) {
    if (performance.now() > end) return false;
    await sleep(500);
  }
  return true;
}

/**
 * Whether the secret has been written since rackd started. It reads a secret once, and after five minutes without
 * one it runs with no service at all, though systemd calls it active.
 */
export async function isSecretNewer(maas: Installation, version: string): Promise<boolean> {
  const { stdout } = await tryRun(
    [
      'systemctl',
      'show',
      '--property=ActiveEnterTimestamp',
      '--value',
      `${maas.rackService(version)}.service`,
    ],
    { env: { TZ: 'UTC' } },
  );
  const started = Date.parse(stdout.trim().replace(/^\w+ /, ''));
  try {
    // systemd shows whole seconds.
    return (await stat(maas.secretFile)).mtimeMs >= started + 1000;
  } catch {
    return false;
  }
}

/**
 * Restarts rackd where it does not find its regions again by itself. A region on this machine writes the secret anew
 * whenever it starts, and for a moment no region may have this rack.
 */
export async function wakeRackd(service: string, patience = RETURN_TIMEOUT): Promise<void> {
  if (!(await isTakenIn(patience))) await run(['systemctl', 'restart', `${service}.service`]);
}
