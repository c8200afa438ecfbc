import type { State } from './state.ts';

/** Who holds a virtual address, as far as this unit knows. */
export interface Owner {
  readonly vip: string;
  /** Absent while nobody says that it holds it. */
  readonly unit?: string;
  readonly isHere: boolean;
  /** Seconds since 1970. */
  readonly since?: number;
  /** Another unit that says it took the address later and still has it, while this one has it too. */
  readonly rival?: string;
}

/**
 * The holder of each wanted address. Whether it is this machine, its own addresses say. Of others that say so the
 * one that took it last counts: who was there before has died, or has not been able to tell.
 */
export function ownersOf({ options, unit, addresses, managed, running, peers }: State): readonly Owner[] {
  return options.vip.map(({ address: vip, family }): Owner => {
    const here = addresses.find(({ address }) => address === vip && managed.includes(vip));
    const local = here && running.get(`vip-${here.interface}-${family}`);
    const since = local?.state === 'MASTER' ? local.since : undefined;
    const [latest] = peers
      .flatMap((peer) => peer.instances.map((report) => ({ ...report, unit: peer.unit })))
      .filter(({ state, vips }) => state === 'MASTER' && vips.includes(vip))
      .sort((a, b) => b.since - a.since);
    if (here) {
      return {
        vip,
        unit,
        isHere: true,
        ...(since !== undefined && { since }),
        ...(since !== undefined && latest && latest.since > since && { rival: latest.unit }),
      };
    }
    return { vip, isHere: false, ...(latest && { unit: latest.unit, since: latest.since }) };
  });
}
