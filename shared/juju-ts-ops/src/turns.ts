import { z } from 'zod';
import { decodeBag, json, type RawBag } from './databag.ts';
import { unitNumber } from './juju.ts';
import { waiting, type Status } from './status.ts';

/** How the units of an application take turns at what not all of them may do at once. */
export interface Turns<PeerEndpoint extends string> {
  /** The peer relation over which they agree. The key `turn` of its databags is the framework's. */
  readonly endpoint: PeerEndpoint;
  /**
   * How long a unit may keep its turn, in seconds: then the leader gives it to the next one, whether the unit is dead or
   * only slow. It begins nothing after half of that, so make it twice of what the longest turn takes, and more.
   */
  readonly patience: number;
}

/** What a unit says: the turns that it has asked for are numbered, so that one which is over is never taken again. */
export type Asked = Readonly<z.infer<typeof Asked>>;
const Asked = z.object({ number: z.int(), isOver: z.boolean() });

/** What the leader says: whose turn it is, and since when. */
export type Given = Readonly<z.infer<typeof Given>>;
const Given = z.object({ unit: z.string(), number: z.int(), since: z.iso.datetime() });

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
  /** By unit, this one included; those that never asked are `undefined`. */
  readonly asked: ReadonlyMap<string, Asked | undefined>;
}

/** What is asked of Juju about turns, whichever charm it is for. */
interface AskedJuju<N> {
  readonly context: { readonly unit: string; readonly app: string };
  relations(
    endpoint: N,
  ): Promise<readonly { readonly id: number; readonly units: readonly { readonly name: string }[] }[]>;
  databag(relation: number, owner: string): Promise<RawBag>;
}

/** Nothing before Juju tells of the peer relation. */
export async function turnBags<N>(juju: AskedJuju<N>, endpoint: N): Promise<TurnBags | undefined> {
  const { unit, app } = juju.context;
  const [peers] = await juju.relations(endpoint);
  if (!peers) return undefined;
  const names = [unit, ...peers.units.map(({ name }) => name)];
  const [appBag, ...bags] = await Promise.all([app, ...names].map((owner) => juju.databag(peers.id, owner)));
  const given = decodeBag(giving, appBag ?? {}).data.turn;
  return {
    relation: peers.id,
    unit,
    ...(given && { given }),
    asked: new Map(names.map((name, index) => [name, decodeBag(asking, bags[index] ?? {}).data.turn])),
  };
}

/**
 * Whether this unit may begin. Not late in its turn: what it did then might not be over when the next one begins.
 * @param now milliseconds since 1970
 */
export function hasTurn(bags: TurnBags, patience: number, now: number): boolean {
  const { given, unit } = bags;
  return given?.unit === unit && isHeld(bags, given) && ageOf(given, now) < patience / 2;
}

/** What this unit says from now on. */
export function nextAsked({ asked, unit }: TurnBags, isWanted: boolean): Asked | undefined {
  const last = asked.get(unit);
  const isAsking = last?.isOver === false;
  if (isAsking === isWanted) return last;
  return isWanted
    ? { number: (last?.number ?? 0) + 1, isOver: false }
    : { number: last?.number ?? 0, isOver: true };
}

/** Whose turn the leader says it is. Units have it in the order of their numbers, from the last one on. */
export function nextGiven(bags: TurnBags, patience: number, now: number): Given | undefined {
  const { given, asked } = bags;
  if (given && isHeld(bags, given) && ageOf(given, now) < patience) return given;
  const waits = [...asked]
    .flatMap(([unit, wish]) => (wish?.isOver === false ? [{ unit, number: wish.number }] : []))
    .toSorted((a, b) => unitNumber(a.unit) - unitNumber(b.unit));
  const last = given ? unitNumber(given.unit) : -1;
  const next = waits.find(({ unit }) => unitNumber(unit) > last) ?? waits[0];
  return next ? { ...next, since: new Date(now).toISOString() } : given;
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

/** In seconds. */
function ageOf({ since }: Given, now: number): number {
  return (now - Date.parse(since)) / 1000;
}
