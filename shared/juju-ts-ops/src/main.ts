import type { Charm } from './charm.ts';
import { BUILT_IN_ACTIONS, type Charmcraft, type Endpoints, type OptionSchemas } from './charmcraft.ts';
import { describeEvent, hookContext, type HookContext } from './context.ts';
import type { BagSchema } from './databag.ts';
import { EventQueue, type EventSchemas } from './events.ts';
import { Juju } from './juju.ts';
import { currentProcess, type HookProcess } from './process.ts';
import { removalOf } from './removal.ts';
import { reportBug, securityEvent, watched } from './report.ts';
import { Run } from './run.ts';
import { openStateDirectory } from './secret-files.ts';
import { hookTools } from './tools.ts';
import { Trace } from './tracing.ts';

/**
 * Runs one event of a charm, or one of its programs: what `dispatch` does. Sets the exit code of the process. The
 * builder calls it; the module of a charm only exports the charm, because `juju-ts-ops check` loads it too.
 */
export async function main<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
  B extends BagSchema,
  V extends EventSchemas,
>(charm: Charm<C, S, E, State, R, B, V>): Promise<void> {
  const [, , name, ...args] = process.argv;
  const program = name === undefined ? undefined : charm.programs?.[name];
  if (program) await program(args);
  else process.exitCode = await runEvent(charm, currentProcess());
}

/**
 * Runs one event of a charm, and returns the exit code for Juju. An expected problem becomes a status. Any other
 * error is a bug: it is logged in one block, and fails the hook.
 */
export async function runEvent<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
  B extends BagSchema,
  V extends EventSchemas,
>(charm: Charm<C, S, E, State, R, B, V>, hookProcess: HookProcess): Promise<0 | 1> {
  const trace = Trace.of(hookProcess.environment);
  const traced = trace ? { ...hookProcess, runTool: trace.tools(hookProcess.runTool) } : hookProcess;
  let context: HookContext | undefined;
  let exitCode: 0 | 1 = 0;
  try {
    context = await completeContext(hookProcess, charm.charmcraft);
    const { event, unit } = context;
    const { stateDirectory } = context;
    const during = `${unit}, ${describeEvent(event)}`;
    const tools = hookTools(watched(traced, context), { during, stateDirectory });
    const queue = new EventQueue(event);
    const run = new Run(charm, new Juju(context, charm, tools, hookProcess, queue), queue);
    if (event.kind === 'action') {
      const isAdmin = !BUILT_IN_ACTIONS.some((name) => name === event.name);
      if (isAdmin)
        // What an action prints, Juju shows to whoever asked for it.
        await tools.jujuLog(
          'DEBUG',
          securityEvent(`authz_admin:${unit},${event.name}`, 'was asked for', context),
        );
      await run.action(event.name);
    } else await run.hook();
  } catch (error) {
    await reportBug(error, context, traced);
    exitCode = 1;
  }
  // A trace that cannot be told is no reason for a hook to fail.
  if (context)
    await trace?.end(context, exitCode === 0).catch((error: unknown) => traced.print(String(error)));
  return exitCode;
}

async function completeContext({ environment }: HookProcess, { peers }: Charmcraft): Promise<HookContext> {
  const context = hookContext(environment);
  await openStateDirectory(context);
  const removal = await removalOf(context, peers);
  return Object.freeze({ ...context, ...(removal && { removal }) });
}
