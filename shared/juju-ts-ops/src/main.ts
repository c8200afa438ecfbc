import { applyStatus, applyToJuju, type Change } from './apply.ts';
import type { ActionHandler, Charm } from './charm.ts';
import type { Charmcraft, Endpoints, OptionSchemas } from './charmcraft.ts';
import { describeEvent, hookContext, type HookContext } from './context.ts';
import { remedyOf, UserError } from './errors.ts';
import { Juju } from './juju.ts';
import { processSurroundings, type Surroundings } from './process.ts';
import { blocked, waiting, worst } from './status.ts';
import { hookTools } from './tools.ts';

/** How often one hook walks the road: what it did to the machine (a daemon wrote a file) may let it do more. */
const MOST_ROUNDS = 5;

/** Runs one event of a charm: what `dispatch` does. Sets the exit code of the process. */
export async function main<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
>(charm: Charm<C, S, E, State, R>): Promise<void> {
  process.exitCode = await runEvent(charm, processSurroundings());
}

/**
 * Runs one event of a charm, and returns the exit code that Juju is to see. An expected problem becomes a status;
 * anything else is a bug, logged in one block, and fails the hook.
 */
export async function runEvent<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
>(charm: Charm<C, S, E, State, R>, surroundings: Surroundings): Promise<0 | 1> {
  let context: HookContext | undefined;
  try {
    context = hookContext(surroundings.environment);
    const { event, unit } = context;
    const tools = hookTools(surroundings.runTool, `${unit}, ${describeEvent(event)}`);
    const juju = new Juju(context, charm.charmcraft, charm.options, charm.endpoints, tools, surroundings);
    if (event.kind === 'action') await runAction(charm, juju, event.name);
    else if (event.kind === 'lifecycle' && (event.name === 'stop' || event.name === 'remove'))
      await leave(charm, juju);
    else await walk(charm, juju);
    return 0;
  } catch (error) {
    await reportBug(error, context, surroundings);
    return 1;
  }
}

async function walk<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<void> {
  const { event } = juju.context;
  const isInstall = event.kind === 'lifecycle' && event.name === 'install';
  try {
    for (let round = 1; ; round += 1) {
      const plan = charm.plan(await charm.read(juju));
      const machineChanges = await charm.machine.apply(plan.machine, juju.context);
      await report(juju, machineChanges);
      if (machineChanges.length > 0 && round < MOST_ROUNDS) continue;

      await report(
        juju,
        await applyToJuju(plan, charm.charmcraft, charm.endpoints, await writer(juju, 'apply')),
      );
      const isNew = event.kind === 'lifecycle' && (event.name === 'start' || event.name === 'upgrade-charm');
      if (plan.version !== undefined && (round > 1 || isNew))
        await juju.tools.applicationVersionSet(plan.version);
      // Juju tells of relations only after `install`: until then it says itself that it is installing.
      if (!isInstall) await applyStatus(plan.status, juju.tools);
      return;
    }
  } catch (error) {
    const remedy = remedyOf(error);
    if (remedy === 'bug' || !(error instanceof Error)) throw error;
    await juju.log('WARNING', error.message);
    await applyStatus([remedy === 'user' ? blocked(error.message) : waiting(error.message)], juju.tools);
  }
}

async function leave<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<void> {
  await report(juju, await charm.machine.apply(await charm.leave(juju), juju.context));
}

async function runAction<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
  name: string,
): Promise<void> {
  try {
    const results =
      name === 'show-plan' ? { plan: await showPlan(charm, juju) } : await runOwnAction(charm, juju, name);
    await juju.tools.actionSet(results);
  } catch (error) {
    if (remedyOf(error) === 'bug' || !(error instanceof Error)) throw error;
    await juju.tools.actionFail(error.message);
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
  return action(await juju.tools.actionGet(), juju);
}

/** What the next hook would change, as text. */
async function showPlan<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>, State, R>(
  charm: Charm<C, S, E, State, R>,
  juju: Juju<C, S, E>,
): Promise<string> {
  const plan = charm.plan(await charm.read(juju));
  const changes = [
    ...(await charm.machine.preview(plan.machine, juju.context)),
    ...(await applyToJuju(plan, charm.charmcraft, charm.endpoints, await writer(juju, 'preview'))),
  ];
  const { level, message } = worst(plan.status);
  return [...changes.map(({ what, how }) => `${what}: ${how}`), `status: ${level} ${message}`.trimEnd()].join(
    '\n',
  );
}

async function writer<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>>(
  juju: Juju<C, S, E>,
  mode: 'apply' | 'preview',
) {
  const { unit, app } = juju.context;
  return { unit, app, isLeader: await juju.isLeader(), tools: juju.tools, mode };
}

/** All changes in one message, because each message is a process. */
async function report<C extends Charmcraft, S extends OptionSchemas<C>, E extends Endpoints<C>>(
  juju: Juju<C, S, E>,
  changes: readonly Change[],
): Promise<void> {
  if (changes.length > 0)
    await juju.log('INFO', changes.map(({ what, how }) => `${what}: ${how}`).join('\n'));
}

async function reportBug(
  error: unknown,
  context: HookContext | undefined,
  surroundings: Surroundings,
): Promise<void> {
  const where = context ? `${context.unit}, ${describeEvent(context.event)}` : 'no Juju environment';
  const message = `${where}: ${causes(error).join('\ncaused by: ')}`;
  if (!context) {
    surroundings.print(message);
    return;
  }
  await hookTools(surroundings.runTool)
    .jujuLog('ERROR', message)
    .catch(() => surroundings.print(message));
}

function causes(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [String(error)];
  const text = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? [text] : [text, ...causes(error.cause)];
}
