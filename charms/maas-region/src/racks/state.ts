import type { Hostnames, SoleDhcp } from '../endpoints.ts';

/** The racks that are related. */
export interface Racks {
  readonly relations: readonly { readonly id: number; readonly app: string }[];
  /** Of those that have said what they are called. */
  readonly hostnames: Hostnames;
  /** Known to the leader where it has asked: those that would leave a network without DHCP. */
  readonly soleDhcp?: SoleDhcp;
}
