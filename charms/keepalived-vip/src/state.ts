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
  type InterfaceAddress,
  type Occupant,
  type Owner,
} from '@maas-ha/host';
import {
  NotYetError,
  OwnSecret,
  Redacted,
  SecretNotFoundError,
  unitNumber,
  type HookContext,
  type Juju,
  type Options,
} from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import { VrrpState, type endpoints, type Report } from './endpoints.ts';
import { lookAround, readFilter } from './neighbours.ts';
import type { options } from './options.ts';
import { CHECK_SCRIPT } from './render/check-service.ts';
import {
  CONFIG,
  DAEMON,
  managedAddresses,
  renderedInstances,
  type RenderedInstance,
} from './render/keepalived-conf.ts';
import { STATE_DIRECTORY } from './render/notify.ts';

export type KeepalivedJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** A unit of this application on another machine. */
export interface Peer {
  readonly unit: string;
  /** Where it sends VRRP from; none until it has told. */
  readonly addresses: readonly string[];
  /** The addresses that it sends VRRP to. */
  readonly sendsTo: readonly string[];
  readonly ownVips: readonly string[];
  readonly instances: readonly Report[];
}

/** What keepalived said last about one of its instances on this machine, and what it was started with. */
export interface LocalInstance extends RenderedInstance {
  readonly state: VrrpState;
  /** Seconds since 1970. */
  readonly since: number;
}

/** What Juju and the machine say. */
export interface State {
  readonly app: string;
  readonly unit: string;
  readonly unitNumber: number;
  /** This unit, as the machine knows it. */
  readonly self: Owner;
  /** Who else looks after keepalived on this machine: then this unit does not. */
  readonly occupant?: Occupant;
  readonly isLeader: boolean;
  /** The unit that starts first, where it is not the leader. */
  readonly firstUnit?: string;
  /** Whether this unit is being removed. */
  readonly isLeaving: boolean;
  readonly options: Options<typeof options>;
  /** Of every interface but the loopback, without link-local ones. */
  readonly addresses: readonly InterfaceAddress[];
  /** The addresses that the keepalived.conf of now names: where one is here, it is from keepalived. */
  readonly managed: readonly string[];
  /** Addresses that look as if another program moved them from machine to machine. */
  readonly held: readonly string[];
  /** The keepalived.conf of now, where it is of this charm. */
  readonly conf?: Redacted;
  readonly cluster?: number;
  readonly peers: readonly Peer[];
  readonly clients: readonly number[];
  /** The instances that run here, by name. */
  readonly running: ReadonlyMap<string, LocalInstance>;
  /** Tracked services that do not answer here; looked at only where an instance has given up. */
  readonly failing: readonly string[];
  /** Tracked services that are to listen on a wanted address and on no other. */
  readonly binding: readonly string[];
  readonly kernel: Kernel;
  /** Whether keepalived runs, and the firewall rules that came with it have gone. */
  readonly isFilterMissing: boolean;
  readonly sighted: Sighted;
  /** VRRP version 2 only: what the units authenticate with. */
  readonly authPass?: Redacted;
}

/** What is known before this unit looks around on the network. */
export type Known = Omit<State, 'sighted'>;

/** Who is on the network and should not be, and who should be and is not. */
export interface Sighted {
  /** Machines outside of this application that have a wanted address, which no unit has held yet. */
  readonly holders: readonly { readonly address: string; readonly mac: string }[];
  /** Addresses of routers that send VRRP with our number. */
  readonly routers: readonly string[];
  /** Addresses of units whose machines do not answer, where this one waits for them. */
  readonly silent: readonly string[];
}

/** What the kernel of this machine has and permits. */
export interface Kernel {
  readonly hasIpv6: boolean;
  /** Whether the module ip_vs can be loaded here. */
  readonly hasIpVs: boolean;
  /** The parameters that are not as they should be, and that this container cannot set. */
  readonly forbidden: readonly string[];
}

export const AUTH_SECRET = new OwnSecret('vrrp-auth');
/** The key of its content. */
export const AUTH_PASS = 'auth-pass';

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
    isLeaving: juju.context.leaving !== undefined,
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
  return { ...known, sighted: await lookAround(known, juju.context.event.name === 'update-status') };
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

/** Which of the tracked services listen on a virtual address by name: without it they do not start. */
async function bindingServices({ track, vip }: Options<typeof options>): Promise<readonly string[]> {
  const found = await Promise.all(
    track.map(async (service) => {
      const listener = LISTENERS[service];
      const text = listener && (await readFileIfExists(listener.path));
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

/** So that a service may listen on a virtual address before it is here. */
export const NONLOCAL_BIND = {
  ipv4: 'net.ipv4.ip_nonlocal_bind',
  ipv6: 'net.ipv6.ip_nonlocal_bind',
} as const;

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
  throw new NotYetError('the leader to share the VRRP password');
}
