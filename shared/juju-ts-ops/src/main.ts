import { uptime } from 'node:os';
import { z } from 'zod';
import { applyAppStatus, applyStatus, applyToJuju, type Change } from './apply.ts';
import type { Charm } from './charm.ts';
import {
  BUILT_IN_ACTIONS,
  type Action,
  type Charmcraft,
  type Endpoints,
  type OptionSchemas,
} from './charmcraft.ts';
import { describeEvent, hookContext, relationNumber, type HookContext } from './context.ts';
import type { BagSchema } from './databag.ts';
import { CharmBugError, NotLeaderError, remedyOf, UserError } from './errors.ts';
import { Happenings, type EventHandler, type EventSchemas } from './events.ts';
import { Juju, PRINCIPAL_KEY } from './juju.ts';
import { leavingOf } from './leaving.ts';
import type { Plan } from './plan.ts';
import { processSurroundings, type Surroundings, type ToolRunner } from './process.ts';
import { active, blocked, statusText, waiting, worst, worstFirst, type Status } from './status.ts';
import { hookTools, openStateDirectory } from './tools.ts';
import { Trace } from './tracing.ts';
import { hasTurn, nextAsked, nextGiven, turnBags, turnStatus, turnText, type TurnBags } from './turns.ts';

/** How often one hook walks the road: what it did to the machine (a daemon wrote a file) may let it do more. */
const MOST_ROUNDS = 5;

/**
 * Runs one event of a charm, or a program of it: what `dispatch` does. Sets the exit code of the process. `juju-ts-ops build` calls it; the module of
 * a charm only exports the charm, because it is loaded to be checked, too.
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
  else process.exitCode = await runEvent(charm, processSurroundings());
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
  B extends BagSchema,
  V extends EventSchemas,
>(charm: Charm<C, S, E, State, R, B, V>, surroundings: Surroundings): Promise<0 | 1> {
  const trace = Trace.of(surroundings.environment);
  const traced = trace ? { ...surroundings, runTool: trace.tools(surroundings.runTool) } : surroundings;
  let context: HookContext | undefined;
  let exitCode: 0 | 1 = 0;
  try {
    context = await completeContext(surroundings);
    const { event, unit } = context;
    const { stateDirectory } = context;
    const during = `${unit}, ${describeEvent(event)}`;
    const tools = hookTools(watched(traced, context), { during, stateDirectory });
    const happenings = new Happenings(event);
    const run = new Run(charm, new Juju(context, charm, tools, surroundings, happenings), happenings);
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

async function completeContext({ environment }: Surroundings): Promise<HookContext> {
  const context = hookContext(environment);
  await openStateDirectory(context);
  const leaving = await leavingOf(context);
  return Object.freeze({ ...context, ...(leaving && { leaving }) });
}

/** One event of one charm. */
class Run<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  State,
  R,
  B extends BagSchema,
  V extends EventSchemas,
> {
  readonly #charm: Charm<C, S, E, State, R, B, V>;
  readonly #juju: Juju<C, S, E, B, V>;
  readonly #happenings: Happenings;
  readonly #began = uptime();

  constructor(charm: Charm<C, S, E, State, R, B, V>, juju: Juju<C, S, E, B, V>, happenings: Happenings) {
    this.#charm = charm;
    this.#juju = juju;
    this.#happenings = happenings;
  }

  /**
   * Any hook. A unit that is being removed leaves with its last relation, and not only in `stop`: Juju 4 deletes one that has
   * neither peers nor storage within seconds of that, whether its `stop` has run or not.
   */
  async hook(): Promise<void> {
    const { event, leaving } = this.#juju.context;
    const isEnd = event.kind === 'lifecycle' && (event.name === 'stop' || event.name === 'remove');
    const isBroken = event.kind === 'relation' && event.name === 'broken';
    const isRelated = leaving === undefined || (!isEnd && (await this.#isRelated()));
    if (!isEnd && (isRelated || isBroken)) await this.walk();
    if (isEnd || !isRelated) await this.leave();
  }

  /** Whether there is a relation with another application. One that is being broken is none any more. */
  async #isRelated(): Promise<boolean> {
    const [{ charmcraft }, { tools }] = [this.#charm, this.#juju];
    const endpoints = Object.keys({ ...charmcraft.provides, ...charmcraft.requires });
    const ids = await Promise.all(endpoints.map((endpoint) => tools.relationIds(endpoint)));
    return ids.flat().length > 0;
  }

  /** The road that every hook takes, and the status in which it ends. */
  async walk(): Promise<Status> {
    const [charm, juju] = [this.#charm, this.#juju];
    const { event } = juju.context;
    const isInstall = event.kind === 'lifecycle' && event.name === 'install';
    const isNew = event.kind === 'lifecycle' && (event.name === 'start' || event.name === 'upgrade-charm');
    // Asked for in the end; what is wrong with the answer is said there.
    if (!isInstall) void juju.shownStatus().catch(() => {});
    await this.#tellPrincipal();
    const problems = [...(await this.#handle())];
    try {
      for (let round = 1; ; round += 1) {
        const state = await charm.read(juju);
        problems.push(...(await this.#handle()));
        const plan = charm.plan(state);
        const turn = await this.#turnFor(plan);
        const machineChanges = await charm.machine.apply(
          turn.isWaitedFor ? plan.machine : wholeMachine(plan),
          juju.context,
        );
        await this.#report(machineChanges);
        if (machineChanges.length > 0 && round < MOST_ROUNDS) continue;

        await this.#settleTurns(turn);
        if (turn.isWaitedFor) {
          const statuses = [...problems, turnStatus(turn.bags), ...plan.status];
          if (!isInstall || problems.length > 0) await this.#show(statuses);
          return worst(statuses);
        }
        await this.#report(await applyToJuju(plan, charm, juju, 'apply'));
        if (plan.version !== undefined && (round > 1 || isNew))
          await juju.tools.applicationVersionSet(plan.version);
        const statuses = [...problems, ...plan.status];
        // Juju tells of relations only after `install`: until then it says itself that it is installing.
        if (!isInstall || problems.length > 0) await this.#show(statuses);
        if (plan.appStatus) await applyAppStatus(plan.appStatus, juju);
        return worst(statuses);
      }
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      await juju.log('WARNING', status.message);
      // What holds up this unit holds up no other.
      await this.#settleTurns();
      await this.#show([...problems, status]);
      return worst([...problems, status]);
    }
  }

  /** A subordinate says to its peers once which unit it rides on: by that they know when it is gone. */
  async #tellPrincipal(): Promise<void> {
    const [{ charmcraft }, juju] = [this.#charm, this.#juju];
    const { event, principalUnit, unit } = juju.context;
    if (principalUnit === undefined) return;
    const isRefreshed = event.kind === 'lifecycle' && event.name === 'upgrade-charm';
    const isCreated = event.kind === 'relation' && event.name === 'created';
    const endpoints = Object.keys(charmcraft.peers).filter(
      (name) => isRefreshed || (isCreated && event.relation.endpoint === name),
    );
    const ids = await Promise.all(endpoints.map((name) => juju.tools.relationIds(name)));
    for (const id of ids.flat().map(relationNumber)) {
      const said = (await juju.databag(id, unit))[PRINCIPAL_KEY];
      if (said !== principalUnit)
        await juju.tools.relationSet(id, 'unit', { [PRINCIPAL_KEY]: principalUnit });
    }
  }

  /** Runs the handlers of what has happened, in order. What a user or time can mend is no reason to stop. */
  async #handle(): Promise<readonly Status[]> {
    const juju = this.#juju;
    const problems: Status[] = [];
    const handlers = Object.entries(this.#charm.on ?? {});
    for (const { name, event } of this.#happenings.take()) {
      // Each takes the event of its name, and no other is told under it.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const handler = handlers.find(([known]) => known === name)?.[1] as
        EventHandler<unknown, unknown> | undefined;
      if (!handler) continue;
      await juju.log('DEBUG', `on ${name}`);
      try {
        await handler(event, juju);
      } catch (error) {
        const status = expectedStatus(error);
        if (!status) throw error;
        await juju.log('WARNING', `on ${name}: ${status.message}`);
        problems.push(status);
      }
    }
    return problems;
  }

  /** Whether a plan needs this unit to have its turn, and whether it has. */
  async #turnFor({ inTurn = [] }: Plan<C, E, R, B>): Promise<Turn> {
    const [{ turns, machine }, juju] = [this.#charm, this.#juju];
    if (!turns) {
      if (inTurn.length > 0)
        throw new CharmBugError('the charm declares no turns, and plans something in turn');
      return { isWanted: false, isWaitedFor: false };
    }
    const bags = await turnBags(juju, turns.endpoint);
    const isWanted = inTurn.length > 0 && (await machine.preview(inTurn, juju.context)).length > 0;
    const isWaitedFor = isWanted && !(bags && hasTurn(bags, turns.patience, this.#forSeconds()));
    return { isWanted, isWaitedFor, ...(bags && { bags }) };
  }

  /**
   * Asks for this unit's turn, or ends it; and on the leader, says whose turn it is.
   * @param turn absent where it is not known what this unit wants: what it has said stays
   */
  async #settleTurns(turn?: Turn): Promise<void> {
    const [{ turns }, juju] = [this.#charm, this.#juju];
    if (!turns) return;
    const bags = turn?.bags ?? (await turnBags(juju, turns.endpoint));
    if (!bags) return;
    const { relation, unit, given } = bags;
    const said = bags.asked.get(unit);
    const asked = turn ? nextAsked(bags, turn.isWanted) : said;
    if (asked && asked !== said)
      await juju.tools.relationSet(relation, 'unit', { turn: turnText.asked(asked) });
    if (!(await juju.isLeader())) return;
    const now = { ...bags, asked: new Map(bags.asked).set(unit, asked) };
    const next = await nextGiven(now, turns.patience, juju.context);
    if (next && next !== given) await juju.tools.relationSet(relation, 'app', { turn: turnText.given(next) });
  }

  /** How long this hook has run, in seconds. */
  #forSeconds(): number {
    return uptime() - this.#began;
  }

  async leave(): Promise<void> {
    const [charm, juju] = [this.#charm, this.#juju];
    await this.#handle();
    if (charm.leave) await this.#report(await charm.machine.apply(await charm.leave(juju), juju.context));
  }

  async action(name: string): Promise<void> {
    const { tools } = this.#juju;
    try {
      await tools.actionSet(await this.#resultsOf(name));
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      await tools.actionFail(status.message);
    }
  }

  async #resultsOf(name: string): Promise<Readonly<Record<string, string>>> {
    if (name === 'show-plan') return { plan: await this.#showPlan() };
    if (name === 'show-status') return { status: await this.#showStatus() };
    const [charm, juju] = [this.#charm, this.#juju];
    const declared = charm.charmcraft.actions[name];
    // Each takes the parameters that charmcraft.yaml declares for it, and parseParams gives no others.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const handlers = Object.entries(charm.actions) as readonly [string, Handler<Juju<C, S, E, B, V>>][];
    const [, handler] = handlers.find(([known]) => known === name) ?? [];
    if (!declared || !handler) throw new UserError(`this charm has no action ${name}`);
    const results = await handler(parseParams(declared, await juju.tools.actionGet()), juju);
    const walks: readonly string[] = charm.walkAfter ?? [];
    if (walks.includes(name)) return { ...results, status: lineOf(await this.walk()) };
    const problems = await this.#handle();
    if (problems.length > 0) throw new UserError(problems.map(statusText).join('; '));
    return results;
  }

  /** What the next hook would change, as text. */
  async #showPlan(): Promise<string> {
    const [charm, juju] = [this.#charm, this.#juju];
    const plan = charm.plan(await charm.read(juju));
    const changes = [
      ...(await charm.machine.preview(wholeMachine(plan), juju.context)),
      ...(await applyToJuju(plan, charm, juju, 'preview')),
    ];
    return [...changes.map(inWords), `status: ${lineOf(worst(plan.status))}`].join('\n');
  }

  /** Every status, also those that a worse one hides. */
  async #showStatus(): Promise<string> {
    const [charm, juju] = [this.#charm, this.#juju];
    try {
      const plan = charm.plan(await charm.read(juju));
      const { isWaitedFor, bags } = await this.#turnFor(plan);
      const status = [...(isWaitedFor ? [turnStatus(bags)] : []), ...plan.status];
      return worstFirst(status.length > 0 ? status : [active()])
        .map(lineOf)
        .join('\n');
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      return lineOf(status);
    }
  }

  async #show(statuses: readonly Status[]): Promise<void> {
    const [, ...hidden] = worstFirst(statuses);
    for (const status of hidden) await this.#juju.log('DEBUG', `also ${lineOf(status)}`);
    await applyStatus(statuses, this.#juju);
  }

  /** All changes in one message, because each message is a process. */
  async #report(changes: readonly Change[]): Promise<void> {
    if (changes.length > 0) await this.#juju.log('INFO', changes.map(inWords).join('\n'));
  }
}

/** Where a unit stands with its turn. */
interface Turn {
  /** Whether there is something to be done in turn. */
  readonly isWanted: boolean;
  /** Whether that has to wait. */
  readonly isWaitedFor: boolean;
  readonly bags?: TurnBags;
}

/** What a machine is to be like in the end. */
function wholeMachine<R>({
  machine,
  inTurn = [],
  afterTurn = [],
}: {
  readonly machine: readonly R[];
  readonly inTurn?: readonly R[];
  readonly afterTurn?: readonly R[];
}): readonly R[] {
  return [...machine, ...inTurn, ...afterTurn];
}

/** An action as it is called: charmcraft.yaml's types for its parameters have been checked by then. */
type Handler<J> = (
  params: Readonly<Record<string, unknown>>,
  juju: J,
) => Promise<Readonly<Record<string, string>>>;

const JSON_TYPES: Readonly<Record<string, z.ZodType>> = {
  string: z.string(),
  integer: z.int(),
  number: z.number(),
  boolean: z.boolean(),
  array: z.array(z.unknown()),
  object: z.record(z.string(), z.unknown()),
};

/** @throws {UserError} naming every parameter that is missing or of another type than charmcraft.yaml says. */
function parseParams(
  { params, required }: Action,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const problems = Object.entries(params).flatMap(([name, { type }]) => {
    const value = given[name];
    if (value === undefined) return required.includes(name) ? [`${name}= is missing`] : [];
    return JSON_TYPES[type]?.safeParse(value).success === false ? [`${name}= is no ${type}`] : [];
  });
  if (problems.length > 0) throw new UserError(problems.join('; '));
  return given;
}

function inWords({ what, how }: Change): string {
  return `${what}: ${how}`;
}

function lineOf(status: Status): string {
  return `${status.level} ${statusText(status)}`.trimEnd();
}

/** What an error that the user or time can mend is shown as. */
function expectedStatus(error: unknown): Status | undefined {
  const remedy = remedyOf(error);
  if (remedy === 'bug' || !(error instanceof Error)) return undefined;
  return remedy === 'user' ? blocked(error.message) : waiting(error.message);
}

async function reportBug(
  error: unknown,
  context: HookContext | undefined,
  surroundings: Surroundings,
): Promise<void> {
  const where = context ? `${context.unit}, ${describeEvent(context.event)}` : 'no Juju environment';
  const message = `${where}: ${causes(error).join('\ncaused by: ')}`;
  if (!context) {
    console.error(message);
    return;
  }
  const name = error instanceof NotLeaderError ? `authz_fail:${context.unit},${error.tool}` : 'sys_crash';
  surroundings.print(securityEvent(name, 'failed', context));
  await hookTools(surroundings.runTool)
    .jujuLog('ERROR', message)
    .catch(() => surroundings.print(message));
}

function causes(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [String(error)];
  const text = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? [text] : [text, ...causes(error.cause)];
}

/** Says which tools make the machine start anew: whoever collects security events wants to know. */
function watched(surroundings: Surroundings, context: HookContext): ToolRunner {
  return (tool, args, input) => {
    if (tool === 'juju-reboot')
      surroundings.print(
        securityEvent(`sys_restart:${context.unit}`, 'asks for a reboot of the machine', context),
      );
    return surroundings.runTool(tool, args, input);
  };
}

/**
 * A line for whoever collects security events, in the words of OWASP.
 * https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
 */
function securityEvent(name: string, what: string, { unit, model, event }: HookContext): string {
  return JSON.stringify({
    type: 'security',
    datetime: new Date().toISOString(),
    appid: `${model.uuid}-${unit}`,
    event: name,
    level: 'WARN',
    description: `${describeEvent(event)} ${what}`,
  });
}
