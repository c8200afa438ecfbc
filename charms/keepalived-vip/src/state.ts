import type { InterfaceAddress, Occupant, Owner } from 'juju-ts-host';
import { SecretLabel, type Options, type Redacted } from 'juju-ts-ops';
import type { Report, VrrpState } from './endpoints.ts';
import type { options } from './options.ts';

/** A virtual address, with the prefix of the subnet that it is in. */
export interface PlacedVip {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
  /** Whether this machine has no address of its own in that subnet, and the user has said how large it is. */
  readonly isSubnetForeign: boolean;
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
  /** What two units must have in common to heed each other: keepalived drops adverts in which any of it differs. */
  readonly speaks: string;
}

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

/** What an instance in a keepalived.conf of this charm's was rendered from. */
export interface RenderedInstance {
  /** Absent where keepalived finds it by itself. */
  readonly source?: string;
  /** Absent in files of older revisions. */
  readonly speaks?: string;
  readonly vips: readonly string[];
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
  readonly isBeingRemoved: boolean;
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
  /** Whether who has a wanted address may be a unit that Juju has not told of yet. */
  readonly awaitsPeers: boolean;
  /** VRRP version 2 only: what the units authenticate with. */
  readonly authPass?: Redacted;
}

/** What is known before this unit looks around on the network. */
export type Known = Omit<State, 'sighted' | 'awaitsPeers'>;

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

export const AUTH_SECRET = new SecretLabel('vrrp-auth');
/** The key of its content. */
export const AUTH_PASS = 'auth-pass';

/** So that a service may listen on a virtual address before it is here. */
export const NONLOCAL_BIND = {
  ipv4: 'net.ipv4.ip_nonlocal_bind',
  ipv6: 'net.ipv6.ip_nonlocal_bind',
} as const;
