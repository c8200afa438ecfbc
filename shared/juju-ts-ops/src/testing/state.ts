import type { ActionName, Charmcraft, EndpointName, OptionName, OptionValue } from '../charmcraft.ts';
import type { LifecycleHook } from '../context.ts';
import type { RawBag } from '../databag.ts';
import type { StatusLevel } from '../status.ts';

/** What Juju knows, as one unit sees it, before or after a hook. Plain data that nothing changes. */
export interface State<C extends Charmcraft = Charmcraft> {
  /** `3.6.28` or `4.0.15`: their tools differ. */
  readonly jujuVersion: string;
  readonly model: { readonly name: string; readonly uuid: string };
  /** `web/0` */
  readonly unit: string;
  readonly machineId: string;
  readonly isLeader: boolean;
  /** For a subordinate: its principal unit. */
  readonly principalUnit?: string;
  /** What the user set. Other options have their defaults. */
  readonly options: { readonly [K in OptionName<C>]?: OptionValue<C['options'][K]> };
  readonly relations: readonly RelationState<C>[];
  readonly secrets: readonly SecretState[];
  /** `80/tcp`, `8000-8010/udp`, `icmp` */
  readonly ports: readonly string[];
  /** The ports that other units of the same machine have open, by unit. */
  readonly otherPorts: Readonly<Record<string, readonly string[]>>;
  /** By binding. Other bindings are on 192.0.2.0/24. */
  readonly networks: { readonly [N in EndpointName<C>]?: NetworkState };
  readonly publicAddress: string;
  readonly status: StatusState;
  /** The status of the application. Only the leader may see it. */
  readonly appStatus: StatusState;
  readonly workloadVersion: string;
  /** What the unit keeps in the controller. */
  readonly stored: RawBag;
  readonly storage: readonly StorageState[];
  /** The path of the file that the user gave, by the name of the resource. */
  readonly resources: Readonly<Record<string, string>>;
  /** How many units of the application the model is going to have, including this one. */
  readonly plannedUnits: number;
  /** Absent if the user has not run `juju trust`. */
  readonly cloud?: CloudState;
}

/** A status as Juju shows it. */
export interface StatusState {
  readonly level: StatusLevel | 'unknown' | 'error' | 'terminated';
  readonly message: string;
}

/** A relation and its databags. For a peer relation `app` is this application, and `units` are its other units. */
export interface RelationState<C extends Charmcraft = Charmcraft> {
  readonly id: number;
  readonly endpoint: EndpointName<C>;
  readonly app: string;
  readonly appData?: RawBag;
  /** The databags of the units at the other end, by unit. Missing addresses are added. */
  readonly units?: Readonly<Record<string, RawBag>>;
  /**
   * For a peer relation on Juju 4: those of `units` that have been removed, but are still listed. For a subordinate,
   * Juju shows this only for units whose databag has the key `principal`.
   */
  readonly gone?: readonly string[];
  /** What this unit has written. */
  readonly localUnitData?: RawBag;
  /** What this application has written. In a peer relation, that is `appData`. */
  readonly ownAppData?: RawBag;
  /** The model at the other end; if absent, this model. */
  readonly modelUuid?: string;
  /** Juju 4: the other application was removed by force. The relation is listed, but cannot be read. */
  readonly isLost?: boolean;
}

/** A secret that this charm owns, or may read. */
export interface SecretState {
  /** `secret:9m4e2mr0ui3e8a215n4g`; what Juju 4 adds to it, the model, is left out. */
  readonly uri: string;
  /** `other`: another application owns it, and has granted it to this one. */
  readonly owner: 'application' | 'unit' | 'other';
  /** The owner's label. For a secret of another owner, the label that this unit gave it. */
  readonly label?: string;
  readonly description?: string;
  readonly rotate?: string;
  readonly expire?: string;
  /** Oldest first; the last one is the newest. */
  readonly revisions: readonly SecretRevision[];
  /** The revision that this unit follows; absent until it has read the secret. */
  readonly tracked?: number;
  /** Who may read a secret of this charm's own. */
  readonly grants?: readonly SecretGrant[];
}

/** One revision of a secret, in clear text. */
export interface SecretRevision {
  readonly number: number;
  readonly content: Readonly<Record<string, string>>;
}

/** The other end of a relation, which may read a secret. */
export interface SecretGrant {
  readonly relation: number;
  /** If absent, the whole application. */
  readonly unit?: string;
}

/** The addresses of one binding. */
export interface NetworkState {
  readonly addresses: readonly {
    readonly interface: string;
    readonly address: string;
    readonly cidr: string;
  }[];
  readonly ingressAddresses?: readonly string[];
  readonly egressSubnets?: readonly string[];
}

/** A storage instance of the unit. */
export interface StorageState {
  /** `data/0` */
  readonly instance: string;
  readonly kind?: 'filesystem' | 'block';
  readonly location: string;
}

/** The cloud of the model, as `credential-get` shows it. */
export interface CloudState {
  readonly type: string;
  readonly name: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly authType?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Why Juju runs the charm. */
export type TestEvent<C extends Charmcraft = Charmcraft> =
  | LifecycleHook
  | {
      readonly relation: 'created' | 'joined' | 'changed' | 'departed' | 'broken';
      readonly id: number;
      /**
       * The unit that joined, changed or departed. Absent for `created`, for `broken`, and if the application's
       * databag changed.
       */
      readonly unit?: string;
      /** In `departed`: this unit's own name if it is this unit that leaves. If absent, `unit` leaves. */
      readonly departing?: string;
    }
  | { readonly action: ActionName<C>; readonly params?: Readonly<Record<string, unknown>> }
  | {
      readonly secret: 'changed' | 'rotate' | 'expired' | 'remove';
      readonly uri: string;
      /** For `expired` and `remove`. */
      readonly revision?: number;
    }
  | { readonly storage: 'attached' | 'detaching'; readonly instance: string };

/** The state of a charm's first unit, just after `juju deploy`, except for what `known` says. */
export function stateOf<C extends Charmcraft>(
  charm: { readonly charmcraft: C },
  known: Partial<State<C>> = {},
): State<C> {
  const { name, subordinate } = charm.charmcraft;
  return {
    jujuVersion: '3.6.28',
    model: { name: 'test', uuid: '11111111-2222-4333-8444-555555555555' },
    unit: `${name}/0`,
    machineId: '0',
    isLeader: false,
    ...(subordinate && { principalUnit: 'principal/0' }),
    options: {},
    relations: [],
    secrets: [],
    ports: [],
    otherPorts: {},
    networks: {},
    publicAddress: '192.0.2.1',
    status: { level: 'maintenance', message: 'installing charm software' },
    appStatus: { level: 'unknown', message: '' },
    workloadVersion: '',
    stored: {},
    storage: [],
    resources: {},
    plannedUnits: 1,
    ...known,
  };
}
