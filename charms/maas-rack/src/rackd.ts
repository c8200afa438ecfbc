import { stat } from 'node:fs/promises';
import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectedRegions, registeredWith, type EventLoops, type Installation } from '@maas-ha/maas';
import { run, tryRun } from 'juju-ts-host';
import { WaitingError } from 'juju-ts-ops';

/** How long a hook waits for a region to take the rack in, in milliseconds; it takes a few seconds. */
const REGISTRATION_TIMEOUT = 30_000;
/** How long one that has lost every region takes to find them again, in milliseconds; it tries every few seconds. */
const RETURN_TIMEOUT = 10_000;

/** Waits until a region has taken this rack in. @param version of MAAS: `3.7` @throws {WaitingError} */
export async function awaitRegistration(maas: Installation, version: string): Promise<void> {
  if (!(await isTakenIn(maas, version, REGISTRATION_TIMEOUT)))
    throw new WaitingError(
      `waiting for a region to take this rack in; ${maas.log('rack', version)} says why not`,
    );
}

/**
 * How many of these regions have taken this rack in, and are connected.
 * @param regions absent: whatever regions there are
 */
export async function connectionsOf(
  maas: Installation,
  version: string,
  regions?: EventLoops,
): Promise<number> {
  return connectedRegions(regions, await registeredWith(maas, await startOf(maas, version)));
}

async function isTakenIn(maas: Installation, version: string, timeout: number): Promise<boolean> {
  const end = performance.now() + timeout;
  while ((await connectionsOf(maas, version)) === 0) {
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
  const started = await startOf(maas, version);
  try {
    // systemd shows whole seconds.
    return (await stat(maas.secretFile)).mtimeMs >= started + 1000;
  } catch {
    return false;
  }
}

/**
 * When the service that runs rackd started, in milliseconds since 1970; `NaN` where it does not run. The clock may have
 * been set since: then by what it showed or shows, whichever is earlier.
 */
async function startOf(maas: Installation, version: string): Promise<number> {
  const properties = ['ActiveEnterTimestamp', 'ActiveEnterTimestampMonotonic'] as const;
  const service = `${maas.rackService(version)}.service`;
  const { stdout } = await tryRun(['systemctl', 'show', `--property=${properties.join(',')}`, service], {
    env: { TZ: 'UTC' },
  });
  const [showed = '', monotonic = ''] = properties.map((name) =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1]?.trim(),
  );
  const shows = Date.now() - (uptime() * 1000 - Number(monotonic) / 1000);
  return Math.min(Date.parse(showed.replace(/^\w+ /, '')), shows);
}

/**
 * Restarts rackd where it does not find its regions again by itself. A region on this machine writes the secret anew
 * whenever it starts, and for a moment no region may have this rack.
 */
export async function wakeRackd(
  maas: Installation,
  version: string,
  timeout = RETURN_TIMEOUT,
): Promise<void> {
  if (!(await isTakenIn(maas, version, timeout)))
    await run(['systemctl', 'restart', `${maas.rackService(version)}.service`]);
}
