import { markOf, markPath, type Occupant, type Resource } from 'juju-ts-host';
import { unitNumber, type Redacted } from 'juju-ts-ops';
import { priorityOf } from './instances.ts';
import { daemonReload, keepSecondaries, settle } from './keepalived.ts';
import { CHECK_ADDRESS_SCRIPT, CHECK_ADDRESS_SCRIPT_CONTENT } from './render/check-address.ts';
import { CHECK_SCRIPT, CHECK_SCRIPT_CONTENT } from './render/check-service.ts';
import { HANDOVER_NFT, renderHandoverNft } from './render/handover-nft.ts';
import {
  CONFIG,
  DAEMON,
  renderedInstances,
  renderKeepalivedConf,
  withoutInstances,
} from './render/keepalived-conf.ts';
import { NEXT_LOCK, NOTIFY_SCRIPT, renderNotify, TELLING_LOCK } from './render/notify.ts';
import { PEERS_NFT, renderPeersNft } from './render/peers-nft.ts';
import { REALTIME_SCRIPT, REALTIME_SCRIPT_CONTENT } from './render/realtime.ts';
import {
  NFTABLES_CONF,
  NFTABLES_CONF_CONTENT,
  SERVICE_CONF,
  SERVICE_CONF_CONTENT,
} from './render/service-conf.ts';
import { NONLOCAL_BIND, type Instance, type RenderedInstance, type State } from './state.ts';

const SYSCTL = '60-keepalived-nonlocal';
const MODULE = 'ip_vs';

export const STOPPED: Resource = { kind: 'service', name: 'keepalived', state: 'stopped', enabled: false };

/**
 * What is left when the unit goes: nothing that runs, no address, no file.
 * @param occupant whose keepalived it is, where it is not of this unit: then all stays
 */
export function teardown(occupant?: Occupant): readonly Resource[] {
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

export function preparation({ kernel, unit, self }: State): readonly Resource[] {
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
export function asBefore(
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

export function service(state: State, instances: readonly Instance[]): readonly Resource[] {
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
