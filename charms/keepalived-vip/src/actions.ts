import { setTimeout as sleep } from 'node:timers/promises';
import { addresses, run } from 'juju-ts-host';
import { UserError } from 'juju-ts-ops';
import { ownersOf } from './owners.ts';
import type { KeepalivedJuju } from './juju.ts';
import { read } from './read.ts';

export const actions = {
  'show-owner': async (_params: object, juju: KeepalivedJuju) => {
    const lines = ownersOf(await read(juju)).map(({ vip, unit, since }) =>
      [vip, unit ?? 'nobody', ...(since === undefined ? [] : [new Date(since * 1000).toISOString()])].join(
        ' ',
      ),
    );
    return { owners: lines.join('\n') };
  },

  'release-vip': async (_params: object, juju: KeepalivedJuju) => {
    const state = await read(juju);
    if (state.occupant) throw new UserError('keepalived on this machine is not of this unit');
    const held = ownersOf(state)
      .filter(({ isHere }) => isHere)
      .map(({ vip }) => vip);
    if (held.length === 0) throw new UserError(`${state.unit} holds no virtual address`);
    const canTake = state.peers.some(({ instances }) =>
      instances.some((report) => report.state === 'BACKUP'),
    );
    if (!canTake) throw new UserError('no other unit is ready to take the addresses');
    if (state.options.preempt)
      throw new UserError(
        'the unit of the highest priority takes them back at once: set preempt=false first',
      );
    // As it ends it says so, and another takes over without waiting; it begins again as a backup.
    await run(['systemctl', 'restart', 'keepalived.service']);
    await sleep(1000 + 4000 * Math.min(state.options['advert-interval'], 1));
    const kept = held.filter((vip) => addresses().some(({ address }) => address === vip));
    if (kept.length > 0) throw new UserError(`nobody took ${kept.join(', ')}, so this unit has it again`);
    return { released: held.join(' ') };
  },
};
