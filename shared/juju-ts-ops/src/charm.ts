import type { z } from 'zod';
import type { Change } from './apply.ts';
import type { ActionName, BuiltInAction, Charmcraft, Endpoints, OptionSchemas } from './charmcraft.ts';
import type { HookContext } from './context.ts';
import type { Juju } from './juju.ts';
import type { Plan } from './plan.ts';

/** An action: a schema for its parameters, and what it does. */
export interface ActionDefinition<J, Params> {
  readonly params: z.ZodType<Params>;
  /**
   * Runs the action; what it returns are its results (keys of `a-z0-9-`).
   * @throws {UserError} to fail it with a message.
   */
  run(params: Params, juju: J): Promise<Readonly<Record<string, string>>>;
}

/** Checks an action's `run` against its schema. */
export function defineAction<J, Params>(action: ActionDefinition<J, Params>): ActionDefinition<J, Params> {
  return action;
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
> {
  readonly options: S;
  readonly endpoints: E;
  readonly machine: Machine<Resource>;
  /** What Juju and the machine say, parsed. Bad input ends here. */
  read(juju: Juju<C, S, E>): Promise<State>;
  /** What follows from it. Pure: no I/O, no clock, no random. */
  plan(state: State): Plan<C, E, Resource>;
  /** What the machine should be like when the unit goes: the hooks `stop` and `remove`. It may not need any option. */
  leave(juju: Juju<C, S, E>): Promise<readonly Resource[]>;
  /** One for each action that charmcraft.yaml declares, but for those that the framework answers. */
  readonly actions: {
    readonly [A in Exclude<ActionName<C>, BuiltInAction>]: ActionDefinition<Juju<C, S, E>, never>;
  };
}

export interface Charm<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  Resource,
> extends CharmDefinition<C, S, E, State, Resource> {
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
>(charmcraft: C, definition: CharmDefinition<C, S, E, State, Resource>): Charm<C, S, E, State, Resource> {
  return { charmcraft, ...definition };
}

/** The handle that a charm's `read` gets, by the charm's own types. */
export type JujuOf<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>> = Juju<C, S, E>;
