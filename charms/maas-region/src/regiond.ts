import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, serviceStates, tryRun } from '@maas-ha/host';
import { eventLoops, isControllerInstalled, maasUrl, REGION_HTTP_PORT } from '@maas-ha/maas';
import { NotYetError } from 'juju-ts-ops';

/** How long a hook waits for regiond to serve, in milliseconds; it takes a quarter of a minute on a busy machine. */
const START_TIMEOUT = 90_000;
/** How long regiond may take to say goodbye, in milliseconds; the real one takes some ten seconds. */
const STOP_TIMEOUT = 30_000;
/** How long a region waits, before it restarts, for another one to serve in its place, in milliseconds. */
const OTHER_TIMEOUT = 60_000;

/** The services that read regiond.conf, in the order in which they start; MAAS before 3.5 has only the first. */
export const REGION_SERVICES = [
  'maas-regiond',
  'maas-apiserver',
  'maas-temporal',
  'maas-temporal-worker',
] as const;

/** Those of them that this MAAS has. */
export function installedServices(): readonly string[] {
  return REGION_SERVICES.filter((name) =>
    ['/usr/lib', '/lib'].some((folder) => existsSync(`${folder}/systemd/system/${name}.service`)),
  );
}

/**
 * The short host names of the regions that a region lists as alive, itself included once it has joined them;
 * `undefined` while it does not answer. The state of its systemd unit says nothing: regiond is `active` while it
 * tries to start for ever.
 */
export async function liveRegions(address = '127.0.0.1'): Promise<ReadonlySet<string> | undefined> {
  const regions = await eventLoops(maasUrl('http', address, REGION_HTTP_PORT));
  return regions && new Set(regions.keys());
}

/** `maas-1.example.com` → `maas-1`, as MAAS names a controller. */
export function shortName(hostname: string): string {
  return hostname.split('.')[0] ?? hostname;
}

/** Waits until regiond serves. @throws {NotYetError} */
export async function awaitServing(hostname: string): Promise<void> {
  if (!(await servesInTime(hostname)))
    throw new NotYetError('waiting for regiond to serve; journalctl -u maas-regiond says why it does not');
}

async function servesInTime(hostname: string): Promise<boolean> {
  const end = Date.now() + START_TIMEOUT;
  while (!(await liveRegions())?.has(shortName(hostname))) {
    if (Date.now() > end) return false;
    await sleep(500);
  }
  return true;
}

/** Starts the services of a region that was stopped gracefully. */
export async function startRegion(services: readonly string[]): Promise<void> {
  await run(['systemctl', 'enable', '--quiet', '--now', ...services.map((name) => `${name}.service`)]);
  await startWebServer();
}

/** What {@link stopGracefully} has stopped first; where it is started by the file that regiond writes for it. */
export async function startWebServer(): Promise<void> {
  await tryRun(['systemctl', 'start', 'maas-http.path']);
}

/** Restarts what has read a regiond.conf that has changed since; what does not run reads it when it starts. */
export async function restartRegion(services: readonly string[], hostname: string): Promise<void> {
  const running = (await serviceStates(services)).filter(({ isRunning }) => isRunning);
  // regiond needs the API server, which would otherwise restart it a second time; it also writes Temporal's configuration.
  const isFirst = (name: string): boolean => name === 'maas-regiond' || name === 'maas-apiserver';
  const units = running.map(({ name }) => name);
  await restart(units.filter(isFirst));
  // One that does not come back has been restarted all the same: what holds it up, another restart would not mend.
  if (units.includes('maas-regiond')) await servesInTime(hostname);
  await restart(units.filter((name) => !isFirst(name)));
}

async function restart(names: readonly string[]): Promise<void> {
  const units = names.map((name) => `${name}.service`);
  if (units.length > 0) await run(['systemctl', 'restart', ...units]);
}

/** Waits until one of the regions at these addresses serves; for a while only, because perhaps none can. */
export async function awaitAnother(addresses: readonly string[]): Promise<void> {
  const end = Date.now() + OTHER_TIMEOUT;
  while (addresses.length > 0 && Date.now() < end) {
    const answers = await Promise.all(addresses.map((address) => liveRegions(address)));
    if (answers.some((answer) => answer !== undefined)) return;
    await sleep(1000);
  }
}

/**
 * Stops regiond so that MAAS knows that it has gone. Its systemd unit runs it under a shell, and stops by killing:
 * the dead processes would stay in MAAS' list for up to two and a half minutes, and racks would go on calling them.
 * So regiond itself is asked first, after the balancers have been turned away.
 */
export async function stopGracefully(): Promise<void> {
  await tryRun(['systemctl', 'disable', '--quiet', 'maas-regiond.service']);
  // Refused connections are tried elsewhere; what the web server says in regiond's place is not.
  if (!isControllerInstalled('maas-rackd'))
    await tryRun(['systemctl', 'stop', 'maas-http.path', 'maas-http.service']);
  const master = await masterProcess();
  if (master !== undefined) {
    // By a program, because it may end by itself in between, which is no error.
    await tryRun(['kill', '-TERM', String(master)]);
    const end = Date.now() + STOP_TIMEOUT;
    while (existsSync(`/proc/${master}`) && Date.now() < end) await sleep(200);
  }
  await run(['systemctl', 'stop', 'maas-regiond.service']);
}

/** The process that runs the others: regiond itself, or in the packages the child of the shell that they start. */
async function masterProcess(): Promise<number | undefined> {
  const { stdout } = await tryRun([
    'systemctl',
    'show',
    '--property=MainPID',
    '--value',
    'maas-regiond.service',
  ]);
  const main = Number(stdout.trim());
  if (!Number.isInteger(main) || main <= 0) return undefined;
  if (await isRegiond(main)) return main;
  for (const child of await childrenOf(main)) if (await isRegiond(child)) return child;
  return undefined;
}

async function isRegiond(pid: number): Promise<boolean> {
  const [program = '', script = ''] = (await readProcess(pid, 'cmdline')).split('\0');
  return [program, script].some((path) => /(^|\/)regiond$/.test(path));
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  return (await readProcess(pid, `task/${pid}/children`)).trim().split(' ').filter(Boolean).map(Number);
}

/** Nothing where the process is gone. */
async function readProcess(pid: number, file: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
