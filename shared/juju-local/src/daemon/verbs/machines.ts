import { z } from 'zod';
import { UsageError } from '../../errors.ts';
import { heldAddresses } from '../../machines/held.ts';
import { unitOrLeader, verb } from '../verb.ts';

export const machineVerbs = {
  place: verb(z.object({ name: z.string() }), ({ model }, { name }) => {
    const machine = model.machine(name.includes('/') ? unitOrLeader(model, name).machine : name);
    if (machine.state !== 'started') throw new UsageError(`machine ${machine.id} is ${machine.state}`);
    return { machine: machine.id, model: model.settings.name };
  }),

  addresses: verb(z.unknown(), ({ machines }) => heldAddresses(machines)),

  'stop-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOff(machine),
  ),
  'start-machine': verb(z.object({ machine: z.string() }), ({ scheduler }, { machine }) =>
    scheduler.powerOn(machine),
  ),
};
