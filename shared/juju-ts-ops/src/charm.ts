import { z } from 'zod';
import type { Change } from './apply.ts';
import type { ActionName, BuiltInAction, Charmcraft, Endpoints, OptionSchemas } from './charmcraft.ts';
import type { HookContext } from './context.ts';
import { UserError } from './errors.ts';
import type { Juju } from './juju.ts';
import type { Plan } from './plan.ts';

/**
 * Runs an action; what it returns are the results (keys of `a-z0-9-`).
 * @throws {UserError} to fail it with a message.
 */
export type ActionHandler<J> = (
  params: Readonly<Record<string, unknown>>,
  juju: J,
) => Promise<Readonly<Record<string, string>>>;

/** An action that checks its parameters by a schema first. */
export function defineAction<J, P>(
  schema: z.ZodType<P>,
  run: (params: P, juju: J) => Promise<Readonly<Record<string, string>>>,
): ActionHandler<J> {
  return (params, juju) => {
    const parsed = schema.safeParse(params);
    if (!parsed.success) throw new UserError(z.prettifyError(parsed.error));
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
    readonly [A in Exclude<ActionName<C>, BuiltInAction>]: ActionHandler<Juju<C, S, E>>;
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
