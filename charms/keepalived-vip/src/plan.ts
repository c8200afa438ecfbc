import { inSubnet, type InterfaceAddress, type Resource } from '@maas-ha/host';
import type { Vip } from '@maas-ha/interfaces/keepalived-vip';
import { active, blocked, SecretRef, waiting, type Plan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { CHECK_SCRIPT, CHECK_SCRIPT_CONTENT, renderKeepalivedConf } from './render/keepalived-conf.ts';
import { AUTH_SECRET, type State } from './state.ts';

const CONFIG = '/etc/keepalived/keepalived.conf';
const SYSCTL = '60-keepalived-nonlocal';

type KeepalivedPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): KeepalivedPlan {
  const { options, peers } = state;
  const [first] = options.vip;
  if (!first) {
    return stay(
      blocked("no address to hold: juju config keepalived-vip vip=<a free address of the machines' subnet>"),
    );
  }
  const place = placeOf(state, first.address);
  if (!place) {
    return stay(
      blocked(
        options.interface === ''
          ? `vip=${first.address} is in no subnet of this machine (${subnets(state)}): set another vip=, or interface=`
          : `interface=${options.interface} has no IPv4 address here: set one of ${interfaces(state)}`,
      ),
    );
  }
  if (options['vrrp-version'] === 2 && !Number.isInteger(options['advert-interval'])) {
    return stay(
      blocked(`advert-interval=${options['advert-interval']}: VRRP version 2 knows whole seconds only`),
    );
  }
  const vips = options.vip.map(({ address, prefix = place.prefix }) => ({ address, prefix }));
  const strangers =
    options.unicast && !state.isRunning ? peers.filter((peer) => !peer.peers.includes(state.unit)) : [];
  return {
    machine: strangers.length > 0 ? preparation() : [...preparation(), ...service(state, place, vips)],
    ...relationSide(state, place, vips, strangers.length === 0),
    status: [
      strangers.length > 0
        ? // Until the holder sends to this unit it would hear nobody, and take the addresses for itself.
          waiting(`${strangers.map(({ unit }) => unit).join(', ')} to learn of this unit`)
        : holding(state, vips),
    ],
  };
}

/** What is left when the unit goes: nothing that runs, and no address. */
export function leave(): readonly Resource[] {
  return [
    { kind: 'service', name: 'keepalived', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: ['keepalived'] },
    { kind: 'absent-file', path: CONFIG },
    { kind: 'absent-file', path: CHECK_SCRIPT },
    { kind: 'absent-file', path: `/etc/sysctl.d/${SYSCTL}.conf` },
  ];
}

/** Nothing changes: what runs goes on. */
function stay(status: Status): KeepalivedPlan {
  return { machine: [], status: [status] };
}

function preparation(): readonly Resource[] {
  return [
    { kind: 'packages', names: ['keepalived'] },
    { kind: 'file', path: CHECK_SCRIPT, content: CHECK_SCRIPT_CONTENT, mode: 0o755 },
    // So that a service may listen on the address before it is here.
    { kind: 'sysctl', name: SYSCTL, values: { 'net.ipv4.ip_nonlocal_bind': '1' } },
  ];
}

function service(state: State, place: InterfaceAddress, vips: readonly PlacedVip[]): readonly Resource[] {
  const { options, peers, authPass } = state;
  const content = renderKeepalivedConf({
    unit: state.unit,
    interface: place.interface,
    vips,
    virtualRouterId: options['virtual-router-id'],
    priority: options.priority === 0 ? 254 - (state.unitNumber % 254) : options.priority,
    advertInterval: options['advert-interval'],
    vrrpVersion: options['vrrp-version'],
    preempt: options.preempt,
    ...(options.unicast && {
      unicast: { source: place.address, peers: peers.flatMap(({ address }) => address ?? []) },
    }),
    ...(authPass && { authPass }),
    track: options.track,
  });
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
      after: [CONFIG],
    },
  ];
}

interface PlacedVip {
  readonly address: string;
  readonly prefix: number;
}

function relationSide(
  state: State,
  place: InterfaceAddress,
  vips: readonly PlacedVip[],
  isReady: boolean,
): Pick<KeepalivedPlan, 'secrets' | 'databags'> {
  const { authPass, cluster, clients, peers } = state;
  const published = vips.map(({ address, prefix }): Vip => ({ address, prefix, family: 'ipv4' }));
  return {
    secrets: authPass
      ? [{ label: AUTH_SECRET.label, content: { [AUTH_SECRET.key]: authPass }, grants: [] }]
      : [],
    databags: [
      ...(cluster === undefined
        ? []
        : [
            {
              endpoint: 'vrrp-cluster',
              relation: cluster,
              unit: {
                address: place.address,
                peers: peers.filter(({ address }) => address !== undefined).map(({ unit }) => unit),
              },
              app: { 'auth-secret-id': authPass ? new SecretRef(AUTH_SECRET.label) : undefined },
            } as const,
          ]),
      ...clients.map(
        (relation) =>
          ({
            endpoint: 'vip',
            relation,
            unit: { owner: held(state, vips) },
            app: { vips: published, ready: isReady },
          }) as const,
      ),
    ],
  };
}

/** The interface to hold the addresses on, with this machine's own address there. */
function placeOf({ options, addresses }: State, vip: string): InterfaceAddress | undefined {
  const wanted = new Set(options.vip.map(({ address }) => address));
  return addresses.find(
    (own) =>
      !wanted.has(own.address) &&
      own.interface !== 'lo' &&
      (options.interface === ''
        ? inSubnet(vip, `${own.address}/${own.prefix}`)
        : own.interface === options.interface),
  );
}

function held(state: State, vips: readonly PlacedVip[]): readonly string[] {
  return vips
    .map(({ address }) => address)
    .filter((vip) => state.addresses.some(({ address }) => address === vip));
}

function holding(state: State, vips: readonly PlacedVip[]): Status {
  const own = held(state, vips);
  return active(
    own.length > 0
      ? `holds ${own.join(', ')}`
      : `ready to take ${vips.map(({ address }) => address).join(', ')}`,
  );
}

function subnets({ addresses }: State): string {
  return addresses
    .filter((own) => own.interface !== 'lo')
    .map(({ address, prefix }) => `${address}/${prefix}`)
    .join(', ');
}

function interfaces({ addresses }: State): string {
  return [...new Set(addresses.map((own) => own.interface))].filter((name) => name !== 'lo').join(', ');
}
