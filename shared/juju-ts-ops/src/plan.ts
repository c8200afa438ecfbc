import type { Charmcraft, EndpointName, Endpoints, OwnSide } from './charmcraft.ts';
import type { BagSchema, BagValues, NoBag } from './databag.ts';
import type { SecretPlan, UnitSecretPlan } from './secret.ts';
import type { Status } from './status.ts';

/** What this unit (and, where it leads, its application) writes into its databags of one relation. */
export type DatabagPlan<C extends Charmcraft, E extends Endpoints<C>> = {
  readonly [N in EndpointName<C>]: {
    readonly endpoint: N;
    readonly relation: number;
    readonly unit?: BagValues<OwnSide<C, E, N>['unit'], UnitSecretPlan>;
    /** Written by the leader only; on other units it is left alone. */
    readonly app?: BagValues<OwnSide<C, E, N>['app'], SecretPlan>;
  };
}[EndpointName<C>];

/** Everything that follows from what Juju and the machine say: plain data, made by a pure function. */
export interface Plan<C extends Charmcraft, E extends Endpoints<C>, Resource, B extends BagSchema = NoBag> {
  /** What the machine should be like, in the order in which it is brought about. */
  readonly machine: readonly Resource[];
  /**
   * What comes then, and is brought about by one unit after the other: while there is something to change, this unit asks
   * for its turn, and until it has it shows `waiting`, and nothing of the plan but `machine` is brought about. The charm
   * says in `turns` how its units agree.
   */
  readonly inTurn?: readonly Resource[];
  /** What comes after `inTurn`: at once where nothing of that has to change. */
  readonly afterTurn?: readonly Resource[];
  /** Those that no databag names: what one names is made with it. */
  readonly secrets?: readonly SecretPlan[];
  readonly databags?: readonly DatabagPlan<C, E>[];
  /** Every port that should be open, `80/tcp`, `8000-8010/udp`, `icmp`; the others are closed. Absent: ports are left alone. */
  readonly ports?: readonly string[];
  /** What this unit keeps in the controller. Keys of the schema that are missing are deleted. Absent: all stays. */
  readonly stored?: BagValues<B>;
  /** What `juju status` shows as the version of the workload. */
  readonly version?: string;
  /** The worst of them is shown, and the action `show-status` shows all; none at all is active. */
  readonly status: readonly Status[];
  /** Of the application, set by the leader. Absent: Juju makes it from the units'. */
  readonly appStatus?: readonly Status[];
}
