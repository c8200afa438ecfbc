import { active, blocked, waiting, type Message, type Status } from 'juju-ts-ops';
import { ownersOf } from './owners.ts';
import type { State } from './state.ts';
import type { Wait } from './waiting.ts';

export function nothingToHold({ app, running, managed }: State): Message {
  const set = `juju config ${app} vip=<a free address of the subnet>`;
  return running.size === 0
    ? `no address to hold: ${set}`
    : (list) =>
        `vip= is empty, and ${list(managed)} is still held: set vip=, or juju remove-application ${app}`;
}

/** Whom this unit waits for, and what for: `keepalived-vip/1 to learn of this unit`. */
export function waitingFor(waits: readonly Wait[]): readonly Status[] {
  return (
    ['tell of the other units', 'go first', 'take the new options', 'learn of this unit'] as const
  ).flatMap((to) => {
    const who = new Set(waits.filter((wait) => wait.to === to).map((wait) => wait.who));
    return who.size === 0 ? [] : [waiting((list) => `${list([...who])} to ${to}`)];
  });
}

/** Who holds each address: `holds 10.0.0.9 since 12:03; 10.0.0.10 is on keepalived-vip/2`. */
export function holding(state: State): Status {
  const { failing, running } = state;
  const owners = ownersOf(state);
  const texts = owners.map(({ vip, unit, isHere, since, rival }) => {
    const time = since === undefined ? '' : ` since ${clock(since)}`;
    if (isHere && rival !== undefined)
      return `holds ${vip}, and so does ${rival}: they cannot hear each other`;
    if (isHere) return `holds ${vip}${time}`;
    return unit === undefined ? `ready to take ${vip}` : `${vip} is on ${unit}${time}`;
  });
  // Over unicast the two do not disturb each other: the firewall drops theirs, and they get none of ours.
  const clash = numberClash(state);
  const notes = [...(clash ? [clash((routers) => routers.join(', '))] : []), ...unneeded(state)];
  if (![...running.values()].some(({ state: now }) => now === 'FAULT')) {
    const [first, ...more] = texts;
    return active(first, [...more, ...notes]);
  }
  return waiting(
    (list) => `${failing.length > 0 ? list(failing) : 'the network'} to work on this machine`,
    [...texts, ...notes],
  );
}

/** What this container may not set, where no service misses it. */
function unneeded({ kernel: { forbidden }, binding }: State): readonly string[] {
  return forbidden.length === 0 || binding.length > 0
    ? []
    : [`${forbidden.join(', ')} cannot be set here, and nothing needs it`];
}

/** Services that cannot start where they do not have the address yet. */
export function unboundServices({ kernel: { forbidden }, binding }: State): readonly Status[] {
  if (forbidden.length === 0 || binding.length === 0) return [];
  const settings = forbidden.map((parameter) => `${parameter}=1`).join(' ');
  return [blocked((list) => `${list(binding)} binds the address: on the host, set ${settings}`)];
}

/** What to do about other routers on the network that have the same number. */
export function numberClash({ sighted: { routers }, options }: State): Exclude<Message, string> | undefined {
  if (routers.length === 0) return undefined;
  return (list) =>
    `router number ${options['virtual-router-id']} is also that of ${list(routers)} on this network: set another virtual-router-id=`;
}

/** Seconds since 1970 → `2026-11-24 12:03 UTC`. */
function clock(since: number): string {
  return `${new Date(since * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
