import type { ActionName, Charmcraft, EndpointName, OptionName, OptionValue } from '../charmcraft.ts';
import type { LifecycleHook } from '../context.ts';
import type { RawBag } from '../databag.ts';
import type { StatusLevel } from '../status.ts';

/** What Juju knows, as one unit sees it, before a hook or after it. Plain data that nothing changes. */
export interface State<C extends Charmcraft = Charmcraft> {
  /** `3.6.28` or `4.0.15`: what the tools do differs. */
  readonly jujuVersion: string;
  readonly model: { readonly name: string; readonly uuid: string };
  /** `web/0` */
  readonly unit: string;
  readonly machineId: string;
  readonly isLeader: boolean;
  /** Of a subordinate: the unit that it rides on. */
  readonly principalUnit?: string;
  /** What the user set. The others have their defaults. */
  readonly options: { readonly [K in OptionName<C>]?: OptionValue<C['options'][K]> };
  readonly relations: readonly RelationState<C>[];
  readonly secrets: readonly SecretState[];
  /** `80/tcp`, `8000-8010/udp`, `icmp` */
  readonly ports: readonly string[];
  /** What the other units of the same machine have open, by unit. */
  readonly otherPorts: Readonly<Record<string, readonly string[]>>;
  /** By binding; the others are on 192.0.2.0/24. */
  readonly networks: { readonly [N in EndpointName<C>]?: NetworkState };
  readonly publicAddress: string;
  readonly status: StatusState;
  /** Of the application; only the leader may see it. */
  readonly appStatus: StatusState;
  readonly workloadVersion: string;
  /** What the unit keeps in the controller. */
  readonly stored: RawBag;
  readonly storage: readonly StorageState[];
  /** Path of the file that the user gave, by the name of the resource. */
  readonly resources: Readonly<Record<string, string>>;
  /** The units of the application that the model is going to have, this one included. */
  readonly plannedUnits: number;
  /** Absent: the user did not say `juju trust`. */
  readonly cloud?: CloudState;
}

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
  /** The databags of the units at the other end, by their names. Addresses are added where they are missing. */
  readonly units?: Readonly<Record<string, RawBag>>;
  /**
   * Of a peer relation on Juju 4: those of `units` that have been removed, and are listed all the same. (Of a subordinate's Juju says so only
   * of those whose databag has the key `principal`.)
   */
  readonly gone?: readonly string[];
  /** What this unit has written. */
  readonly ownData?: RawBag;
  /** What this application has written; of a peer relation, that is `appData`. */
  readonly ownAppData?: RawBag;
  /** The model at the other end; absent: this one. */
  readonly modelUuid?: string;
  /** Juju 4: the other application was removed by force. The relation is listed, and cannot be read. */
  readonly isLost?: boolean;
}

export interface SecretState {
  /** Without its scheme: `9m4e2mr0ui3e8a215n4g`. */
  readonly id: string;
  /** `other`: somebody granted it to this application. */
  readonly owner: 'application' | 'unit' | 'other';
  /** The owner's label, or of another's secret the one that this unit gave it. */
  readonly label?: string;
  readonly description?: string;
  readonly rotate?: string;
  readonly expire?: string;
  /** Oldest first; the last one is the newest. */
  readonly revisions: readonly SecretRevision[];
  /** The revision that this unit follows; absent until it has read the secret. */
  readonly tracked?: number;
  /** Who may read an own secret. */
  readonly grants?: readonly SecretGrant[];
}

export interface SecretRevision {
  readonly number: number;
  readonly content: Readonly<Record<string, string>>;
}

export interface SecretGrant {
  readonly relation: number;
  /** Absent: the whole application. */
  readonly unit?: string;
}

export interface NetworkState {
  readonly addresses: readonly {
    readonly interface: string;
    readonly address: string;
    readonly cidr: string;
  }[];
  readonly ingressAddresses?: readonly string[];
  readonly egressSubnets?: readonly string[];
}

export interface StorageState {
  /** `data/0` */
  readonly instance: string;
  readonly kind?: 'filesystem' | 'block';
  readonly location: string;
}

export interface CloudState {
  readonly type: string;
  readonly name: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly authType?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** What Juju runs the charm for. */
export type TestEvent<C extends Charmcraft = Charmcraft> =
  | LifecycleHook
  | {
      readonly relation: 'created' | 'joined' | 'changed' | 'departed' | 'broken';
      readonly id: number;
      /** Who joined, changed or departed; absent for `created`, `broken` and a change of the application's databag. */
      readonly unit?: string;
      /** In `departed`, this unit's own name when it is this unit that goes; absent: `unit` goes. */
      readonly departing?: string;
    }
  | { readonly action: ActionName<C>; readonly params?: Readonly<Record<string, unknown>> }
  | {
      readonly secret: 'changed' | 'rotate' | 'expired' | 'remove';
      readonly id: string;
      /** For `expired` and `remove`. */
      readonly revision?: number;
    }
  | { readonly storage: 'attached' | 'detaching'; readonly instance: string };

/** A state of a charm's first unit, fresh from `juju deploy`, but for what `known` says. */
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
