import { setTimeout as sleep } from 'node:timers/promises';
import { readFileIfExists, run, serviceStates } from 'juju-ts-host';
import { eventLoops, maasUrl, REGION_HTTP_PORT, shortName, type Installation } from '@maas-ha/maas';
import { WaitingError } from 'juju-ts-ops';
import { turnAway, welcome } from './door.ts';

/** How long a hook waits for regiond to serve, in milliseconds; it takes a quarter of a minute on a busy machine. */
const START_TIMEOUT = 90_000;
/** How long a region waits, before it restarts, for another one to serve in its place, in milliseconds. */
const OTHER_TIMEOUT = 60_000;

/**
 * The short host names of the regions that a region lists as alive, itself included once it has joined them;
 * `undefined` while it does not answer. The state of its systemd unit says nothing: regiond is `active` while it
 * tries to start for ever.
 */
export async function liveRegions(address = '127.0.0.1'): Promise<ReadonlySet<string> | undefined> {
  const regions = await eventLoops(maasUrl('http', address, REGION_HTTP_PORT));
  return regions && new Set(regions.keys());
}

/** Whose region is waited for. */
type Waiting = Pick<LocalRegion, 'maas' | 'hostname'> & { readonly version?: string };

/** Waits until regiond serves. @throws {WaitingError} */
export async function awaitServing({ maas, hostname, version }: Waiting): Promise<void> {
  if (!(await servesInTime(hostname)))
    throw new WaitingError(
      `waiting for regiond to serve; ${maas.log('region', version)} says why it does not`,
    );
}

async function servesInTime(hostname: string): Promise<boolean> {
  const end = performance.now() + START_TIMEOUT;
  while (!(await liveRegions())?.has(shortName(hostname))) {
    if (performance.now() > end) return false;
    await sleep(500);
  }
  return true;
}

/** A region on this machine. */
export interface LocalRegion {
  readonly maas: Installation;
  readonly services: readonly string[];
  readonly hostname: string;
}

/** Lets balancers find another region first, where one serves, and restarts this one then. */
export async function restartInTurn(
  region: LocalRegion,
  others: readonly string[],
  hasNewSecret = false,
): Promise<void> {
  if (await awaitAnother(others)) await turnAway();
  try {
    await restartRegion(region, hasNewSecret);
  } finally {
    await welcome();
  }
}

/**
 * Restarts what has read a regiond.conf that has changed since; what does not run reads it when it starts.
 * @param hasNewSecret whether regiond is to write another secret when it starts
 */
export async function restartRegion(
  { maas, services, hostname }: LocalRegion,
  hasNewSecret = false,
): Promise<void> {
  const isShared = maas.isOneService && maas.isInstalled('rack');
  const before = isShared ? await readFileIfExists(maas.secretFile) : undefined;
  const running = (await serviceStates(services)).filter(({ isRunning }) => isRunning);
  const units = running.map(({ name }) => name);
  // regiond needs those that serve with it, which would otherwise restart it a second time; it also writes Temporal's configuration.
  const first = units.filter((name) => maas.serving.includes(name));
  const restartServing = async (): Promise<void> => {
    await restart(first);
    // One that does not come back has been restarted all the same: what holds it up, another restart would not mend.
    if (first.length > 0) await servesInTime(hostname);
  };
  await restartServing();
  // A rack in the same service has read the secret, which it does once, before regiond wrote another one.
  if (isShared && (hasNewSecret || (await readFileIfExists(maas.secretFile)) !== before))
    await restartServing();
  await restart(units.filter((name) => !first.includes(name)));
}

async function restart(names: readonly string[]): Promise<void> {
  const units = names.map((name) => `${name}.service`);
  if (units.length > 0) await run(['systemctl', 'restart', ...units]);
}

/** Waits until one of the regions at these addresses serves; for a while only, because perhaps none can. @returns whether one does */
async function awaitAnother(addresses: readonly string[]): Promise<boolean> {
  const end = performance.now() + OTHER_TIMEOUT;
  while (addresses.length > 0 && performance.now() < end) {
    const answers = await Promise.all(addresses.map((address) => liveRegions(address)));
    if (answers.some((answer) => answer !== undefined)) return true;
    await sleep(1000);
  }
  return false;
}
