import type { Resource } from '@maas-ha/host';
import { active, blocked, unitNumber, waiting, type Plan, type SecretPlan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints, Report } from './endpoints.ts';
import { ownVips, placeVips, priorityOf, strangersTo, type Instance } from './instances.ts';
import { daemonReload, settle } from './keepalived.ts';
import { ownersOf } from './owners.ts';
import { CHECK_SCRIPT, CHECK_SCRIPT_CONTENT } from './render/check-service.ts';
import { CONFIG, renderKeepalivedConf } from './render/keepalived-conf.ts';
import { HANDOVER_NFT, renderHandoverNft } from './render/handover-nft.ts';
import { NOTIFY_SCRIPT, renderNotify } from './render/notify.ts';
import { PEERS_NFT, renderPeersNft } from './render/peers-nft.ts';
import { REALTIME_SCRIPT, REALTIME_SCRIPT_CONTENT } from './render/realtime.ts';
import { SERVICE_CONF, SERVICE_CONF_CONTENT } from './render/service-conf.ts';
import { AUTH_PASS, AUTH_SECRET, NONLOCAL_BIND, type State } from './state.ts';

const SYSCTL = '60-keepalived-nonlocal';
const MODULE = 'ip_vs';

type KeepalivedPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;
type Databag = NonNullable<KeepalivedPlan['databags']>[number];

export function plan(state: State): KeepalivedPlan {
  if (state.isLeaving) return farewell(state);
  const { options, kernel } = state;
  if (options.vip.length === 0) return stay(blocked(nothingToHold(state)));
  const placement = placeVips(state);
  if (placement.kind === 'wrong') {
    const clashes = ownVips(state).length > 0;
    // The others have to know of a clash. Else they go on sending to this machine, where all stays as it was.
    return {
      ...stay(blocked(placement.problem)),
      ...(clashes && { databags: clusterBag(state, [], authSecret(state)) }),
    };
  }
  if (options['vrrp-version'] === 2 && !Number.isInteger(options['advert-interval'])) {
    return stay(
      blocked(
        `advert-interval=${options['advert-interval']}: VRRP version 2 knows whole seconds only; set advert-interval=1, or vrrp-version=3`,
      ),
    );
  }
  if (kernel.forbidden.length > 0) {
    const settings = kernel.forbidden.map((parameter) => `${parameter}=1`).join(' ');
    return stay(
      blocked(
        `this container may not set it itself: on its host, run: sysctl -w ${settings}; then restart it`,
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
  const auth = authSecret(state);
  const strangers = new Map(
    instances.map((instance) => [instance, strangersTo(instance, state, state.sighted.silent)]),
  );
  const ready = instances.filter((instance) => strangers.get(instance)?.length === 0);
  const missing = [...new Set([...strangers.values()].flat())];
  return {
    machine: [...preparation(state), ...(ready.length > 0 ? service(state, ready) : [])],
    secrets: secretsOf(auth),
    databags: [...clusterBag(state, instances, auth), ...clientBags(state, instances)],
    status: [
      ...(clash === undefined ? [] : [blocked(clash)]),
      ...(missing.length > 0 ? [waiting(`${missing.join(', ')} to learn of this unit`)] : []),
      holding(state),
    ],
  };
}

/**
 * A unit that is being removed gives its addresses away at once, and sends and hears no VRRP from then on: the others
 * seem to leave it, one by one, and without them it would take the addresses for itself.
 */
function farewell(state: State): KeepalivedPlan {
  const auth = authSecret(state);
  return {
    machine: [STOPPED],
    secrets: secretsOf(auth),
    databags: [
      ...clusterBag(state, [], auth),
      ...state.clients.map((relation) => ({ endpoint: 'vip', relation, unit: { owner: [] } }) as const),
    ],
    status: [waiting('to be removed')],
  };
}

const STOPPED: Resource = { kind: 'service', name: 'keepalived', state: 'stopped', enabled: false };

/** What is left when the unit goes: nothing that runs, no address, no file. */
export function leave(): readonly Resource[] {
  return [
    STOPPED,
    { kind: 'absent-packages', names: ['keepalived', 'nftables'] },
    ...[
      CONFIG,
      CHECK_SCRIPT,
      NOTIFY_SCRIPT,
      REALTIME_SCRIPT,
      PEERS_NFT,
      HANDOVER_NFT,
      SERVICE_CONF,
      `/etc/modules-load.d/${MODULE}.conf`,
    ].map((path) => ({ kind: 'absent-file', path }) as const),
    {
      kind: 'absent-sysctl',
      name: SYSCTL,
      values: { [NONLOCAL_BIND.ipv4]: '0', [NONLOCAL_BIND.ipv6]: '0' },
    },
    { kind: 'step', id: 'daemon-reload', inputs: { content: '' }, run: daemonReload },
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

function preparation({ kernel, unit }: State): readonly Resource[] {
  return [
    { kind: 'packages', names: ['keepalived', 'nftables'] },
    { kind: 'file', path: CHECK_SCRIPT, content: CHECK_SCRIPT_CONTENT, mode: 0o755 },
    { kind: 'file', path: REALTIME_SCRIPT, content: REALTIME_SCRIPT_CONTENT, mode: 0o755 },
    { kind: 'file', path: NOTIFY_SCRIPT, content: renderNotify(unit), mode: 0o755 },
    ...(kernel.hasIpVs ? [{ kind: 'kernel-module', name: MODULE } as const] : []),
    {
      kind: 'sysctl',
      name: SYSCTL,
      values: { [NONLOCAL_BIND.ipv4]: '1', ...(kernel.hasIpv6 && { [NONLOCAL_BIND.ipv6]: '1' }) },
    },
    { kind: 'file', path: SERVICE_CONF, content: SERVICE_CONF_CONTENT, mode: 0o644 },
    { kind: 'step', id: 'daemon-reload', inputs: { content: SERVICE_CONF_CONTENT }, run: daemonReload },
  ];
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
  return [
    {
      kind: 'file',
      path: PEERS_NFT,
      content: renderPeersNft(instances, options['virtual-router-id'], options.unicast),
      mode: 0o600,
    },
    {
      kind: 'file',
      path: HANDOVER_NFT,
      content: renderHandoverNft(instances),
      mode: 0o600,
    },
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
      run: () => settle(instances, options['advert-interval']),
    },
  ];
}

/** What VRRP version 2 authenticates with, which the databag of the application names. */
function authSecret({ authPass }: State): SecretPlan | undefined {
  return authPass && { secret: AUTH_SECRET, content: { [AUTH_PASS]: authPass }, grants: [] };
}

/** It is made before there is a databag: else each hook would have another one. */
function secretsOf(auth: SecretPlan | undefined): readonly SecretPlan[] {
  return auth ? [auth] : [];
}

function clusterBag(
  state: State,
  instances: readonly Instance[],
  auth: SecretPlan | undefined,
): readonly Databag[] {
  const { cluster, running, addresses } = state;
  if (cluster === undefined) return [];
  const reports = instances.flatMap(({ name, source, vips }): readonly Report[] => {
    const local = running.get(name);
    if (!local) return [];
    // The scripts of two changes in one moment may end in the wrong order: what the machine has decides.
    const isHeld = vips.some((vip) => addresses.some(({ address }) => address === vip.address));
    const now = isHeld ? 'MASTER' : local.state === 'MASTER' ? 'BACKUP' : local.state;
    return [{ source, vips: vips.map(({ address }) => address), ...local, state: now }];
  });
  return [
    {
      endpoint: 'vrrp-cluster',
      relation: cluster,
      unit: {
        addresses: instances.map(({ source }) => source),
        'sends-to': instances.flatMap(({ peers }) => peers.map(({ address }) => address)),
        'own-vips': ownVips(state),
        instances: reports,
      },
      app: { 'auth-secret-id': auth },
    },
  ];
}

function clientBags(state: State, instances: readonly Instance[]): readonly Databag[] {
  const vips = instances.flatMap((instance) => instance.vips);
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
  const text = [...texts, ...(clash === undefined ? [] : [clash])].join('; ');
  if (![...running.values()].some(({ state: now }) => now === 'FAULT')) return active(text);
  return waiting(
    `${failing.length > 0 ? failing.join(', ') : 'the network'} to work on this machine; ${text}`,
  );
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
