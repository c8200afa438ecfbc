import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { GoalState } from './answers.ts';
import { Moment, momentNow, secondsBetween } from './clock.ts';
import type { HookContext } from './context.ts';
import { decodeBag, json, type RawBag } from './databag.ts';
import { HookToolError, undefinedOn } from './errors.ts';
import { unitNumber } from './relations.ts';
import { waiting, type Status } from './status.ts';

/** How the units of an application take turns at changes that only one unit may make at a time. */
export interface Rolling<PeerEndpoint extends string> {
  /** The peer relation over which they agree. The framework owns the key `turn` of its databags. */
  readonly endpoint: PeerEndpoint;
  /**
   * The maximum length of a turn, in seconds: at least twice as long as the longest change takes. After half of it,
   * the unit starts no more changes. If it does not return the turn, the leader waits for the whole timeout once
   * more, and gives the turn to the next unit, whether this one is dead or only slow.
   */
  readonly timeout: number;
}

/** What a unit says: the turns that it has asked for are numbered, so that one which is over is never taken again. */
export type Asked = Readonly<z.infer<typeof Asked>>;
const Asked = z.object({ number: z.int(), isOver: z.boolean() });

/** What the leader says: whose turn it is, and whether that one may still begin. */
export type Given = Readonly<z.infer<typeof Given>>;
const Given = z.object({ unit: z.string(), number: z.int(), isClosing: z.boolean().default(false) });

const asking = { turn: json(Asked) };
const giving = { turn: json(Given) };

/**
 * What all have said of turns when a hook began. Only that counts: what a hook says is known to others when it has
 * ended, and is lost if it fails.
 */
export interface TurnBags {
  readonly relation: number;
  readonly unit: string;
  readonly given?: Given;
  /**
   * By unit, this one included; those that never asked are `undefined`. Juju tells a new unit of the others one by one: a
   * unit whose turn it is and that this one has not met yet counts as one that goes on asking, for as long as Juju has a record of it.
   */
  readonly asked: ReadonlyMap<string, Asked | undefined>;
}

/** What is asked of Juju about turns, whichever charm it is for. */
interface AskedJuju<N> {
  readonly context: { readonly unit: string; readonly app: string };
  relations(
    endpoint: N,
  ): Promise<readonly { readonly id: number; readonly units: readonly { readonly name: string }[] }[]>;
  databag(relation: number, owner: string): Promise<RawBag>;
  goalState(): Promise<GoalState>;
}

/** Nothing before Juju tells of the peer relation. */
export async function turnBags<N>(juju: AskedJuju<N>, endpoint: N): Promise<TurnBags | undefined> {
  const { unit, app } = juju.context;
  const [peers] = await juju.relations(endpoint);
  if (!peers) return undefined;
  const names = [unit, ...peers.units.map(({ name }) => name)];
  const [appBag, ...bags] = await Promise.all([app, ...names].map((owner) => juju.databag(peers.id, owner)));
  const given = decodeBag(giving, appBag ?? {}).data.turn;
  const asked = new Map(names.map((name, index) => [name, decodeBag(asking, bags[index] ?? {}).data.turn]));
  if (given && !asked.has(given.unit)) {
    const goal = await undefinedOn(HookToolError, juju.goalState());
    if (goal && given.unit in goal.units) asked.set(given.unit, { number: given.number, isOver: false });
  }
  return { relation: peers.id, unit, ...(given && { given }), asked };
}

/**
 * Whether this unit may begin. Not late in its hook: its leader may have told it since that it may not, and what it did then might
 * not be over when the next one begins.
 * @param forSeconds how long ago this hook began
 */
export function hasTurn(bags: TurnBags, timeout: number, forSeconds: number): boolean {
  const { given, unit } = bags;
  return given?.unit === unit && isHeld(bags, given) && !given.isClosing && forSeconds < timeout / 2;
}

/** What this unit says from now on. A turn that it may not begin any more it gives back, and asks for another one. */
export function nextAsked({ asked, unit, given }: TurnBags, isWanted: boolean): Asked | undefined {
  const last = asked.get(unit);
  const isAsking = last?.isOver === false;
  const isTooLate = given?.unit === unit && given.number === last?.number && given.isClosing;
  if (isAsking === isWanted && !(isAsking && isTooLate)) return last;
  return isWanted
    ? { number: (last?.number ?? 0) + 1, isOver: false }
    : { number: last?.number ?? 0, isOver: true };
}

/** Whose turn it is from now on. */
export interface NextTurn {
  readonly given?: Given;
  /** When the leader has to look again, in seconds: a unit that dies in its turn says nothing. */
  readonly lookIn?: number;
}

/**
 * Whose turn the leader says it is. Units have it in the order of their numbers, from the last one on. No clock of
 * another machine is asked, and none that can be set: the leader itself has seen for how long it has been as it is. What it says counts
 * when a unit's hook begins, so that whoever began before the turn was closing is done when timeout has passed after that.
 */
export async function nextGiven(
  bags: TurnBags,
  timeout: number,
  context: Pick<HookContext, 'stateDirectory'>,
): Promise<NextTurn> {
  const { given, asked } = bags;
  if (given && isHeld(bags, given)) {
    const left = (given.isClosing ? timeout : timeout / 2) - (await seenFor(given, context));
    if (left > 0) return { given, lookIn: Math.ceil(left) };
    if (!given.isClosing) return { given: { ...given, isClosing: true }, lookIn: timeout };
  }
  const waits = [...asked]
    .flatMap(([unit, wish]) => (wish?.isOver === false ? [{ unit, number: wish.number }] : []))
    .toSorted((a, b) => unitNumber(a.unit) - unitNumber(b.unit));
  const last = given ? unitNumber(given.unit) : -1;
  // Who has not used its turn comes last, and what has been given once is not given again.
  const others = waits.filter(({ unit, number }) => unit !== given?.unit || number !== given.number);
  const next = others.find(({ unit }) => unitNumber(unit) > last) ?? others[0];
  if (next) return { given: { ...next, isClosing: false }, lookIn: timeout / 2 };
  return given ? { given } : {};
}

/** What the status of a unit says that waits for its turn. */
export function turnStatus(bags: TurnBags | undefined): Status {
  const { given, unit } = bags ?? {};
  const isAnothers = bags && given && given.unit !== unit && isHeld(bags, given);
  return waiting(isAnothers ? `for its turn: ${given.unit} has it` : 'for its turn');
}

/** The texts of a databag's key `turn`. */
export const turnText = {
  asked: (asked: Asked): string => asking.turn.encode(asked),
  given: (given: Given): string => giving.turn.encode(given),
};

/** Whether a turn is neither over nor of a unit that is gone. */
function isHeld({ asked }: TurnBags, { unit, number }: Given): boolean {
  const wish = asked.get(unit);
  return wish?.number === number && !wish.isOver;
}

/** How long this unit has seen a turn as it is, in seconds: it writes down since when. A new leader begins to count. */
async function seenFor(
  given: Given,
  { stateDirectory }: Pick<HookContext, 'stateDirectory'>,
): Promise<number> {
  const file = join(stateDirectory, 'turn.json');
  const now = await momentNow();
  const what = turnText.given(given);
  const seen = Seen.safeParse(parseJson(await readFile(file, 'utf8').catch(() => '')));
  if (seen.success && seen.data.what === what) return secondsBetween(seen.data.since, now);
  await writeFile(file, JSON.stringify({ what, since: now }));
  return 0;
}

const Seen = z.object({ what: z.string(), since: Moment });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
