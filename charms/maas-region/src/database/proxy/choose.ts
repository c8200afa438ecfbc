// Which server MAAS is to write to: what follows from what each of them says. Pure.

/** Where a PostgreSQL listens. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** What a server says of itself. */
export type Answer =
  | {
      readonly kind: 'primary';
      /** PostgreSQL's own count of promotions. */
      readonly timeline: number;
      /** The identity that a primary and its standbys have in common. */
      readonly system: string;
      /** When it was started, to the microsecond: two names of one server have this in common. */
      readonly started: string;
      /** What MAAS' database has, by name. */
      readonly extensions?: readonly string[];
    }
  | { readonly kind: 'standby'; readonly system: string }
  /** It does not answer, or not so that it can be understood. */
  | { readonly kind: 'silent'; readonly reason: string };

/** A server and what it said last. */
export interface Asked extends Server {
  readonly answer: Answer;
}

/** The primary that was followed last, and still is, unless something else is known of it. */
export interface Followed extends Server {
  readonly timeline: number;
  readonly system: string;
  readonly started: string;
}

/** What was followed up to now. */
export interface Past {
  /** Where connections go now; absent: nowhere. */
  readonly current?: Followed | undefined;
  /** What was followed last, also where connections go nowhere now. */
  readonly last?: Followed | undefined;
}

export interface Choice extends Past {
  /** Why connections go nowhere, or what is not as it should be, in words for a status. */
  readonly problem?: string;
  /** Whether only a person can mend that. */
  readonly isUndecided?: boolean;
}

/**
 * Whom to follow: the one that is not in recovery. Of two, the one of the higher timeline, and where both have the
 * same, none, because what is written to one is lost to the other. A server that is behind what was followed before
 * has missed what was written since, whatever it says: it is not followed. While nobody says that it is the primary,
 * connections stay where they are, unless the server there says that it is none any more.
 * @param asked every server that is known, in the order of the relation
 * @param named the primary according to the relation, which may be out of date
 */
export function choose(asked: readonly Asked[], named: Server, past: Past): Choice {
  const { current, last } = past;
  const claims = distinct(asked.flatMap(claimOf), current);
  const known = isReplaced(asked, claims, named, last) ? undefined : last;
  const valid = claims.filter((claim) => known === undefined || isNotBehind(claim, known));
  const highest = Math.max(...valid.map(({ timeline }) => timeline));
  const [first, second] = valid.filter(({ timeline }) => timeline === highest);
  if (first && second)
    return {
      ...(last && { last }),
      problem: `${nameOf(first)} and ${nameOf(second)} both say that they are the primary: stop the wrong one`,
      isUndecided: true,
    };
  if (first && (known === undefined || mayFollow(first, known, named))) {
    const other = claims.find((claim) => claim !== first);
    return {
      current: first,
      last: first,
      ...(other && {
        problem: `${nameOf(other)} says that it is the primary too, and is out of date: stop it`,
      }),
    };
  }
  const stale = claims[0];
  if (stale && known)
    return {
      ...(current && !isSame(current, stale) && { current }),
      ...(last && { last }),
      problem: `${nameOf(stale)} says it is the primary, but has not what ${nameOf(known)} had written: start that one`,
      isUndecided: true,
    };
  const own = current && asked.find((server) => isSame(server, current));
  if (current && own?.answer.kind !== 'standby')
    return {
      current,
      ...(last && { last }),
      problem: `${nameOf(current)} does not answer, and no other server is the primary${reasonOf(own)}`,
    };
  return { ...(last && { last }), problem: `no PostgreSQL is the primary${reasonOf(asked.find(isSilent))}` };
}

/** Whether the primary's database has other extensions than these. */
export function hasOtherExtensions(
  asked: readonly Asked[],
  current: Server | undefined,
  extensions: readonly string[],
): boolean {
  const answer = current && asked.find((server) => isSame(server, current))?.answer;
  if (answer?.kind !== 'primary' || answer.extensions === undefined) return false;
  return answer.extensions.toSorted().join() !== extensions.toSorted().join();
}

/** Whether two are the same place. */
export function isSame(one: Server, other: Server): boolean {
  return one.host === other.host && one.port === other.port;
}

/** As a status names it: `10.0.0.12`, with its port where that is not the usual one. */
export function nameOf({ host, port }: Server): string {
  return port === 5432 ? host : `${host}:${port}`;
}

function claimOf({ host, port, answer }: Asked): readonly Followed[] {
  if (answer.kind !== 'primary') return [];
  const { timeline, system, started } = answer;
  return [{ host, port, timeline, system, started }];
}

/** Without the other names of a server; the name that it is followed by stays. */
function distinct(claims: readonly Followed[], current: Followed | undefined): readonly Followed[] {
  const isCurrent = (claim: Followed): boolean => current !== undefined && isSame(claim, current);
  return claims.filter(
    (claim, index) =>
      isCurrent(claim) ||
      !claims.some(
        (other, place) => other !== claim && isOne(other, claim) && (isCurrent(other) || place < index),
      ),
  );
}

/** Whether two names are of one server that runs. */
function isOne(one: Followed, other: Followed): boolean {
  return one.system === other.system && one.started === other.started;
}

/** Whether a server may have all that was written to the one that was followed before. */
function isNotBehind(claim: Followed, known: Followed): boolean {
  return claim.system === known.system && claim.timeline >= known.timeline;
}

/** Whether it is the same server, or one that was promoted since, or one that the server has moved to. */
function mayFollow(claim: Followed, known: Followed, named: Server): boolean {
  // Nobody is promoted and stays on its timeline: without the word of the relation it is a copy.
  return (
    claim.timeline > known.timeline || isSame(claim, known) || isOne(claim, known) || isSame(claim, named)
  );
}

/** Whether the relation has another cluster in place of the one that was followed, of which nothing is left. */
function isReplaced(
  asked: readonly Asked[],
  claims: readonly Followed[],
  named: Server,
  last: Followed | undefined,
): boolean {
  if (last === undefined) return false;
  const isLeft = asked.some(({ answer }) => answer.kind !== 'silent' && answer.system === last.system);
  return !isLeft && claims.some((claim) => claim.system !== last.system && isSame(claim, named));
}

function isSilent({ answer }: Asked): boolean {
  return answer.kind === 'silent';
}

function reasonOf(asked: Asked | undefined): string {
  return asked?.answer.kind === 'silent' ? ` (${nameOf(asked)}: ${asked.answer.reason})` : '';
}
