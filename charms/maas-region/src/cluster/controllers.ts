import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines, tryRun } from 'juju-ts-host';
import {
  MaasApi,
  REGION_HTTP_PORT,
  shortName,
  type Controller,
  type Installation,
  type Vlan,
} from '@maas-ha/maas';
import { WaitingError, Redacted, UserError } from 'juju-ts-ops';
import type { SoleDhcp } from '../endpoints.ts';
import { liveRegions } from '../region/regiond.ts';
import type { Departed } from './state.ts';

/** The MAAS user that the charm asks MAAS as. */
export const CHARM_USER = 'maas-ha-charm';
const COMMAND_TIMEOUT = 60_000;

/** How long an action asks MAAS again, in milliseconds: what MAAS asks itself may be restarting. `juju run` waits as long. */
const ASK_TIMEOUT = 60_000;
const PAUSE = 2000;

/** MAAS' API on this region, with the rights of an administrator. @throws {WaitingError} */
export async function localApi(maas: Installation): Promise<MaasApi> {
  const [socket] = await webSockets(maas);
  const place = socket === undefined ? { host: '127.0.0.1', port: REGION_HTTP_PORT } : { socketPath: socket };
  return new MaasApi(place, await charmKey(maas));
}

/**
 * Asks MAAS for an action, again while it does not answer: no later hook would.
 * @param timeout how long, in milliseconds
 * @throws {WaitingError} saying what to do
 */
export async function insist<T>(
  maas: Installation,
  ask: (api: MaasApi) => Promise<T>,
  timeout = ASK_TIMEOUT,
): Promise<T> {
  const api = await localApi(maas);
  for (const end = performance.now() + timeout; ; await sleep(PAUSE)) {
    try {
      return await ask(api);
    } catch (error) {
      if (!(error instanceof WaitingError)) throw error;
      if (performance.now() < end) continue;
      const asked = `${Math.round(timeout / 1000)} s`;
      throw new WaitingError(
        `${error.message}, after ${asked}: \`${maas.overview}\` shows what does not run; run this action again once it does`,
        { cause: error },
      );
    }
  }
}

/**
 * Where regiond's workers answer the web server that stands before them from MAAS 3.2 on. With TLS that one redirects
 * whoever asks in plain, to a certificate that is not for this machine's loopback.
 */
async function webSockets({ sockets }: Installation): Promise<readonly string[]> {
  const names = await readdir(sockets).catch(() => []);
  return names
    .filter((name) => /^maas-regiond-webapp\.sock\.\d+$/.test(name))
    .map((name) => join(sockets, name))
    .sort();
}

/** The API key of the charm's own user, which is made when it is first needed. Nobody knows its password. */
async function charmKey(maas: Installation): Promise<Redacted> {
  const asked = await apiKey(maas, CHARM_USER);
  if (asked) return asked;
  await createAdmin(
    maas,
    CHARM_USER,
    `${CHARM_USER}@localhost.localdomain`,
    new Redacted(randomBytes(24).toString('base64url')),
  ).catch(
    // Another region may have been quicker.
    () => undefined,
  );
  const key = await apiKey(maas, CHARM_USER);
  if (!key) throw new WaitingError('waiting for MAAS to make a user for the charm');
  return key;
}

/** The first API key of a user; `undefined` where there is no such user. @throws {HostError} */
export async function apiKey(maas: Installation, username: string): Promise<Redacted | undefined> {
  const { exitCode, stdout, stderr } = await tryRun(maas.region('apikey', '--username', username), {
    timeout: COMMAND_TIMEOUT,
  });
  const key = stdout.trim().split('\n')[0] ?? '';
  if (exitCode === 0 && key !== '') return new Redacted(key);
  if (/User does not exist/.test(stderr)) return undefined;
  throw new WaitingError('waiting for MAAS to give an API key: its command apikey fails');
}

/**
 * Makes an administrator. The password goes through stdin, which MAAS reads only where there is no terminal; then it
 * asks for it twice, and for SSH keys to import. At the end of its input it would ask for ever.
 * @throws {UserError} with MAAS' words
 */
export async function createAdmin(
  maas: Installation,
  username: string,
  email: string,
  password: Redacted,
): Promise<void> {
  const command = maas.region('createadmin', '--username', username, '--email', email);
  const { exitCode, stderr } = await tryRun(['setsid', '--wait', ...command], {
    stdin: `${password.reveal()}\n${password.reveal()}\n\n\n`,
    timeout: COMMAND_TIMEOUT,
  });
  if (exitCode === 0) return;
  const words = lastLines(stderr, 1);
  // It names the address also where it is the name that another one has.
  const why = /already exists/.test(words) ? ', whose name or address another one has' : '';
  throw new UserError(`MAAS makes no user ${username}${why}: ${words}`);
}

/** What MAAS knows of the units that are gone; `undefined` while it cannot be asked. */
export async function departedUnits(
  maas: Installation,
  kind: 'region' | 'rack',
  gone: readonly { readonly unit: string; readonly hostname: string }[],
): Promise<readonly Departed[] | undefined> {
  if (gone.length === 0) return [];
  try {
    const api = await localApi(maas);
    const [controllers, vlans, live] = await Promise.all([
      kind === 'region' ? api.regionControllers() : api.rackControllers(),
      kind === 'region' ? [] : api.vlans(),
      kind === 'region' ? liveRegions() : undefined,
    ]);
    return gone.map((unit) =>
      departed(unit, controllers, vlans, live?.has(shortName(unit.hostname)) ?? false),
    );
  } catch {
    return undefined;
  }
}

/** The racks that are the only ones with DHCP somewhere; `undefined` while MAAS cannot be asked. */
export async function askForSoleDhcp(maas: Installation): Promise<SoleDhcp | undefined> {
  try {
    const api = await localApi(maas);
    const [racks, vlans] = await Promise.all([api.rackControllers(), api.vlans()]);
    return soleDhcp(racks, vlans);
  } catch {
    return undefined;
  }
}

export function soleDhcp(racks: readonly Controller[], vlans: readonly Vlan[]): SoleDhcp {
  return Object.fromEntries(
    racks
      .map(({ hostname, system_id }) => [hostname, soleVlans(system_id, racks, vlans)] as const)
      .filter(([, sole]) => sole.length > 0),
  );
}

/** Makes MAAS forget a controller. Where it refuses, the next hook finds it listed still. */
export async function forgetController(
  maas: Installation,
  kind: 'region' | 'rack',
  systemId: string,
): Promise<void> {
  try {
    const api = await localApi(maas);
    await (kind === 'rack' ? forgetRack(api, systemId) : api.deleteController(kind, systemId));
  } catch (error) {
    if (!(error instanceof UserError || error instanceof WaitingError)) throw error;
  }
}

/**
 * Makes MAAS forget a rack. It moves DHCP to another one by itself; on a VLAN where DHCP is off the rack may still be the
 * one that would serve it, and MAAS then fails to delete it.
 */
export async function forgetRack(api: MaasApi, systemId: string): Promise<void> {
  for (const vlan of await api.vlans())
    if (!vlan.dhcp_on && vlan.primary_rack === systemId) await api.updateVlan(vlan, { primary_rack: '' });
  await api.deleteController('rack', systemId);
}

function departed(
  { unit, hostname }: { readonly unit: string; readonly hostname: string },
  controllers: readonly Controller[],
  vlans: readonly Vlan[],
  isRunning: boolean,
): Departed {
  const systemId = controllers.find((controller) => controller.hostname === shortName(hostname))?.system_id;
  return {
    unit,
    hostname,
    ...(systemId !== undefined && { systemId }),
    isRunning,
    soleDhcpOf: systemId === undefined ? [] : soleVlans(systemId, controllers, vlans),
  };
}

/** The VLANs that have DHCP from a rack, and would not have it from any other without it. */
function soleVlans(
  systemId: string,
  racks: readonly Controller[],
  vlans: readonly Vlan[],
): readonly string[] {
  return vlans
    .filter(
      (vlan) =>
        vlan.dhcp_on &&
        vlan.primary_rack === systemId &&
        vlan.secondary_rack === null &&
        !hasSubstitute(vlan, racks, systemId),
    )
    .map(({ fabric, vid }) => `${fabric}, VLAN ${vid}`);
}

/** Whether another rack has an interface on the VLAN: MAAS then lets that one take over. */
function hasSubstitute({ id }: Vlan, racks: readonly Controller[], systemId: string): boolean {
  return racks.some(
    (rack) => rack.system_id !== systemId && rack.interface_set.some(({ vlan }) => vlan?.id === id),
  );
}
