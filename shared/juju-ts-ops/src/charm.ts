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
import type { Turns } from './turns.ts';

/** What an action gives: keys of `a-z`, `0-9` and `-`, with `.` between levels. */
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
 * An action that checks its parameters by a schema first. A parameter that the schema wants and charmcraft.yaml does
 * not declare, or does not require, does not compile.
 */
export function defineAction<J, P, I = P>(
  schema: z.ZodType<P, I>,
  run: (params: P, juju: J) => Promise<ActionResults>,
): ActionHandler<J, I> {
  return (params, juju) => {
    const parsed = schema.safeParse(params);
    if (!parsed.success)
      throw new UserError(
        parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
      );
    return run(parsed.data, juju);
  };
}

/** How a charm changes its machine. The framework itself knows no machine. */
export interface Machine<Resource> {
  /** Brings the resources about in their order, changing only what differs, and says what it changed. */
  apply(resources: readonly Resource[], context: HookContext): Promise<readonly Change[]>;
  /** Says what `apply` would change, and changes nothing. */
  preview(resources: readonly Resource[], context: HookContext): Promise<readonly Change[]>;
}

/** A charm: what it declares, and the road every hook takes. */
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
  /** What the unit keeps in the controller from one hook to the next, where it does. */
  readonly stored?: B;
  /** The events that the charm makes itself, by {@link Juju.emit}. */
  readonly events?: V;
  readonly machine: Machine<Resource>;
  /** How units take turns, where a plan has something `inTurn`. */
  readonly turns?: Turns<PeerName<C>>;
  /**
   * For what happens once and nobody can be asked about later. Handlers run before the road, which is walked after them,
   * whatever they do: an expected problem of theirs is shown among the statuses of the plan.
   */
  readonly on?: EventHandlers<C, NoInfer<V>, Juju<C, S, E, B, NoInfer<V>>>;
  /** What Juju and the machine say, parsed. Bad input ends here. */
  read(juju: Juju<C, S, E, B, NoInfer<V>>): Promise<State>;
  /** What follows from it. Pure: no I/O, no clock, no random. */
  plan(state: State): Plan<C, E, Resource, B>;
  /**
   * What the machine should be like when the unit goes: in the hook in which its last relation is broken, in those after it, and in `stop` and
   * `remove`, so several times. It may not need any option. Absent where the charm leaves nothing behind. Where it does, declare a
   * peer relation: Juju 4 may delete a unit without one before `stop` has run.
   */
  leave?(juju: Juju<C, S, E, B, NoInfer<V>>): Promise<readonly Resource[]>;
  /** One for each action that charmcraft.yaml declares, but for those that the framework answers. */
  readonly actions: {
    readonly [A in Exclude<ActionName<C>, BuiltInAction>]: ActionHandler<
      Juju<C, S, E, B, NoInfer<V>>,
      ActionParams<C, A>
    >;
  };
  /**
   * Programs beside the hooks, by their names: `dispatch <name> <arguments>` runs one, for example in a service of
   * systemd. It is not told anything of Juju.
   */
  readonly programs?: Readonly<Record<string, (args: readonly string[]) => Promise<void>>>;
  /**
   * Actions that write down what the user wants, for the road to bring about: it is walked at once when they are done,
   * and their result `status` says where it ended.
   */
  readonly walkAfter?: readonly Exclude<ActionName<C>, BuiltInAction>[];
}

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

/**
 * Ties a charm to its charmcraft.yaml: an option, endpoint or action that one has and the other has not does
 * not compile.
 */
export function defineCharm<
  const C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  Resource,
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
