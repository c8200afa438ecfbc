import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  addresses,
  heldAddresses,
  inContainer,
  occupantOf,
  readFileIfExists,
  serviceStates,
  tryRun,
  type Owner,
} from 'juju-ts-host';
import {
  HookToolError,
  Redacted,
  SecretNotFoundError,
  undefinedOn,
  unitNumber,
  WaitingError,
  type GoalState,
  type HookContext,
  type Options,
} from 'juju-ts-ops';
import { VrrpState } from './endpoints.ts';
import { lookAround, readFilter } from './neighbours.ts';
import type { options } from './options.ts';
import { CHECK_SCRIPT } from './render/check-service.ts';
import { CONFIG, DAEMON, managedAddresses, renderedInstances } from './render/keepalived-conf.ts';
import { STATE_DIRECTORY } from './render/notify.ts';
import {
  AUTH_PASS,
  AUTH_SECRET,
  NONLOCAL_BIND,
  type Kernel,
  type Known,
  type LocalInstance,
  type State,
} from './state.ts';
import type { KeepalivedJuju } from './juju.ts';

export async function read(juju: KeepalivedJuju): Promise<State> {
  const self = ownerOf(juju.context);
  const [values, clusters, clients, isLeader, conf, kernel, occupant, held] = await Promise.all([
    juju.options(),
    juju.relations('vrrp-cluster'),
    juju.relations('vip'),
    juju.isLeader(),
    readFileIfExists(CONFIG),
    readKernel(),
    occupantOf(DAEMON, self),
    heldAddresses(),
  ]);
  const [cluster] = clusters;
  const isOurs = occupant === undefined && conf !== undefined && conf.startsWith(DAEMON.signature);
  const running = isOurs ? await runningInstances(conf) : new Map<string, LocalInstance>();
  const firstUnit = cluster?.appData['goes-first'];
  const authPass =
    values['vrrp-version'] === 2 ? await readAuthPass(juju, cluster?.appData['auth-secret-id']) : undefined;
  const hasGivenUp = [...running.values()].some(({ state }) => state === 'FAULT');
  const known: Known = {
    app: juju.context.app,
    unit: juju.context.unit,
    unitNumber: unitNumber(juju.context.unit),
    self,
    ...(occupant && { occupant }),
    isLeader,
    ...(firstUnit !== undefined && { firstUnit }),
    isBeingRemoved: juju.context.removal !== undefined,
    options: values,
    addresses: addresses().filter(
      (own) => own.interface !== 'lo' && !/^(fe80:|169\.254\.)/.test(own.address),
    ),
    managed: managedAddresses(conf ?? ''),
    held,
    ...(isOurs && { conf: new Redacted(conf) }),
    ...(cluster && { cluster: cluster.id }),
    peers: (cluster?.units ?? []).map(({ name, data }) => ({
      unit: name,
      addresses: data.addresses ?? [],
      sendsTo: data['sends-to'] ?? [],
      ownVips: data['own-vips'] ?? [],
      instances: data.instances ?? [],
    })),
    clients: clients.map(({ id }) => id),
    running,
    failing: hasGivenUp ? await failingServices(values.track) : [],
    binding: await bindingServices(values),
    kernel,
    isFilterMissing: running.size > 0 && (await readFilter()) === 'missing',
    ...(authPass && { authPass }),
  };
  // A unit that has just been added waits for the others now and then, and looks only if it goes on.
  const sighted = await lookAround(known, juju.context.event.name === 'update-status');
  const awaitsPeers = sighted.holders.length > 0 && (await expectsPeers(juju, known.peers.length));
  return { ...known, sighted, awaitsPeers };
}

/** Whether another unit of this application is there, or comes, that Juju has not told of. */
async function expectsPeers(juju: KeepalivedJuju, met: number): Promise<boolean> {
  const goal = await undefinedOn(HookToolError, juju.goalState());
  return goal !== undefined && hasUnmetPeers(goal, juju.context.principalUnit, met);
}

/**
 * Whether the applications that this unit's application rides on have more units than this unit and its peers.
 * @param met how many peers Juju has told of
 */
export function hasUnmetPeers({ relations }: GoalState, own: string | undefined, met: number): boolean {
  const others = Object.entries(relations['juju-info'] ?? {}).filter(
    ([name, { status }]) => name.includes('/') && name !== own && status !== 'dying',
  );
  return others.length > met;
}

/** This unit, as the machine knows it. Its folder goes when Juju removes the unit, also by force. */
export function ownerOf({ unit, charmDirectory }: HookContext): Owner {
  return { name: unit, home: charmDirectory };
}

/** Of the instances in keepalived.conf, what the notify script has written; nothing while keepalived does not run. */
async function runningInstances(conf: string): Promise<State['running']> {
  const [service] = await serviceStates(['keepalived']);
  if (!service?.isRunning) return new Map();
  const found = await Promise.all(
    [...renderedInstances(conf)].map(async ([name, rendered]) => {
      const file = join(STATE_DIRECTORY, `${name}.state`);
      const [word, since] = ((await readFileIfExists(file)) ?? '').trim().split(' ');
      const state = VrrpState.safeParse(word);
      return state.success && /^\d+$/.test(since ?? '')
        ? [[name, { ...rendered, state: state.data, since: Number(since) }] as const]
        : [];
    }),
  );
  return new Map(found.flat());
}

async function failingServices(services: readonly string[]): Promise<readonly string[]> {
  const results = await Promise.all(services.map((name) => tryRun([CHECK_SCRIPT, name], { timeout: 5000 })));
  return services.filter((_, index) => results[index]?.exitCode !== 0);
}

/** Where a service that can be told to listen on one address only says so, and how. */
const LISTENERS: Readonly<Record<string, { readonly path: string; readonly line: RegExp }>> = {
  haproxy: { path: '/etc/haproxy/haproxy.cfg', line: /^\s*bind\s.*$/gm },
};

/**
 * Which of the tracked services listen on a virtual address by name: without it they do not start.
 * @param root so that tests can have it elsewhere
 */
export async function bindingServices(
  { track, vip }: Pick<Options<typeof options>, 'track' | 'vip'>,
  root = '/',
): Promise<readonly string[]> {
  const found = await Promise.all(
    track.map(async (service) => {
      const listener = LISTENERS[service];
      const text = listener && (await readFileIfExists(join(root, listener.path)));
      const words = (text?.match(listener?.line ?? /$^/g) ?? []).flatMap((line) => line.split(/[\s,]+/));
      return vip.some(({ address }) =>
        words.some((word) => word.replace(/:[^:]*$/, '').replaceAll(/^\w+@|[[\]]/g, '') === address),
      )
        ? [service]
        : [];
    }),
  );
  return found.flat();
}

async function readKernel(): Promise<Kernel> {
  const hasIpv6 = existsSync('/proc/sys/net/ipv6');
  const module = inContainer() ? undefined : await tryRun(['modinfo', '--field', 'filename', 'ip_vs']);
  const parameters = inContainer() ? [NONLOCAL_BIND.ipv4, ...(hasIpv6 ? [NONLOCAL_BIND.ipv6] : [])] : [];
  const settable = await Promise.all(parameters.map(isSettable));
  return {
    hasIpv6,
    hasIpVs: module?.exitCode === 0,
    forbidden: parameters.filter((_, index) => !settable[index]),
  };
}

async function isSettable(parameter: string): Promise<boolean> {
  const path = `/proc/sys/${parameter.replaceAll('.', '/')}`;
  if ((await readFileIfExists(path))?.trim() === '1') return true;
  try {
    await access(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The shared password; the leader makes it up where there is none yet. keepalived uses eight characters of it. */
async function readAuthPass(juju: KeepalivedJuju, uri: string | undefined): Promise<Redacted> {
  if (uri !== undefined) {
    try {
      const password = (await juju.secret(uri))[AUTH_PASS];
      if (password) return password;
    } catch (error) {
      if (!(error instanceof SecretNotFoundError)) throw error;
    }
  }
  if (await juju.isLeader()) {
    // While the unit installs there is no databag yet to say that there is one.
    const own = await juju.ownSecret(AUTH_SECRET);
    return own?.[AUTH_PASS] ?? new Redacted(randomBytes(4).toString('hex'));
  }
  throw new WaitingError('the leader to share the VRRP password');
}
