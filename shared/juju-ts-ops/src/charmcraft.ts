import type { z } from 'zod';
import type { Interface } from './databag.ts';

/** The part of charmcraft.yaml that the code is checked against. `juju-ts-ops types` writes it out as a typed constant. */
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

/** The parameters of an action as charmcraft.yaml declares them; those that may be missing are optional. */
export type ActionParams<C extends Charmcraft, A extends ActionName<C>> = ParamsOf<C['actions'][A]>;

/** Refuses keys that charmcraft.yaml does not declare, also where the object was made elsewhere. */
export type Only<T, Names extends string> = T & { readonly [K in Exclude<keyof T, Names>]: never };

type InterfaceNameOf<C extends Charmcraft, E extends string> = E extends keyof C['provides']
  ? C['provides'][E]['interface']
  : E extends keyof C['requires']
    ? C['requires'][E]['interface']
    : E extends keyof C['peers']
      ? C['peers'][E]['interface']
      : never;

/** For each declared endpoint, the contract of exactly the interface that charmcraft.yaml names. */
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

/** The value of an option of each type; of a secret, its URI. */
interface OptionTypes {
  readonly string: string;
  readonly int: number;
  readonly float: number;
  readonly boolean: boolean;
  readonly secret: string;
}
export type OptionValue<O extends Option> = OptionTypes[O['type']];

/** For each declared option, a schema that takes what `config-get` gives: nothing at all where there is no default. */
export type OptionSchemas<C extends Charmcraft> = {
  readonly [K in OptionName<C>]: z.ZodType<
    unknown,
    C['options'][K] extends { readonly default: string | number | boolean }
      ? OptionValue<C['options'][K]>
      : OptionValue<C['options'][K]> | undefined
  >;
};

/** The values of all options, after their schemas. */
export type Options<S> = { readonly [K in keyof S]: S[K] extends z.ZodType ? z.output<S[K]> : never };
