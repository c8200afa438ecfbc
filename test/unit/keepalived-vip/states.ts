// States of keepalived-vip for tests, and what its plan writes.
import type { Resource } from 'juju-ts-host';
import { options } from '../../../charms/keepalived-vip/src/options.ts';
import { plan } from '../../../charms/keepalived-vip/src/plan.ts';
import type { Peer, State } from '../../../charms/keepalived-vip/src/state.ts';

/** As charmcraft.yaml has them, but for `vip`. */
export const DEFAULTS = {
  vip: '10.9.0.100',
  interface: '',
  'virtual-router-id': 51,
  priority: 0,
  'advert-interval': 0.1,
  'vrrp-version': 3,
  preempt: false,
  unicast: true,
  track: 'haproxy named',
};
export type RawOptions = { [K in keyof typeof DEFAULTS]: (typeof DEFAULTS)[K] };

/** What the option schemas make of texts and numbers. @throws {ZodError} */
export function parseOptions(raw: Partial<RawOptions> = {}): State['options'] {
  const given = { ...DEFAULTS, ...raw };
  return {
    vip: options.vip.parse(given.vip),
    interface: options.interface.parse(given.interface),
    'virtual-router-id': options['virtual-router-id'].parse(given['virtual-router-id']),
    priority: options.priority.parse(given.priority),
    'advert-interval': options['advert-interval'].parse(given['advert-interval']),
    'vrrp-version': options['vrrp-version'].parse(given['vrrp-version']),
    preempt: options.preempt.parse(given.preempt),
    unicast: options.unicast.parse(given.unicast),
    track: options.track.parse(given.track),
  };
}

/** Unit `number` at 10.9.0.1<number> and fd09::1<number>, which leads, and has seen nobody and started nothing. */
export function stateOf(
  number: number,
  { options: raw, ...more }: Partial<Omit<State, 'options'>> & { options?: Partial<RawOptions> } = {},
): State {
  return {
    app: 'keepalived-vip',
    unit: `keepalived-vip/${number}`,
    unitNumber: number,
    self: { name: `keepalived-vip/${number}`, home: `/var/lib/juju/agents/unit-keepalived-vip-${number}` },
    isLeader: true,
    isBeingRemoved: false,
    options: parseOptions(raw),
    addresses: [
      { interface: 'eth0', address: `10.9.0.1${number}`, prefix: 24, family: 'ipv4' },
      { interface: 'eth0', address: `fd09::1${number}`, prefix: 64, family: 'ipv6' },
    ],
    managed: [],
    held: [],
    cluster: 0,
    peers: [],
    clients: [],
    running: new Map(),
    failing: [],
    binding: [],
    isFilterMissing: false,
    kernel: { hasIpv6: true, hasIpVs: false, forbidden: [] },
    sighted: { holders: [], routers: [], silent: [] },
    awaitsPeers: false,
    ...more,
  };
}

/** What unit `number` tells of itself: by default that it has not started. */
export function peerOf(number: number, more: Partial<Peer> = {}): Peer {
  return {
    unit: `keepalived-vip/${number}`,
    addresses: [`10.9.0.1${number}`, `fd09::1${number}`],
    sendsTo: [],
    ownVips: [],
    instances: [],
    ...more,
  };
}

/** The files that a plan writes, by path. */
export function filesOf(resources: readonly Resource[]): ReadonlyMap<string, { text: string; mode: number }> {
  return new Map(
    resources.flatMap((resource) => {
      if (resource.kind !== 'file') return [];
      const { path, content, mode } = resource;
      return [[path, { text: typeof content === 'string' ? content : content.reveal(), mode }] as const];
    }),
  );
}

export function planOf(
  state: State,
): ReturnType<typeof plan> & { readonly files: ReturnType<typeof filesOf> } {
  const planned = plan(state);
  return { ...planned, files: filesOf(planned.machine) };
}
