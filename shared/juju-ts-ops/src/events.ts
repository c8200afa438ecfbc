import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Charmcraft, EndpointName, StorageName } from './charmcraft.ts';
import {
  nameOf,
  type Event,
  type LifecycleHook,
  type RelationHook,
  type SecretHook,
  type StorageHook,
} from './context.ts';

/** The events that a charm defines, each with the schema of its data: plain data. */
export type EventSchemas = Readonly<Record<string, z.ZodType>>;
/** For a charm that defines no events. */
export type NoEvents = Readonly<Record<symbol, never>>;

/** Acts on an event, once. Juju may run a hook again; then the handler runs again too. */
export type EventHandler<J, E> = (event: E, juju: J) => Promise<void>;

type Of<Kind extends Event['kind']> = Extract<Event, { readonly kind: Kind }>;
/** What is there in all of the hooks named, and only maybe in others. */
type Always<H, Hooks, Facts> = H extends Hooks ? Facts : unknown;

type RelationEvent<N extends string, H extends RelationHook> = Of<'relation'> & {
  readonly name: H;
  readonly relation: { readonly endpoint: N };
} & Always<H, 'joined' | 'departed', { readonly remoteUnit: string }> &
  Always<H, 'departed', { readonly departingUnit: string }>;
type SecretEvent<H extends SecretHook> = Of<'secret'> & { readonly name: H } & Always<
    H,
    'secret-expired' | 'secret-remove',
    { readonly revision: number }
  >;

/** The hooks that Juju runs for a charm with this charmcraft.yaml, each with the data of its event. */
export type HookEvents<C extends Charmcraft> = {
  readonly [H in LifecycleHook]: Of<'lifecycle'> & { readonly name: H };
} & { readonly [H in SecretHook]: SecretEvent<H> } & {
  readonly [
    K in `${EndpointName<C>}-relation-${RelationHook}`
  ]: K extends `${infer N}-relation-${infer H extends RelationHook}` ? RelationEvent<N, H> : never;
} & {
  readonly [K in `${StorageName<C>}-storage-${StorageHook}`]: K extends `${string}-storage-${infer H}`
    ? Of<'storage'> & { readonly name: H }
    : never;
};

type CharmEvents<C extends Charmcraft, V extends EventSchemas> = HookEvents<C> & {
  readonly [K in keyof V & string]: z.output<V[K]>;
};

/** Handlers by the name of Juju's hook, `db-relation-departed`, or of an event that the charm defines. */
export type EventHandlers<C extends Charmcraft, V extends EventSchemas, J> = {
  readonly [K in keyof CharmEvents<C, V>]?: EventHandler<J, CharmEvents<C, V>[K]>;
};

/** What happens in one hook, in order: what Juju ran it for, and what the charm says of it. */
export class EventQueue {
  readonly #all: { readonly name: string; readonly event: unknown }[] = [];
  #taken = 0;

  /** Actions are not among them: each has its own function. */
  constructor(event: Event) {
    if (event.kind !== 'action') this.add(nameOf(event), event);
  }

  /** A hook may reconcile more than once, and then says the same again: that is no news. */
  add(name: string, event: unknown): void {
    const known = this.#all.some((other) => other.name === name && isDeepStrictEqual(other.event, event));
    if (!known) this.#all.push({ name, event });
  }

  /** What nobody has heard of yet, with what is added meanwhile. */
  *take(): Generator<{ readonly name: string; readonly event: unknown }> {
    for (let next = this.#all[this.#taken]; next; next = this.#all[this.#taken]) {
      this.#taken += 1;
      yield next;
    }
  }
}
