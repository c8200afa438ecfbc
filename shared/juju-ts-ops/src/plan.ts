import type { Charmcraft, EndpointName, Endpoints, OwnSide } from './charmcraft.ts';
import type { BagValues } from './databag.ts';
import type { Redacted } from './redacted.ts';
import type { Status } from './status.ts';

/** What this unit (and, where it leads, its application) writes into its databags of one relation. */
export type DatabagPlan<C extends Charmcraft, E extends Endpoints<C>> = {
  readonly [N in EndpointName<C>]: {
    readonly endpoint: N;
    readonly relation: number;
    readonly unit?: BagValues<OwnSide<C, E, N>['unit']>;
    /** Written by the leader only; on other units it is left alone. */
    readonly app?: BagValues<OwnSide<C, E, N>['app']>;
  };
}[EndpointName<C>];

/** A secret that the application owns. Written by the leader only. */
export interface SecretPlan {
  /** Juju's label, by which the owner finds it again. */
  readonly label: string;
  readonly content: Readonly<Record<string, Redacted>>;
  /** The relations whose other end may read it. */
  readonly grants: readonly { readonly id: number; readonly app: string }[];
}

/** Everything that follows from what Juju and the machine say: plain data, made by a pure function. */
export interface Plan<C extends Charmcraft, E extends Endpoints<C>, Resource> {
  /** What the machine should be like, in the order in which it is brought about. */
  readonly machine: readonly Resource[];
  readonly secrets?: readonly SecretPlan[];
  readonly databags?: readonly DatabagPlan<C, E>[];
  /** Every port that should be open, `80/tcp`; the others are closed. Absent: ports are left alone. */
  readonly ports?: readonly string[];
  /** What `juju status` shows as the version of the workload. */
  readonly version?: string;
  /** The worst of them is shown; none at all is active. */
  readonly status: readonly Status[];
}
