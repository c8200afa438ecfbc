import { inSubnet, type InterfaceAddress } from 'juju-ts-host';
import type { Message } from 'juju-ts-ops';
import type { WantedVip } from './options.ts';
import type { Instance, Known, Peer, PlacedVip } from './state.ts';

/** Where every virtual address goes, or what is wrong with one of them, for a status. */
export type Placement =
  | { readonly kind: 'placed'; readonly instances: readonly Instance[] }
  | { readonly kind: 'wrong'; readonly problem: Message };

export function placeVips(state: Known): Placement {
  const { options, peers } = state;
  const places = new Map<string, { device: string; family: 'ipv4' | 'ipv6'; vips: WantedVip[] }>();
  for (const vip of options.vip) {
    const { address, family } = vip;
    const [stranger] = peers.filter(({ ownVips }) => ownVips.includes(address));
    const owner = ownVips(state).includes(address) ? 'this machine' : stranger?.unit;
    if (owner !== undefined) {
      return wrong(`vip=${address} is ${owner}'s own address: set a free address of the subnet`);
    }
    const device = deviceOf(state, address, family);
    if (device === undefined) return wrong(noPlace(state, address, family));
    const name = `vip-${device}-${family}`;
    const place = places.get(name) ?? { device, family, vips: [] };
    place.vips.push(vip);
    places.set(name, place);
  }
  const instances = [...places].flatMap(([name, { device, family, vips }]): readonly Instance[] => {
    const own = ownAddresses(state, family).filter((one) => one.interface === device);
    const source = sourceOf(state, name, own, vips);
    if (!source) return [];
    return [
      {
        name,
        interface: device,
        family,
        source: source.address,
        vips: vips.map((vip) => placed(vip, own)),
        peers: peersOf(peers, source),
        speaks: speaksOf(state, family, vips),
      },
    ];
  });
  return { kind: 'placed', instances };
}

/** The wanted addresses that this machine has by itself, and not from keepalived. */
export function ownVips({ options, addresses, managed }: Known): readonly string[] {
  return options.vip
    .map(({ address }) => address)
    .filter((vip) => !managed.includes(vip) && addresses.some(({ address }) => address === vip));
}

/** Units by number → the VRRP priority of each: distinct, and the same however many of the units one knows. */
export function priorityOf(unitNumber: number, others: readonly number[]): number {
  const taken = new Set<number>();
  for (const number of [...new Set([...others, unitNumber])].sort((a, b) => a - b)) {
    let priority = HIGHEST - (number % HIGHEST);
    for (let tries = 0; taken.has(priority) && tries < HIGHEST; tries += 1)
      priority = priority === 1 ? HIGHEST : priority - 1;
    if (number === unitNumber) return priority;
    taken.add(priority);
  }
  return HIGHEST;
}

/** 255 would mean that the machine owns the address. */
const HIGHEST = 254;

/**
 * The addresses that are this machine's own: none that is wanted, that keepalived of this charm holds, that another
 * unit says it holds, or that looks as if another program moved it. One that only looks so counts where it is the last.
 */
function ownAddresses(
  { options, addresses, managed, held, peers }: Known,
  family: 'ipv4' | 'ipv6',
): readonly InterfaceAddress[] {
  const virtual = new Set([
    ...options.vip.map(({ address }) => address),
    ...managed,
    ...peers.flatMap(({ instances }) => instances.flatMap(({ vips }) => vips)),
  ]);
  const fixed = addresses.filter((one) => one.family === family && !virtual.has(one.address));
  return fixed.filter(
    (one) =>
      !held.includes(one.address) ||
      fixed.every((other) => other.interface !== one.interface || held.includes(other.address)),
  );
}

/** The interface for a virtual address: the wanted one, or the one with the closest subnet. */
function deviceOf(state: Known, vip: string, family: 'ipv4' | 'ipv6'): string | undefined {
  const { options } = state;
  const candidates = ownAddresses(state, family).filter(
    (own) => options.interface === '' || own.interface === options.interface,
  );
  return (closestTo(vip, candidates) ?? (options.interface === '' ? undefined : candidates[0]))?.interface;
}

/**
 * Where an instance sends from. It does not depend on how `vip` is written, and it stays while it can: units on different
 * subnets do not hear each other. So it is the address it has; else the one in the subnet of the units that run; else
 * the one in the subnet of the first virtual address in order.
 * @param own the addresses of this machine on the interface
 */
function sourceOf(
  { running, peers }: Known,
  name: string,
  own: readonly InterfaceAddress[],
  vips: readonly WantedVip[],
): InterfaceAddress | undefined {
  const now = running.get(name)?.source;
  const sources = peers.flatMap(({ instances }) => instances.map(({ source }) => source));
  const inOrder = vips.map(({ address }) => address).toSorted();
  return (
    own.find(({ address }) => address === now) ??
    own.find((one) => sources.some((source) => isInside(source, one))) ??
    inOrder.map((vip) => closestTo(vip, own)).find((one) => one !== undefined) ??
    own[0]
  );
}

function closestTo(vip: string, candidates: readonly InterfaceAddress[]): InterfaceAddress | undefined {
  const [closest] = candidates.filter((own) => isInside(vip, own)).toSorted((a, b) => b.prefix - a.prefix);
  return closest;
}

function isInside(address: string, { address: own, prefix }: InterfaceAddress): boolean {
  return inSubnet(address, `${own}/${prefix}`);
}

function placed({ address, family, prefix }: WantedVip, own: readonly InterfaceAddress[]): PlacedVip {
  const home = closestTo(address, own);
  const alone = family === 'ipv4' ? 32 : 128;
  // Of IPv6 nothing but the address itself is promised to others, as ever.
  const usual = family === 'ipv4' ? (home?.prefix ?? alone) : alone;
  return {
    address,
    family,
    prefix: prefix ?? usual,
    isSubnetForeign: home === undefined && prefix !== undefined && prefix < alone,
  };
}

/** Version 3 alone is for IPv6. */
function speaksOf({ options }: Known, family: 'ipv4' | 'ipv6', vips: readonly WantedVip[]): string {
  const version = family === 'ipv4' ? options['vrrp-version'] : 3;
  return [
    `router ${options['virtual-router-id']}`,
    `version ${version}`,
    options.unicast ? 'unicast' : 'multicast',
    `every ${options['advert-interval']}`,
    ...vips.map(({ address }) => address).toSorted(),
  ].join(' ');
}

function peersOf(peers: readonly Peer[], source: InterfaceAddress): Instance['peers'] {
  return peers.flatMap(({ unit, addresses }) => {
    const there = addresses.find((address) => isInside(address, source));
    return there === undefined ? [] : [{ unit, address: there }];
  });
}

function noPlace(state: Known, vip: string, family: 'ipv4' | 'ipv6'): Message {
  const { options } = state;
  const own = ownAddresses(state, family);
  if (options.interface === '') {
    const subnets = own.map(({ address, prefix }) => `${address}/${prefix}`);
    return (list) =>
      `vip=${vip} is in no subnet of this machine (${list(subnets) || `it has no ${family} address`}): set another, or interface=`;
  }
  const interfaces = [...new Set(own.map((address) => address.interface))];
  return (list) =>
    `interface=${options.interface} has no ${family} address here for vip=${vip}: set one of ${list(interfaces) || 'another family'}`;
}

function wrong(problem: Message): Placement {
  return { kind: 'wrong', problem };
}
