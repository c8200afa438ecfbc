import type { z } from 'zod';
import type { Change } from './apply.ts';
import type {
  ActionName,
  ActionParams,
  BuiltInAction,
  Charmcraft,
  EndpointName,
  Endpoints,
  Only,
  OptionName,
  OptionSchemas,
  PeerName,
} from './charmcraft.ts';
import type { HookContext } from './context.ts';
import type { BagSchema, NoBag } from './databag.ts';
import { UserError } from './errors.ts';
import type { EventHandlers, EventSchemas, HookEvents, NoEvents } from './events.ts';
import type { Juju } from './juju.ts';
import type { Plan } from './plan.ts';
import type { Rolling } from './rolling.ts';

/** The results of an action. Keys have `a-z`, `0-9` and `-`, with `.` between levels. */
export type ActionResults = Readonly<Record<string, string>>;

/**
 * Runs an action.
 * @throws {UserError} to fail it with a message.
 */
export type ActionHandler<J, P = Readonly<Record<string, unknown>>> = (
  params: P,
  juju: J,
) => Promise<ActionResults>;

/**
 * Defines an action that first checks its parameters with a schema. A parameter of the schema must be declared in
 * charmcraft.yaml, and required there if the schema requires it; otherwise the code does not compile.
 */
export function defineAction<J, P, I = P>(
  schema: z.ZodType<P, I>,
  run: (params: P, juju: J) => Promise<ActionResults>,
): ActionHandler<J, I> {
  return (params, juju) => {
    const parsed = schema.safeParse(params);
    if (!parsed.success)
      throw new UserError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
    return run(parsed.data, juju);
  };
}

/** How a charm changes its machine. The framework itself changes none. */
export interface Machine<Resource> {
  /** Applies the resources in their order, changes only what differs, and returns what it changed. */
  apply(resources: readonly Resource[], context: HookContext): Promise<readonly Change[]>;
  /** Returns what `apply` would change, and changes nothing. */
  preview(resources: readonly Resource[], context: HookContext): Promise<readonly Change[]>;
  /**
   * Runs the command once, after so many seconds. The timer replaces a waiting one of the same name, which is only removed if
   * there is no delay.
   */
  schedule?(name: string, delay: number | undefined, command: readonly [string, ...string[]]): Promise<void>;
}

/** A charm: what it declares, and how every hook reconciles. */
export interface CharmDefinition<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  Resource,
  B extends BagSchema = NoBag,
  V extends EventSchemas = NoEvents,
> {
  readonly options: S;
  readonly endpoints: E;
  /** The schema of what the unit keeps in the controller from one hook to the next. */
  readonly stored?: B;
  /** The events that the charm defines, for {@link Juju.emit}. */
  readonly events?: V;
  readonly machine: Machine<Resource>;
  /** How the units agree on whose turn it is. Required if a plan has `rolling` changes. */
  readonly rolling?: Rolling<PeerName<C>>;
  /**
   * Handlers for what happens once, and cannot be asked for later. They run first, and the unit reconciles
   * afterwards, whatever they do. The unit shows an expected problem of a handler among the statuses of the plan.
   */
  readonly on?: EventHandlers<C, NoInfer<V>, Juju<C, S, E, B, NoInfer<V>>>;
  /** Asks Juju and the machine, and parses the answers. Bad input ends here. */
  read(juju: Juju<C, S, E, B, NoInfer<V>>): Promise<State>;
  /** Decides what follows from the state. Pure: no I/O, no clock, no randomness. */
  plan(state: State): Plan<C, E, Resource, B>;
  /**
   * Returns what the machine should be like when the unit goes. It runs in the hook in which the last relation
   * breaks, in the hooks after that, and in `stop` and `remove`: several times in all. It must not need any option.
   * Leave it out if the charm leaves nothing behind. With it, declare a peer relation: Juju 4 may delete a unit
   * without one before `stop` has run.
   */
  teardown?(juju: Juju<C, S, E, B, NoInfer<V>>): Promise<readonly NoInfer<Resource>[]>;
  /** A function for each action that charmcraft.yaml declares, except those that the framework answers. */
  readonly actions: {
    readonly [A in Exclude<ActionName<C>, BuiltInAction>]: ActionHandler<
      Juju<C, S, E, B, NoInfer<V>>,
      ActionParams<C, A>
    >;
  };
  /**
   * Programs beside the hooks, by name: `dispatch <name> <arguments>` runs one, for example in a systemd service. A
   * program is told nothing about Juju.
   */
  readonly programs?: Readonly<Record<string, (args: readonly string[]) => Promise<void>>>;
  /**
   * Actions that only write down what the user wants. The unit reconciles as soon as such an action is done; the
   * result `status` of the action is the status that the unit ends in.
   */
  readonly reconcileAfter?: readonly Exclude<ActionName<C>, BuiltInAction>[];
}

/** A charm with its charmcraft.yaml, as {@link defineCharm} returns it. */
export interface Charm<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  Resource,
  B extends BagSchema = NoBag,
  V extends EventSchemas = NoEvents,
> extends CharmDefinition<C, S, E, State, Resource, B, V> {
  readonly charmcraft: C;
}

/** Ties a charm to its charmcraft.yaml. An option, endpoint or action that only one of the two has does not compile. */
export function defineCharm<
  const C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  const Resource,
  GivenOptions,
  GivenEndpoints,
  GivenActions,
  GivenOn,
  B extends BagSchema = NoBag,
  V extends EventSchemas = NoEvents,
>(
  charmcraft: C,
  definition: CharmDefinition<C, S, E, State, Resource, B, V> & {
    readonly options: Only<GivenOptions, OptionName<C>>;
    readonly endpoints: Only<GivenEndpoints, EndpointName<C>>;
    readonly actions: Only<GivenActions, Exclude<ActionName<C>, BuiltInAction>>;
    readonly events?: { readonly [K in keyof HookEvents<C>]?: never };
    readonly on?: Only<GivenOn, (keyof HookEvents<C> | keyof V) & string>;
  },
): Charm<C, S, E, State, Resource, B, V> {
  return { ...definition, charmcraft };
}
