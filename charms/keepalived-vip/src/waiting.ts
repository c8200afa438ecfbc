import type { Report } from './endpoints.ts';
import type { Instance, Known, Peer } from './state.ts';

/** Whom an instance has to wait for before it may start, or go on with new options, and what they have to do. */
export interface Wait {
  /** A unit; Juju itself, which tells of units one by one; or the leader. */
  readonly who: string;
  readonly to: 'learn of this unit' | 'take the new options' | 'go first' | 'tell of the other units';
}

/**
 * Whom an instance has to wait for: nobody where it runs already as it should. Two units that do not heed each other hold
 * an address both, so an instance that starts, or whose source or options change, waits.
 *
 * - Until all that run send to it. Until its holder does it would hear nobody, and take the addresses for itself. Juju tells
 *   a new unit of the others one by one: one that it has not met may be the holder, and the others know it.
 * - Until none runs with other options. Those that only stand by stop at once; the holder goes on as it is until
 *   it is alone, and then changes in one step. So no address is held twice, and none is dropped.
 * - Of units that start at the same time the leader goes first.
 * @param silent addresses of machines that are lost: nobody waits for them, where there are others
 */
export function strangersTo(
  instance: Instance,
  known: Known,
  silent: readonly string[] = [],
): readonly Wait[] {
  if (runsAsWanted(instance, known)) return [];
  const started = known.peers.flatMap((peer) => startedAs(instance, known, peer));
  const isHolder = holdsNow(instance, known);
  if (started.length === 0) {
    if (isHolder || goesFirst(known)) return [];
    // It tells of each in a hook of that one's own, and other units of the machine may have theirs first, for minutes.
    if (known.peers.length === 0) return [{ who: 'Juju', to: 'tell of the other units' }];
    return [{ who: 'the leader', to: 'go first' }];
  }
  const alive = started.filter(({ address = '' }) => !silent.includes(address));
  const heeded = alive.length > 0 ? alive : started;
  const others = heeded.filter(({ isAlike }) => !isAlike).map(({ unit }) => unit);
  if (others.length > 0) return others.map((who) => ({ who, to: 'take the new options' }));
  const met = new Set([
    ...known.addresses.map(({ address }) => address),
    ...known.peers.flatMap(({ addresses }) => addresses),
  ]);
  const deaf = heeded.filter(({ sendsTo }) => !sendsTo.includes(instance.source)).map(({ unit }) => unit);
  const isUnmet = heeded.some(({ sendsTo }) => sendsTo.some((address) => !met.has(address)));
  return [
    ...(isUnmet ? [{ who: 'Juju', to: 'tell of the other units' } as const] : []),
    ...deaf.map((who) => ({ who, to: 'learn of this unit' }) as const),
  ];
}

/**
 * Whether this unit holds the addresses of an instance that has to change, and nobody has begun anew without it: then it
 * goes on as it is while it waits.
 */
export function goesOn(instance: Instance, known: Known): boolean {
  const started = known.peers.flatMap((peer) => startedAs(instance, known, peer));
  return holdsNow(instance, known) && started.every(({ isAlike }) => !isAlike);
}

function runsAsWanted({ name, source, speaks }: Instance, { running }: Known): boolean {
  const now = running.get(name);
  return now !== undefined && (now.source ?? source) === source && (now.speaks ?? speaks) === speaks;
}

/** The unit that starts while nobody runs: the leader, or another that is named in its place for as long as it is there. */
function goesFirst({ isLeader, unit, firstUnit, peers }: Known): boolean {
  return firstUnit !== undefined && [unit, ...peers.map((peer) => peer.unit)].includes(firstUnit)
    ? firstUnit === unit
    : isLeader;
}

/** Whether keepalived has an address of the instance here, one that is wanted or one that was. */
function holdsNow(instance: Instance, { addresses, managed, running }: Known): boolean {
  return [...instance.vips.map(({ address }) => address), ...(running.get(instance.name)?.vips ?? [])].some(
    (vip) => managed.includes(vip) && addresses.some(({ address }) => address === vip),
  );
}

/** A unit that runs an instance of its own in the place of this one, or with any of its addresses. */
interface Started extends Peer {
  /** Where it sends from in this place; absent where it has no address there. */
  readonly address: string | undefined;
  /** Whether it runs there, and with the same options. */
  readonly isAlike: boolean;
}

function startedAs(instance: Instance, { running }: Known, peer: Peer): readonly Started[] {
  const address = instance.peers.find(({ unit }) => unit === peer.unit)?.address;
  const vips = [...instance.vips.map((vip) => vip.address), ...(running.get(instance.name)?.vips ?? [])];
  const reports = peer.instances.filter(
    (report) => report.source === address || report.vips.some((vip) => vips.includes(vip)),
  );
  if (reports.length === 0) return [];
  const isAlike = ({ source, speaks = instance.speaks }: Report): boolean =>
    source === address && speaks === instance.speaks;
  return [{ ...peer, address, isAlike: reports.every(isAlike) }];
}
