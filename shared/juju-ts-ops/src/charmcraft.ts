import type { z } from 'zod';
import type { Interface } from './databag.ts';

/** The part of charmcraft.yaml that the code is checked against. `juju-ts-ops types` writes it as a typed constant. */
export interface Charmcraft {
  readonly name: string;
  readonly subordinate: boolean;
  readonly provides: Readonly<Record<string, Endpoint>>;
  readonly requires: Readonly<Record<string, Endpoint>>;
  readonly peers: Readonly<Record<string, Endpoint>>;
  readonly options: Readonly<Record<string, Option>>;
  readonly actions: Readonly<Record<string, Action>>;
  readonly storage?: Readonly<Record<string, { readonly type: 'filesystem' | 'block' }>>;
  readonly resources?: Readonly<Record<string, { readonly type: string }>>;
}

export interface Endpoint {
  readonly interface: string;
  readonly scope: 'global' | 'container';
}

export interface Option {
  readonly type: 'string' | 'int' | 'float' | 'boolean' | 'secret';
  readonly default?: string | number | boolean;
}

export interface Action {
  readonly params: Readonly<Record<string, Param>>;
  readonly required: readonly string[];
}

/** A parameter of an action. Juju fills in the default. */
export interface Param {
  readonly type: string;
  readonly default?: unknown;
}

type Keys<T> = keyof T & string;

export type OptionName<C extends Charmcraft> = Keys<C['options']>;
export type ActionName<C extends Charmcraft> = Keys<C['actions']>;
export type ProvidesName<C extends Charmcraft> = Keys<C['provides']>;
export type RequiresName<C extends Charmcraft> = Keys<C['requires']>;
export type PeerName<C extends Charmcraft> = Keys<C['peers']>;
/** The name of any endpoint that charmcraft.yaml declares. */
export type EndpointName<C extends Charmcraft> = ProvidesName<C> | RequiresName<C> | PeerName<C>;

/** The names of the options that are the URI of a secret. */
export type SecretOptionName<C extends Charmcraft> = {
  [K in OptionName<C>]: C['options'][K]['type'] extends 'secret' ? K : never;
}[OptionName<C>];
export type StorageName<C extends Charmcraft> = Keys<NonNullable<C['storage']>>;
export type ResourceName<C extends Charmcraft> = Keys<NonNullable<C['resources']>>;

/** The actions that the framework answers for every charm that declares them. */
export const BUILT_IN_ACTIONS = ['show-plan', 'show-status'] as const;
export type BuiltInAction = (typeof BUILT_IN_ACTIONS)[number];

interface JsonTypes {
  readonly string: string;
  readonly integer: number;
  readonly number: number;
  readonly boolean: boolean;
  readonly array: readonly unknown[];
  readonly object: Readonly<Record<string, unknown>>;
}
type ParamValue<P extends Param> = P['type'] extends keyof JsonTypes ? JsonTypes[P['type']] : unknown;
type GivenParam<A extends Action> = Keys<{
  [
    K in Keys<A['params']> as K extends A['required'][number]
      ? K
      : A['params'][K] extends { readonly default: unknown }
        ? K
        : never
  ]: true;
}>;
type ParamsOf<A extends Action> = {
  readonly [K in GivenParam<A> & keyof A['params']]: ParamValue<A['params'][K]>;
} & {
  readonly [K in Exclude<Keys<A['params']>, GivenParam<A>>]?: ParamValue<A['params'][K]> | undefined;
};

/** The parameters of an action, as charmcraft.yaml declares them. Those that may be missing are optional. */
export type ActionParams<C extends Charmcraft, A extends ActionName<C>> = ParamsOf<C['actions'][A]>;

/** Refuses keys that charmcraft.yaml does not declare, also where the object was made elsewhere. */
export type Only<T, Names extends string> = T & {
  readonly [K in Exclude<keyof T, Names>]: `charmcraft.yaml knows nothing of "${K & string}"`;
};

type InterfaceNameOf<C extends Charmcraft, E extends string> = E extends keyof C['provides']
  ? C['provides'][E]['interface']
  : E extends keyof C['requires']
    ? C['requires'][E]['interface']
    : E extends keyof C['peers']
      ? C['peers'][E]['interface']
      : never;

/** For each declared endpoint, a contract of the interface that charmcraft.yaml names. */
export type Endpoints<C extends Charmcraft> = {
  readonly [E in EndpointName<C>]: Interface & { readonly name: InterfaceNameOf<C, E> };
};

type SideOf<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>, Own extends boolean> =
  N extends ProvidesName<C>
    ? E[N][Own extends true ? 'provider' : 'requirer']
    : E[N][Own extends true ? 'requirer' : 'provider'];

/** What this charm writes on an endpoint. */
export type OwnSide<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>> = SideOf<
  C,
  E,
  N,
  true
>;
/** What this charm reads on an endpoint. */
export type RemoteSide<C extends Charmcraft, E extends Endpoints<C>, N extends EndpointName<C>> = SideOf<
  C,
  E,
  N,
  false
>;

type CheckedEndpoint<C extends Charmcraft, K, I> =
  K extends EndpointName<C>
    ? I extends { readonly name: InterfaceNameOf<C, K> }
      ? unknown
      : I extends Interface
        ? `charmcraft.yaml says that endpoint "${K}" has the interface "${InterfaceNameOf<C, K>}", and not "${I['name']}"`
        : Endpoints<C>[K]
    : `charmcraft.yaml has no endpoint "${K & string}", but "${EndpointName<C>}"`;

/**
 * The contracts of a charm's endpoints, checked against charmcraft.yaml where they are written: one for each declared
 * endpoint, no others, and each of the interface that charmcraft.yaml names.
 */
export function defineEndpoints<C extends Charmcraft, T extends Readonly<Record<string, Interface>>>(
  charmcraft: C,
  endpoints: T & {
    readonly [K in keyof T | EndpointName<C>]: CheckedEndpoint<C, K, K extends keyof T ? T[K] : unknown>;
  },
): {
  readonly [K in EndpointName<C>]: K extends keyof T
    ? T[K] extends Endpoints<C>[K]
      ? T[K]
      : Omit<T[K], 'name'> & Pick<Endpoints<C>[K], 'name'>
    : Endpoints<C>[K];
};
// What is wrong is told once, in the arguments: the result is as declared whatever they are.
export function defineEndpoints(_charmcraft: Charmcraft, endpoints: unknown): unknown {
  return endpoints;
}

/** The value of an option of each type; of a secret, its URI. */
interface OptionTypes {
  readonly string: string;
  readonly int: number;
  readonly float: number;
  readonly boolean: boolean;
  readonly secret: string;
}
export type OptionValue<O extends Option> = OptionTypes[O['type']];

/** An option that always has a value. */
interface WithDefault {
  readonly default: string | number | boolean;
}

/**
 * For each declared option, a schema that accepts what `config-get` returns: nothing, if there is no default and the
 * user set none.
 */
export type OptionSchemas<C extends Charmcraft> = {
  readonly [K in OptionName<C>]: z.ZodType<
    unknown,
    C['options'][K] extends WithDefault
      ? OptionValue<C['options'][K]>
      : OptionValue<C['options'][K]> | undefined
  >;
};

type CheckedOption<C extends Charmcraft, K, S> =
  K extends OptionName<C>
    ? S extends OptionSchemas<C>[K]
      ? unknown
      : S extends z.ZodType
        ? `charmcraft.yaml says that option "${K}" is of type ${C['options'][K]['type']}${C['options'][K] extends WithDefault ? '' : ', and may be missing'}`
        : OptionSchemas<C>[K]
    : `charmcraft.yaml has no option "${K & string}", but "${OptionName<C>}"`;

/**
 * The schemas of a charm's options, checked against charmcraft.yaml where they are written: one for each declared
 * option, no others, and each accepts what Juju gives.
 */
export function defineOptions<C extends Charmcraft, T extends Readonly<Record<string, z.ZodType>>>(
  charmcraft: C,
  schemas: T & {
    readonly [K in keyof T | OptionName<C>]: CheckedOption<C, K, K extends keyof T ? T[K] : unknown>;
  },
): {
  readonly [K in OptionName<C>]: K extends keyof T
    ? T[K] extends OptionSchemas<C>[K]
      ? T[K]
      : OptionSchemas<C>[K]
    : OptionSchemas<C>[K];
};
// As with the endpoints.
export function defineOptions(_charmcraft: Charmcraft, schemas: unknown): unknown {
  return schemas;
}

/** The values of all options, as their schemas return them. */
export type Options<S> = { readonly [K in keyof S]: S[K] extends z.ZodType ? z.output<S[K]> : never };
