import { uptime } from 'node:os';
import { parseParams } from './action-params.ts';
import { applyAppStatus, applyStatus, applyToJuju, type Change } from './apply.ts';
import { backoff } from './backoff.ts';
import type { Charm } from './charm.ts';
import type { Charmcraft, Endpoints, OptionSchemas } from './charmcraft.ts';
import { hookCommand, relationNumber } from './context.ts';
import type { BagSchema } from './databag.ts';
import { CharmBugError, remedyOf, UserError } from './errors.ts';
import type { EventHandler, EventQueue, EventSchemas } from './events.ts';
import { failedIn, keepFailed } from './failed.ts';
import type { Juju } from './juju.ts';
import type { Plan } from './plan.ts';
import { DEPARTED_KEY, PRINCIPAL_KEY } from './relations.ts';
import { hasTurn, nextAsked, nextGiven, turnBags, turnStatus, turnText, type TurnBags } from './rolling.ts';
import {
  active,
  blocked,
  statusLine,
  statusText,
  waiting,
  worst,
  worstFirst,
  type Status,
} from './status.ts';
import { isAtLeast } from './version.ts';

/** How often one hook reconciles: what it did to the machine (a daemon wrote a file) may let it do more. */
const MOST_ROUNDS = 5;

/** One event of one charm. */
export class Run<
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
  readonly #queue: EventQueue;
  readonly #began = uptime();

  constructor(charm: Charm<C, S, E, State, R, B, V>, juju: Juju<C, S, E, B, V>, queue: EventQueue) {
    this.#charm = charm;
    this.#juju = juju;
    this.#queue = queue;
  }

  /**
   * Any hook. A unit that is being removed leaves with its last relation, and not only in `stop`: Juju 4 deletes one that has
   * neither peers nor storage within seconds of that, whether its `stop` has run or not.
   */
  async hook(): Promise<void> {
    const { event, removal } = this.#juju.context;
    const isEnd = event.kind === 'lifecycle' && (event.name === 'stop' || event.name === 'remove');
    const isBroken = event.kind === 'relation' && event.name === 'broken';
    const isRelated = removal === undefined || (!isEnd && (await this.#isRelated()));
    if (!isEnd && (isRelated || isBroken)) await this.reconcile();
    if (isEnd || !isRelated) await this.teardown();
  }

  /** Whether there is a relation with another application. One that is being broken is none any more. */
  async #isRelated(): Promise<boolean> {
    const [{ charmcraft }, { tools }] = [this.#charm, this.#juju];
    const endpoints = Object.keys({ ...charmcraft.provides, ...charmcraft.requires });
    const ids = await Promise.all(endpoints.map((endpoint) => tools.relationIds(endpoint)));
    return ids.flat().length > 0;
  }

  /** Read, plan, apply: what every hook does. Returns the status in which it ends. */
  async reconcile(): Promise<Status> {
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

        const delay = soonest(plan.reconcileIn, await this.#settleTurns(turn));
        if (turn.isWaitedFor) {
          const planned = [turnStatus(turn.bags), ...plan.status];
          if (!isInstall || problems.length > 0) await this.#show(problems, planned);
          if (delay !== undefined) await this.#reconcileIn(delay);
          return worst([...problems, ...planned]);
        }
        await this.#report(await applyToJuju(plan, charm, juju, 'apply'));
        if (plan.version !== undefined && (round > 1 || isNew))
          await juju.tools.applicationVersionSet(plan.version);
        // Juju tells of relations only after `install`: until then it says itself that it is installing.
        if (!isInstall || problems.length > 0) await this.#show(problems, plan.status);
        if (plan.appStatus) await applyAppStatus(plan.appStatus, juju);
        if (delay !== undefined) await this.#reconcileIn(delay);
        return worst([...problems, ...plan.status]);
      }
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      await juju.log('WARNING', statusText(status));
      // What holds up this unit holds up no other.
      const lookIn = await this.#settleTurns();
      problems.push(status);
      const lasted = await this.#show(problems, []);
      const delay = soonest(remedyOf(error) === 'retry' ? backoff(lasted) : undefined, lookIn);
      if (delay !== undefined) await this.#reconcileIn(delay);
      return worst(problems);
    }
  }

  /**
   * No hook fails because the machine cannot do that: `update-status` comes anyway.
   * @param delay in seconds; if absent, not by itself
   */
  async #reconcileIn(delay: number | undefined): Promise<void> {
    const { unit } = this.#juju.context;
    try {
      await this.#charm.machine.schedule?.(`${unit.replace('/', '-')}-reconcile`, delay, hookCommand(unit));
    } catch (error) {
      await this.#juju.log('WARNING', `the next hook comes with the next event: ${String(error)}`);
    }
  }

  /** A subordinate says to its peers once which unit it rides on: by that they know when it is gone. */
  async #tellPrincipal(): Promise<void> {
    const [{ charmcraft }, juju] = [this.#charm, this.#juju];
    const { event, principalUnit } = juju.context;
    if (principalUnit === undefined) return;
    const isRefreshed = event.kind === 'lifecycle' && event.name === 'upgrade-charm';
    const isCreated = event.kind === 'relation' && event.name === 'created';
    const endpoints = Object.keys(charmcraft.peers).filter(
      (name) => isRefreshed || (isCreated && event.relation.endpoint === name),
    );
    await this.#tellPeers(endpoints, PRINCIPAL_KEY, principalUnit);
  }

  async #tellPeers(endpoints: readonly string[], key: string, value: string): Promise<void> {
    const { tools, context } = this.#juju;
    const ids = await Promise.all(endpoints.map((name) => tools.relationIds(name)));
    for (const id of ids.flat().map(relationNumber)) {
      const said = (await this.#juju.databag(id, context.unit))[key];
      if (said !== value) await tools.relationSet(id, 'unit', { [key]: value });
    }
  }

  /** Runs the handlers of what has happened, in order. What a user or time can mend is no reason to stop. */
  async #handle(): Promise<readonly Status[]> {
    const juju = this.#juju;
    const problems: Status[] = [];
    const handlers = Object.entries(this.#charm.on ?? {});
    for (const { name, event } of this.#queue.take()) {
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
        await juju.log('WARNING', `on ${name}: ${statusText(status)}`);
        problems.push(status);
      }
    }
    return problems;
  }

  /** Whether a plan needs this unit to have its turn, and whether it has. */
  async #turnFor({ rolling = [] }: Plan<C, E, R, B>): Promise<Turn> {
    const [{ rolling: lock, machine }, juju] = [this.#charm, this.#juju];
    if (!lock) {
      if (rolling.length > 0)
        throw new CharmBugError('the charm plans `rolling` changes and does not define `rolling`');
      return { isWanted: false, isWaitedFor: false };
    }
    const bags = await turnBags(juju, lock.endpoint);
    const isWanted = rolling.length > 0 && (await machine.preview(rolling, juju.context)).length > 0;
    const isWaitedFor = isWanted && !(bags && hasTurn(bags, lock.timeout, this.#forSeconds()));
    return { isWanted, isWaitedFor, ...(bags && { bags }) };
  }

  /**
   * Asks for this unit's turn, or ends it; and on the leader, says whose turn it is.
   * @param turn absent where it is not known what this unit wants: what it has said stays
   * @returns when this unit has to look again, in seconds; absent where it has not
   */
  async #settleTurns(turn?: Turn): Promise<number | undefined> {
    const [{ rolling: lock }, juju] = [this.#charm, this.#juju];
    if (!lock) return undefined;
    const bags = turn?.bags ?? (await turnBags(juju, lock.endpoint));
    if (!bags) return undefined;
    const { relation, unit, given } = bags;
    const said = bags.asked.get(unit);
    const asked = turn ? nextAsked(bags, turn.isWanted) : said;
    if (asked && asked !== said)
      await juju.tools.relationSet(relation, 'unit', { turn: turnText.asked(asked) });
    if (!(await juju.isLeader())) return undefined;
    const now = { ...bags, asked: new Map(bags.asked).set(unit, asked) };
    const { given: next, lookIn } = await nextGiven(now, lock.timeout, juju.context);
    if (next && next !== given) await juju.tools.relationSet(relation, 'app', { turn: turnText.given(next) });
    return lookIn;
  }

  /** How long this hook has run, in seconds. */
  #forSeconds(): number {
    return uptime() - this.#began;
  }

  async teardown(): Promise<void> {
    const [charm, juju] = [this.#charm, this.#juju];
    await this.#handle();
    await this.#reconcileIn(undefined);
    if (charm.teardown)
      await this.#report(await charm.machine.apply(await charm.teardown(juju), juju.context));
    // Juju 4 tells no peer of it.
    if (isAtLeast(juju.context.jujuVersion, '4.0'))
      await this.#tellPeers(Object.keys(charm.charmcraft.peers), DEPARTED_KEY, 'true');
  }

  async action(name: string): Promise<void> {
    const { tools } = this.#juju;
    try {
      await tools.actionSet(await this.#resultsOf(name));
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      await tools.actionFail(statusText(status));
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
    const reconciling: readonly string[] = charm.reconcileAfter ?? [];
    if (reconciling.includes(name)) return { ...results, status: statusLine(await this.reconcile()) };
    const problems = await this.#handle();
    if (problems.length > 0) throw new UserError(problems.map(statusText));
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
    return [...changes.map(inWords), `status: ${statusLine(worst(plan.status))}`].join('\n');
  }

  /** Every status in full, also those that a worse one hides, and what failed in the last hook. */
  async #showStatus(): Promise<string> {
    const failed = await failedIn(this.#juju.context);
    const planned = worstFirst(await this.#planned()).map(statusLine);
    const lines = new Set([...failed, ...planned]);
    return lines.size > 0 ? [...lines].join('\n') : statusLine(active());
  }

  /** What the next hook would show if nothing failed. */
  async #planned(): Promise<readonly Status[]> {
    const [charm, juju] = [this.#charm, this.#juju];
    try {
      const plan = charm.plan(await charm.read(juju));
      const { isWaitedFor, bags } = await this.#turnFor(plan);
      return [...(isWaitedFor ? [turnStatus(bags)] : []), ...plan.status];
    } catch (error) {
      const status = expectedStatus(error);
      if (!status) throw error;
      return [status];
    }
  }

  /**
   * @param failed what no plan tells, but a handler or the machine
   * @param planned what the plan says
   * @returns for how long every hook has failed, in seconds
   */
  async #show(failed: readonly Status[], planned: readonly Status[]): Promise<number> {
    const lasted = await keepFailed(failed, this.#juju.context);
    const statuses = [...failed, ...planned];
    const [, ...hidden] = worstFirst(statuses);
    for (const status of hidden) await this.#juju.log('DEBUG', `also ${statusLine(status)}`);
    await applyStatus(statuses, this.#juju);
    return lasted;
  }

  /** All changes in one message, because each message is a process. */
  async #report(changes: readonly Change[]): Promise<void> {
    if (changes.length > 0) await this.#juju.log('INFO', changes.map(inWords).join('\n'));
  }
}

/** Where a unit stands with its turn. */
interface Turn {
  /** Whether there are rolling changes to make. */
  readonly isWanted: boolean;
  /** Whether that has to wait. */
  readonly isWaitedFor: boolean;
  readonly bags?: TurnBags;
}

function soonest(...delays: readonly (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** What a machine is to be like in the end. */
function wholeMachine<R>({
  machine,
  rolling = [],
  afterRolling = [],
}: {
  readonly machine: readonly R[];
  readonly rolling?: readonly R[];
  readonly afterRolling?: readonly R[];
}): readonly R[] {
  return [...machine, ...rolling, ...afterRolling];
}

/** An action as it is called: charmcraft.yaml's types for its parameters have been checked by then. */
type Handler<J> = (
  params: Readonly<Record<string, unknown>>,
  juju: J,
) => Promise<Readonly<Record<string, string>>>;

function inWords({ what, how }: Change): string {
  return `${what}: ${how}`;
}

/** What an error that the user or time can mend is shown as. */
function expectedStatus(error: unknown): Status | undefined {
  const remedy = remedyOf(error);
  if (remedy === 'bug' || !(error instanceof Error)) return undefined;
  const [message = error.message, ...notes] = error instanceof UserError ? error.problems : [];
  return remedy === 'user' ? blocked(message, undefined, notes) : waiting(message, notes);
}
