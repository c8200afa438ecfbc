import { inSubnet, type InterfaceAddress } from '@maas-ha/host';
import type { Known, Peer } from './state.ts';

/** A virtual address with the prefix it gets. */
export interface PlacedVip {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/**
 * A VRRP instance: the virtual addresses of one family on one interface. Instances move independently of each
 * other: a network that fails takes its own addresses along, and a service that fails takes all of them.
 */
export interface Instance {
  /** Unique on this machine, and the same in every hook: `vip-eth0-ipv4`. */
  readonly name: string;
  readonly interface: string;
  readonly family: 'ipv4' | 'ipv6';
  /** This machine's own address there: where its adverts come from. */
  readonly source: string;
  readonly vips: readonly PlacedVip[];
  /** The units that have an address in the same place, by number. */
  readonly peers: readonly { readonly unit: string; readonly address: string }[];
}

/** Where every virtual address goes, or what is wrong with one of them, for a status. */
export type Placement =
  | { readonly kind: 'placed'; readonly instances: readonly Instance[] }
  | { readonly kind: 'wrong'; readonly problem: string };

export function placeVips(state: Known): Placement {
  const { options, peers } = state;
  const byName = new Map<string, Instance>();
  for (const { address, family, prefix } of options.vip) {
    const [stranger] = peers.filter(({ ownVips }) => ownVips.includes(address));
    const owner = ownVips(state).includes(address) ? 'this machine' : stranger?.unit;
    if (owner !== undefined) {
      return wrong(`vip=${address} is ${owner}'s own address: set a free address of the subnet`);
    }
    const place = placeOf(state, address, family);
    if (!place) return wrong(noPlace(state, address, family));
    const name = `vip-${place.interface}-${family}`;
    const instance = byName.get(name);
    const isInside = inSubnet(address, `${place.address}/${place.prefix}`);
    // An IPv6 address of its own prefix length is never chosen as the source of the machine's own connections.
    const fitting = family === 'ipv6' ? 128 : isInside ? place.prefix : 32;
    byName.set(name, {
      name,
      interface: place.interface,
      family,
      source: instance?.source ?? place.address,
      vips: [...(instance?.vips ?? []), { address, prefix: prefix ?? fitting, family }],
      peers: instance?.peers ?? peersOf(peers, place),
    });
  }
  return { kind: 'placed', instances: [...byName.values()] };
}

/**
 * Which units have to send VRRP to this one before it may start an instance. Until its holder does it would hear
 * nobody, and take the addresses for itself. Juju tells a new unit of the others one by one: one that it has not met
 * may be the holder, and the others know it. Of units that start at the same time the leader goes first.
 * @param silent addresses of machines that are lost: nobody waits for them, where there are others
 */
export function strangersTo(
  instance: Instance,
  known: Known,
  silent: readonly string[] = [],
): readonly string[] {
  const { running, peers, isLeader } = known;
  if (running.has(instance.name)) return [];
  const started = peers.flatMap((peer) => {
    const address = instance.peers.find(({ unit }) => unit === peer.unit)?.address;
    return peer.instances.some(({ source }) => source === address) ? [{ ...peer, address }] : [];
  });
  if (started.length === 0 && !isLeader) return ['the leader'];
  const alive = started.filter(({ address = '' }) => !silent.includes(address));
  const heeded = alive.length > 0 ? alive : started;
  const met = new Set([
    ...known.addresses.map(({ address }) => address),
    ...peers.flatMap(({ addresses }) => addresses),
  ]);
  const deaf = heeded.filter(({ sendsTo }) => !sendsTo.includes(instance.source)).map(({ unit }) => unit);
  const unmet = heeded.flatMap(({ sendsTo }) => sendsTo).filter((address) => !met.has(address));
  return [...deaf, ...new Set(unmet)];
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

function placeOf(
  { options, addresses }: Known,
  vip: string,
  family: 'ipv4' | 'ipv6',
): InterfaceAddress | undefined {
  const wanted = new Set(options.vip.map(({ address }) => address));
  const candidates = addresses.filter(
    (own) =>
      own.family === family &&
      !wanted.has(own.address) &&
      (options.interface === '' || own.interface === options.interface),
  );
  const inside = candidates.filter((own) => inSubnet(vip, `${own.address}/${own.prefix}`));
  const [closest] = inside.sort((a, b) => b.prefix - a.prefix);
  return closest ?? (options.interface === '' ? undefined : candidates[0]);
}

function peersOf(peers: readonly Peer[], place: InterfaceAddress): Instance['peers'] {
  return peers.flatMap(({ unit, addresses }) => {
    const there = addresses.find((address) => inSubnet(address, `${place.address}/${place.prefix}`));
    return there === undefined ? [] : [{ unit, address: there }];
  });
}

function noPlace({ options, addresses }: Known, vip: string, family: 'ipv4' | 'ipv6'): string {
  const own = addresses.filter((address) => address.family === family);
  if (options.interface === '') {
    const subnets = own.map(({ address, prefix }) => `${address}/${prefix}`).join(', ');
    return `vip=${vip} is in no subnet of this machine (${subnets || `it has no ${family} address`}): set another vip=, or interface=`;
  }
  const interfaces = [...new Set(own.map((address) => address.interface))].join(', ');
  return `interface=${options.interface} has no ${family} address here for vip=${vip}: set one of ${interfaces || 'another family'}`;
}

function wrong(problem: string): Placement {
  return { kind: 'wrong', problem };
}
