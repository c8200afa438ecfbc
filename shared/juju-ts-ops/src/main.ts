import { applyStatus, applyToJuju, type Change } from './apply.ts';
import type { ActionHandler, Charm } from './charm.ts';
import type { Charmcraft, Endpoints, OptionSchemas } from './charmcraft.ts';
import { hookContext, type HookContext } from './context.ts';
import { remedyOf, UserError } from './errors.ts';
import { Juju } from './juju.ts';
import { log } from './log.ts';
import { blocked, waiting, worst } from './status.ts';
import { tools } from './tools.ts';

/** How often one hook walks the road: what it did to the machine (a daemon wrote a file) may let it do more. */
const MOST_ROUNDS = 5;

/**
 * Runs one event of a charm: what `dispatch` does. Sets the exit code of the process.
 * An expected problem becomes a status; anything else is a bug, logged in one block, and fails the hook.
 */
export async function main<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
>(charm: Charm<C, S, E, State, R>): Promise<void> {
  let context: HookContext | undefined;
  try {
    context = hookContext(process.env);
    const juju = new Juju(context, charm.charmcraft, charm.options, charm.endpoints, tools);
    const { event } = context;
    if (event.kind === 'action') await runAction(charm, juju, event.name);
    else if (event.kind === 'lifecycle' && (event.name === 'stop' || event.name === 'remove'))
      await leave(charm, juju);
    else await walk(charm, juju);
  } catch (error) {
    process.exitCode = 1;
    await reportBug(error, context);
  }
}

async function walk<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<void> {
  const { unit, app, event } = juju.context;
  const isInstall = event.kind === 'lifecycle' && event.name === 'install';
  try {
    for (let round = 1; ; round += 1) {
      const plan = charm.plan(await charm.read(juju));
      const machineChanges = await charm.machine.apply(plan.machine, juju.context);
      await report(machineChanges);
      if (machineChanges.length > 0 && round < MOST_ROUNDS) continue;

      const isLeader = await juju.isLeader();
      await report(
        await applyToJuju(plan, charm.charmcraft, charm.endpoints, {
          unit,
          app,
          isLeader,
          tools,
          mode: 'apply',
        }),
      );
      const isNew = event.kind === 'lifecycle' && (event.name === 'start' || event.name === 'upgrade-charm');
      if (plan.version !== undefined && (round > 1 || isNew)) await tools.applicationVersionSet(plan.version);
      // Juju tells of relations only after `install`: until then it says itself that it is installing.
      if (!isInstall) await applyStatus(plan.status, tools);
      return;
    }
  } catch (error) {
    const remedy = remedyOf(error);
    if (remedy === 'bug' || !(error instanceof Error)) throw error;
    await log('WARNING', error.message);
    await applyStatus([remedy === 'user' ? blocked(error.message) : waiting(error.message)], tools);
  }
}

async function leave<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<void> {
  await report(await charm.machine.apply(await charm.leave(juju), juju.context));
}

async function runAction<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
  name: string,
): Promise<void> {
  try {
    const results =
      name === 'show-plan' ? { plan: await showPlan(charm, juju) } : await runOwnAction(charm, juju, name);
    await tools.actionSet(results);
  } catch (error) {
    if (remedyOf(error) === 'bug' || !(error instanceof Error)) throw error;
    await tools.actionFail(error.message);
  }
}

async function runOwnAction<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  const action = Object.entries<ActionHandler<Juju<C, S, E>>>(charm.actions).find(
    ([known]) => known === name,
  )?.[1];
  if (!action) throw new UserError(`this charm has no action ${name}`);
  return action(await tools.actionGet(), juju);
}

/** What the next hook would change, as text. */
async function showPlan<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<string> {
  const { unit, app } = juju.context;
  const plan = charm.plan(await charm.read(juju));
  const isLeader = await juju.isLeader();
  const changes = [
    ...(await charm.machine.preview(plan.machine, juju.context)),
    ...(await applyToJuju(plan, charm.charmcraft, charm.endpoints, {
      unit,
      app,
      isLeader,
      tools,
      mode: 'preview',
    })),
  ];
  const { level, message } = worst(plan.status);
  return [...changes.map(({ what, how }) => `${what}: ${how}`), `status: ${level} ${message}`.trimEnd()].join(
    '\n',
  );
}

async function report(changes: readonly Change[]): Promise<void> {
  for (const { what, how } of changes) await log('INFO', `${what}: ${how}`);
}

async function reportBug(error: unknown, context: HookContext | undefined): Promise<void> {
  const where = context ? `${context.unit}, ${describeEvent(context)}` : 'no Juju environment';
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause =
    error instanceof Error && error.cause instanceof Error ? `\ncaused by: ${error.cause.message}` : '';
  const message = `${where}: ${text}${cause}`;
  if (context) await log('ERROR', message).catch(() => console.error(message));
  else console.error(message);
}

function describeEvent({ event }: HookContext): string {
  switch (event.kind) {
    case 'relation':
      return `${event.relation.endpoint}-relation-${event.name} (${event.relation.endpoint}:${event.relation.id}, ${event.remoteUnit ?? event.remoteApp})`;
    case 'storage':
      return `${event.storage}-storage-${event.name}`;
    case 'lifecycle':
    case 'secret':
    case 'action':
      return event.name;
  }
}
