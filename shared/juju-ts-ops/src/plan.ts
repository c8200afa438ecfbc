import type { Charmcraft, EndpointName, Endpoints, OwnSide } from './charmcraft.ts';
import type { BagSchema, BagValues, NoBag } from './databag.ts';
import type { SecretPlan, UnitSecretPlan } from './secret.ts';
import type { Status } from './status.ts';

/** What this unit writes into its databags of one relation and, on the leader, what its application writes. */
export type DatabagPlan<C extends Charmcraft, E extends Endpoints<C>> = {
  readonly [N in EndpointName<C>]: { readonly endpoint: N; readonly relation: number } & Bags<C, E, N>;
}[EndpointName<C>];

interface Bags<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>> {
  readonly unit?: BagValues<OwnSide<C, E, N>['unit'], UnitSecretPlan>;
  /** Only the leader writes it; other units leave it alone. */
  readonly app?: BagValues<OwnSide<C, E, N>['app'], SecretPlan>;
}

/**
 * Returns a function for the entries of a plan's `databags`:
 * `databag('db', relation.id, { app: { database: 'web' } })`. It checks each entry against the contract of its
 * endpoint where it is written.
 */
export function defineDatabags<C extends Charmcraft, E extends Endpoints<C>>(
  _charmcraft: C,
  _endpoints: E,
): <N extends EndpointName<C>>(
  endpoint: N,
  relation: number,
  bags: Bags<C, E, N>,
) => { readonly endpoint: N; readonly relation: number } & Bags<C, E, N> {
  return (endpoint, relation, bags) => ({ endpoint, relation, ...bags });
}

/** Everything that follows from what Juju and the machine say: plain data, made by a pure function. */
export interface Plan<C extends Charmcraft, E extends Endpoints<C>, Resource, B extends BagSchema = NoBag> {
  /** What the machine should be like, in the order in which it is applied. */
  readonly machine: readonly Resource[];
  /**
   * What is applied next, on one unit at a time. If something in it has to change, this unit asks for its turn. Until
   * it has the turn, it shows `waiting` and applies only `machine`: no databag, no secret, no port. `rolling` of the
   * charm says how the units agree.
   */
  readonly rolling?: readonly Resource[];
  /** What is applied after `rolling`; at once if nothing in `rolling` has to change. */
  readonly afterRolling?: readonly Resource[];
  /** Secrets that no databag names. A secret that a databag names is made with the databag. */
  readonly secrets?: readonly SecretPlan[];
  readonly databags?: readonly DatabagPlan<C, E>[];
  /**
   * Every port that should be open, `80/tcp`, `8000-8010/udp`, `icmp`; all others are closed. If absent, ports are
   * left alone.
   */
  readonly ports?: readonly string[];
  /**
   * What this unit keeps in the controller. Keys of the schema that are missing are deleted. If absent, everything
   * stays.
   */
  readonly stored?: BagValues<B>;
  /**
   * In how many seconds the unit reconciles again, for what no event announces: a server that comes back, a daemon that
   * becomes ready. If absent, with the next event; Juju runs `update-status` every five minutes.
   */
  readonly reconcileIn?: number | undefined;
  /** The version of the workload that `juju status` shows. */
  readonly version?: string;
  /** Juju shows the worst of them; the action `show-status` shows all. The unit is active if there are none. */
  readonly status: readonly Status[];
  /** The status of the application, which the leader sets. If absent, Juju derives it from the units. */
  readonly appStatus?: readonly Status[];
}
