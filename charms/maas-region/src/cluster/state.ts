import type { Bag } from 'juju-ts-ops';
import type { endpoints, Left } from '../endpoints.ts';

type Said = (typeof endpoints)['region-cluster']['provider'];

/** Another region, with what it says; nothing but its name is known until its first hook is over. */
export interface Peer extends Bag<Said['unit']> {
  readonly unit: string;
}

/** A unit that was in the application and is no more, with what MAAS still knows of its controller. */
export interface Departed {
  readonly unit: string;
  readonly hostname: string;
  /** Absent: MAAS has forgotten it. */
  readonly systemId?: string;
  /** Whether MAAS still lists its processes, and so refuses to forget it. */
  readonly isRunning: boolean;
  /** The VLANs that would have no DHCP without it. */
  readonly soleDhcpOf: readonly string[];
}

/** The regions of this application, with what their leader says. */
export interface Cluster extends Bag<Said['app']> {
  /** The relation among them; absent in the very first hooks. */
  readonly relation?: number;
  /** The others. */
  readonly peers: readonly Peer[];
  /** Known to the leader: the other regions that it has named before, and that Juju has not told this unit of yet. */
  readonly unmet?: readonly string[];
  /** The target for which this unit said in an earlier hook that it stands still. */
  readonly stopped?: string;
  /** Who left before the leader had named them, as far as this unit saw it. */
  readonly left?: Left;
  /** Known while this unit serves: who has gone, and is still to be forgotten by MAAS at this unit's word. */
  readonly departed?: { readonly regions: readonly Departed[]; readonly racks: readonly Departed[] };
}
