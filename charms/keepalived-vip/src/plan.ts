import { markOf, markPath, type Occupant, type Resource } from '@maas-ha/host';
import {
  active,
  blocked,
  unitNumber,
  waiting,
  type Plan,
  type Redacted,
  type SecretPlan,
  type Status,
} from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints, Report } from './endpoints.ts';
import { ownVips, placeVips, priorityOf, type Instance } from './instances.ts';
import { daemonReload, keepSecondaries, loadFilter, settle } from './keepalived.ts';
import { ownersOf } from './owners.ts';
import { CHECK_ADDRESS_SCRIPT, CHECK_ADDRESS_SCRIPT_CONTENT } from './render/check-address.ts';
import { CHECK_SCRIPT, CHECK_SCRIPT_CONTENT } from './render/check-service.ts';
import {
  CONFIG,
  DAEMON,
  renderedInstances,
  renderKeepalivedConf,
  withoutInstances,
  type RenderedInstance,
} from './render/keepalived-conf.ts';
import { HANDOVER_NFT, renderHandoverNft } from './render/handover-nft.ts';
import { NEXT_LOCK, NOTIFY_SCRIPT, renderNotify, TELLING_LOCK } from './render/notify.ts';
import { PEERS_NFT, renderPeersNft } from './render/peers-nft.ts';
import { REALTIME_SCRIPT, REALTIME_SCRIPT_CONTENT } from './render/realtime.ts';
import {
  NFTABLES_CONF,
  NFTABLES_CONF_CONTENT,
  SERVICE_CONF,
  SERVICE_CONF_CONTENT,
} from './render/service-conf.ts';
import { AUTH_PASS, AUTH_SECRET, NONLOCAL_BIND, type State } from './state.ts';
import { goesOn, strangersTo, type Wait } from './waiting.ts';

const SYSCTL = '60-keepalived-nonlocal';
const MODULE = 'ip_vs';

type KeepalivedPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;
type Databag = NonNullable<KeepalivedPlan['databags']>[number];

export function plan(state: State): KeepalivedPlan {
  if (state.occupant) return standAside(state);
  if (state.isLeaving) return farewell(state);
  const planned = planFor(state);
  const filter: Resource = { kind: 'step', id: 'filter', run: loadFilter };
  return { ...planned, machine: [...(state.isFilterMissing ? [filter] : []), ...planned.machine] };
}

function planFor(state: State): KeepalivedPlan {
  const { options } = state;
  if (options.vip.length === 0) return stay(blocked(nothingToHold(state)));
  const placement = placeVips(state);
  if (placement.kind === 'wrong') {
    const clashes = ownVips(state).length > 0;
    // The others have to know of a clash. Else they go on sending to this machine, where all stays as it was.
    return {
      ...stay(blocked(placement.problem)),
      ...(clashes && { databags: silentBag(state, ownVips(state)) }),
    };
  }
  if (options['vrrp-version'] === 2 && !Number.isInteger(options['advert-interval'])) {
    return stay(
      blocked(
        `advert-interval=${options['advert-interval']}: VRRP version 2 knows whole seconds only; set advert-interval=1, or vrrp-version=3`,
      ),
    );
  }
  const [holder] = state.sighted.holders;
  if (holder) {
    return stay(
      blocked(
        `vip=${holder.address} is in use by another machine, ${holder.mac}: set a free address, or take it from there`,
      ),
    );
  }
  const clash = options.unicast ? undefined : numberClash(state);
  if (clash !== undefined && state.running.size === 0) return stay(blocked(clash));
  const { instances } = placement;
  const waits = new Map(
    instances.map((instance) => [instance, strangersTo(instance, state, state.sighted.silent)]),
  );
  const ready = instances.filter((instance) => waits.get(instance)?.length === 0);
  const goingOn = instances.filter((instance) => !ready.includes(instance) && goesOn(instance, state));
  return {
    machine: [
      ...preparation(state),
      ...(goingOn.length > 0
        ? asBefore(state, ready, goingOn)
        : ready.length > 0
          ? service(state, ready)
          : // None of what runs may go on as it is.
            state.running.size > 0
            ? [STOPPED, { kind: 'absent-file', path: CONFIG } as const]
            : []),
    ],
    secrets: secretsOf(state),
    databags: [...clusterBag(state, instances), ...clientBags(state, instances)],
    status: [
      ...(clash === undefined ? [] : [blocked(clash)]),
      ...unboundServices(state),
      ...waitingFor([...waits.values()].flat()),
      holding(state),
    ],
  };
}

/** Whom this unit waits for, and what for: `keepalived-vip/1 to learn of this unit`. */
function waitingFor(waits: readonly Wait[]): readonly Status[] {
  return (['go first', 'take the new options', 'learn of this unit'] as const).flatMap((to) => {
    const who = new Set(waits.filter((wait) => wait.to === to).map((wait) => wait.who));
    return who.size === 0 ? [] : [waiting(`${[...who].join(', ')} to ${to}`)];
  });
}

/**
 * keepalived of this machine is another's: nothing of it is touched, and the other units do not count on this one. Where
 * it leads, it names the unit that starts first in its place.
 */
function standAside(state: State): KeepalivedPlan {
  const { occupant, peers, isLeaving } = state;
  const [first] = peers.map(({ unit }) => unit);
  const there = peers.find(({ unit }) => occupant?.kind === 'program' && unit === occupant.name)?.unit;
  const message =
    occupant?.kind === 'person'
      ? `keepalived was set up by hand here; to hand it over: mv ${CONFIG} ${CONFIG}.by-hand`
      : `${occupant?.name} has keepalived on this machine: one unit a machine; remove one of the two`;
  return {
    machine: [],
    databags: silentBag(state, [], there ?? first),
    status: [isLeaving ? waiting('to be removed') : blocked(message)],
  };
}

/**
 * A unit that is being removed gives its addresses away at once, and sends and hears no VRRP from then on: the others
 * seem to leave it, one by one, and without them it would take the addresses for itself.
 */
function farewell(state: State): KeepalivedPlan {
  return {
    machine: [STOPPED],
    secrets: secretsOf(state),
    databags: [
      ...silentBag(state),
      ...state.clients.map((relation) => ({ endpoint: 'vip', relation, unit: { owner: [] } }) as const),
    ],
    status: [waiting('to be removed')],
  };
}

const STOPPED: Resource = { kind: 'service', name: 'keepalived', state: 'stopped', enabled: false };

/**
 * What is left when the unit goes: nothing that runs, no address, no file.
 * @param occupant whose keepalived it is, where it is not of this unit: then all stays
 */
export function leave(occupant?: Occupant): readonly Resource[] {
  if (occupant) return [];
  return [
    STOPPED,
    { kind: 'absent-packages', names: ['keepalived', 'nftables'] },
    ...[
      CONFIG,
      CHECK_SCRIPT,
      CHECK_ADDRESS_SCRIPT,
      NOTIFY_SCRIPT,
      REALTIME_SCRIPT,
      PEERS_NFT,
      HANDOVER_NFT,
      SERVICE_CONF,
      NFTABLES_CONF,
      TELLING_LOCK,
      NEXT_LOCK,
      `/etc/modules-load.d/${MODULE}.conf`,
    ].map((path) => ({ kind: 'absent-file', path }) as const),
    {
      kind: 'absent-sysctl',
      name: SYSCTL,
      values: { [NONLOCAL_BIND.ipv4]: '0', [NONLOCAL_BIND.ipv6]: '0' },
    },
    { kind: 'step', id: 'daemon-reload', inputs: { content: '' }, run: daemonReload },
    { kind: 'absent-file', path: markPath(DAEMON) },
  ];
}

function nothingToHold({ app, running, managed }: State): string {
  const set = `juju config ${app} vip=<a free address of the machines' subnet>`;
  return running.size === 0
    ? `no address to hold: ${set}`
    : `vip= is empty; ${managed.join(', ')} is held as before: ${set}, or juju remove-application ${app}`;
}

/** Nothing changes: what runs goes on. */
function stay(status: Status): KeepalivedPlan {
  return { machine: [], status: [status] };
}

function preparation({ kernel, unit, self }: State): readonly Resource[] {
  const wanted = [NONLOCAL_BIND.ipv4, ...(kernel.hasIpv6 ? [NONLOCAL_BIND.ipv6] : [])];
  const settable = wanted.filter((parameter) => !kernel.forbidden.includes(parameter));
  return [
    markOf(DAEMON, self),
    { kind: 'packages', names: ['keepalived', 'nftables'] },
    { kind: 'file', path: CHECK_SCRIPT, content: CHECK_SCRIPT_CONTENT, mode: 0o755 },
    { kind: 'file', path: CHECK_ADDRESS_SCRIPT, content: CHECK_ADDRESS_SCRIPT_CONTENT, mode: 0o755 },
    { kind: 'file', path: REALTIME_SCRIPT, content: REALTIME_SCRIPT_CONTENT, mode: 0o755 },
    { kind: 'file', path: NOTIFY_SCRIPT, content: renderNotify(unit), mode: 0o755 },
    ...(kernel.hasIpVs ? [{ kind: 'kernel-module', name: MODULE } as const] : []),
    ...(settable.length > 0
      ? [
          {
            kind: 'sysctl',
            name: SYSCTL,
            values: Object.fromEntries(settable.map((parameter) => [parameter, '1'])),
          } as const,
        ]
      : []),
    { kind: 'file', path: SERVICE_CONF, content: SERVICE_CONF_CONTENT, mode: 0o644 },
    { kind: 'file', path: NFTABLES_CONF, content: NFTABLES_CONF_CONTENT, mode: 0o644 },
    {
      kind: 'step',
      id: 'daemon-reload',
      inputs: { content: `${SERVICE_CONF_CONTENT}${NFTABLES_CONF_CONTENT}` },
      run: daemonReload,
    },
  ];
}

/**
 * While instances wait that hold addresses, their configuration stays, with that of all that run as they should; those
 * that only stand by and have to change are taken out.
 */
function asBefore(
  { conf, running, options }: State,
  ready: readonly Instance[],
  goingOn: readonly Instance[],
): readonly Resource[] {
  if (conf === undefined) return [];
  const vips = new Set(
    goingOn.flatMap(({ name, vips: wanted }) => [
      ...wanted.map(({ address }) => address),
      ...(running.get(name)?.vips ?? []),
    ]),
  );
  const stays = ([name, { vips: old }]: readonly [string, RenderedInstance]): boolean =>
    ready.some((instance) => instance.name === name) || old.some((vip) => vips.has(vip));
  const idle = [...renderedInstances(conf.reveal())].filter((entry) => !stays(entry)).map(([name]) => name);
  return idle.length === 0 ? [] : reloaded(withoutInstances(conf, idle), [], options['advert-interval']);
}

function service(state: State, instances: readonly Instance[]): readonly Resource[] {
  const { options, peers, authPass } = state;
  const content = renderKeepalivedConf({
    unit: state.unit,
    instances,
    virtualRouterId: options['virtual-router-id'],
    priority:
      options.priority === 0
        ? priorityOf(
            state.unitNumber,
            peers.map(({ unit }) => unitNumber(unit)),
          )
        : options.priority,
    advertInterval: options['advert-interval'],
    vrrpVersion: options['vrrp-version'],
    preempt: options.preempt,
    unicast: options.unicast,
    ...(authPass && { authPass }),
    track: options.track,
  });
  const wide = state.addresses.filter(
    ({ address, prefix, family }) => family === 'ipv4' && prefix < 32 && state.managed.includes(address),
  );
  const devices = [...new Set(wide.map((own) => own.interface))];
  return [
    ...(devices.length > 0
      ? [{ kind: 'step', id: 'secondaries', run: () => keepSecondaries(devices) } as const]
      : []),
    {
      kind: 'file',
      path: PEERS_NFT,
      content: renderPeersNft({
        instances,
        virtualRouterId: options['virtual-router-id'],
        unicast: options.unicast,
        lenient: instances.filter((instance) => hasOlderPeer(state, instance)).map(({ name }) => name),
      }),
      mode: 0o600,
    },
    {
      kind: 'file',
      path: HANDOVER_NFT,
      content: renderHandoverNft(instances),
      mode: 0o600,
    },
    ...reloaded(content, instances, options['advert-interval']),
  ];
}

/** Whether a unit of an older revision is in the place of an instance: over IPv6 it sends with the kernel's hop limit. */
function hasOlderPeer({ peers, options }: State, { family, peers: there }: Instance): boolean {
  if (family === 'ipv4' || !options.unicast) return false;
  return peers.some(({ instances }) =>
    instances.some(
      ({ source, speaks }) => speaks === undefined && there.some(({ address }) => address === source),
    ),
  );
}

/** @param advertInterval seconds */
function reloaded(
  content: Redacted,
  instances: readonly Instance[],
  advertInterval: number,
): readonly Resource[] {
  return [
    {
      kind: 'file',
      path: CONFIG,
      content,
      mode: 0o600,
      validate: ['keepalived', '--config-test', '--use-file={}'],
    },
    {
      kind: 'service',
      name: 'keepalived',
      state: 'running',
      enabled: true,
      onChange: 'reload',
      after: [CONFIG, PEERS_NFT],
    },
    {
      kind: 'step',
      id: 'settle',
      inputs: { config: content.digest() },
      run: () => settle(instances, advertInterval),
    },
  ];
}

/** What VRRP version 2 authenticates with, which the databag of the application names. */
function authSecret({ authPass }: State): SecretPlan | undefined {
  return authPass && { secret: AUTH_SECRET, content: { [AUTH_PASS]: authPass }, grants: [] };
}

/** It is made before there is a databag that names it: else each hook would have another one. */
function secretsOf(state: State): readonly SecretPlan[] {
  const auth = authSecret(state);
  return auth && state.cluster === undefined ? [auth] : [];
}

function clusterBag(state: State, instances: readonly Instance[]): readonly Databag[] {
  const { running, addresses, firstUnit, peers } = state;
  const reports = [...running].flatMap(([name, { vips, speaks, since, ...local }]): readonly Report[] => {
    const source = local.source ?? instances.find((instance) => instance.name === name)?.source;
    if (source === undefined) return [];
    // The scripts of two changes in one moment may end in the wrong order: what the machine has decides.
    const isHeld = addresses.some(({ address }) => vips.includes(address));
    const now = isHeld ? 'MASTER' : local.state === 'MASTER' ? 'BACKUP' : local.state;
    return [{ source, vips, state: now, since, ...(speaks !== undefined && { speaks }) }];
  });
  const nobodyRuns = running.size === 0 && peers.every((peer) => peer.instances.length === 0);
  const isFirstThere = peers.some(({ unit }) => unit === firstUnit);
  return bag(
    state,
    {
      addresses: instances.map(({ source }) => source),
      'sends-to': instances.flatMap((instance) => instance.peers.map(({ address }) => address)),
      'own-vips': ownVips(state),
      instances: reports,
    },
    nobodyRuns && isFirstThere ? firstUnit : undefined,
  );
}

/** That this unit sends to nobody, and nobody is to send to it. */
function silentBag(state: State, own: readonly string[] = [], firstUnit?: string): readonly Databag[] {
  return bag(state, { addresses: [], 'sends-to': [], 'own-vips': own, instances: [] }, firstUnit);
}

/** What a unit tells the others. */
interface Told {
  readonly addresses: readonly string[];
  readonly 'sends-to': readonly string[];
  readonly 'own-vips': readonly string[];
  readonly instances: readonly Report[];
}

/** @param firstUnit who starts first in the leader's place */
function bag(state: State, unit: Told, firstUnit?: string): readonly Databag[] {
  if (state.cluster === undefined) return [];
  const app = { 'auth-secret-id': authSecret(state), 'goes-first': firstUnit };
  return [{ endpoint: 'vrrp-cluster', relation: state.cluster, unit, app }];
}

function clientBags(state: State, instances: readonly Instance[]): readonly Databag[] {
  const vips = instances
    .flatMap((instance) => instance.vips)
    .map(({ address, prefix, family }) => ({ address, prefix, family }));
  const owners = ownersOf(state);
  return state.clients.map(
    (relation) =>
      ({
        endpoint: 'vip',
        relation,
        unit: { owner: owners.filter(({ isHere }) => isHere).map(({ vip }) => vip) },
        app: { vips, ready: owners.every(({ unit }) => unit !== undefined) },
      }) as const,
  );
}

/** Who holds each address: `holds 10.0.0.9 since 12:03; 10.0.0.10 is on keepalived-vip/2`. */
function holding(state: State): Status {
  const { failing, running } = state;
  const owners = ownersOf(state);
  const texts = owners.map(({ vip, unit, isHere, since, rival }) => {
    const time = since === undefined ? '' : ` since ${clock(since)}`;
    if (isHere)
      return `holds ${vip}${time}${rival === undefined ? '' : `, and so does ${rival}: they cannot hear each other`}`;
    return unit === undefined ? `ready to take ${vip}` : `${vip} is on ${unit}${time}`;
  });
  // Over unicast the two do not disturb each other: the firewall drops theirs, and they get none of ours.
  const clash = numberClash(state);
  const text = [...texts, ...(clash === undefined ? [] : [clash]), ...unneeded(state)].join('; ');
  if (![...running.values()].some(({ state: now }) => now === 'FAULT')) return active(text);
  return waiting(
    `${failing.length > 0 ? failing.join(', ') : 'the network'} to work on this machine; ${text}`,
  );
}

/** What this container may not set, where no service misses it. */
function unneeded({ kernel: { forbidden }, binding }: State): readonly string[] {
  return forbidden.length === 0 || binding.length > 0
    ? []
    : [`${forbidden.join(', ')} cannot be set here, and nothing needs it`];
}

/** Services that cannot start where they do not have the address yet. */
function unboundServices({ kernel: { forbidden }, binding }: State): readonly Status[] {
  if (forbidden.length === 0 || binding.length === 0) return [];
  const settings = forbidden.map((parameter) => `${parameter}=1`).join(' ');
  return [
    blocked(
      `${binding.join(', ')} listens on a virtual address by name: on the host of this container, run: sysctl -w ${settings}`,
    ),
  ];
}

/** What to do about other routers on the network that have the same number. */
function numberClash({ sighted: { routers }, options }: State): string | undefined {
  if (routers.length === 0) return undefined;
  return `router number ${options['virtual-router-id']} is also that of ${routers.join(', ')} on this network: set another virtual-router-id=`;
}

/** Seconds since 1970 → `2026-11-24 12:03 UTC`. */
function clock(since: number): string {
  return `${new Date(since * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
