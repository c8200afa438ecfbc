// Who may join the cluster, and when: etcd takes one new member at a time. Pure.

/** What the leader knows of the units. */
export interface Units {
  /** Addresses of all units, this one's first, the others by number. */
  readonly addresses: readonly string[];
  /** Addresses of those that have joined. */
  readonly joined: readonly string[];
}

/**
 * Whether this unit waits to be let in, is the only one and needs no cluster, or is of the cluster. Of its peers it may hear
 * only after they have let it in.
 * @param peers how many units it knows beside itself
 */
export function placeOf(
  address: string,
  { members, peers, hasPatroni }: { members: readonly string[]; peers: number; hasPatroni: boolean },
): 'outside' | 'alone' | 'clustered' {
  if (!members.includes(address)) return 'outside';
  return members.length === 1 && peers === 0 && !hasPatroni ? 'alone' : 'clustered';
}

/**
 * The members from now on: those of before that are still there, and the next unit once all of them have joined.
 * @param before empty: this unit is the first
 */
export function admit(before: readonly string[], { addresses, joined }: Units): readonly string[] {
  const members =
    before.length === 0 ? addresses.slice(0, 1) : before.filter((one) => addresses.includes(one));
  if (!members.every((one) => joined.includes(one))) return members;
  const next = addresses.find((one) => !members.includes(one));
  return next === undefined ? members : [...members, next];
}
