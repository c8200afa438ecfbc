import { z } from 'zod';
import { define } from '../command.ts';
import { machinesOf } from '../connect.ts';

export const machineCommands = {
  ssh: define(
    'ssh <unit|machine> [<command>...]',
    'Opens a shell on a machine, or runs a command there, as root.',
    {},
    { least: 1 },
    async ({ request }, _values, [place = '', ...words]) => {
      const { machine, model } = Place.parse(await request('place', { name: place }));
      const machines = await machinesOf(model);
      if (words.length > 0) return machines.attach(machine, ['/bin/bash', '-c', words.join(' ')]);
      // script(1) gives the shell a terminal of the machine's own.
      return machines.attach(
        machine,
        process.stdin.isTTY
          ? ['/usr/bin/script', '--quiet', '--return', '--command', '/bin/bash --login', '/dev/null']
          : ['/bin/bash', '-s'],
      );
    },
  ),

  'stop-machine': define(
    'stop-machine <machine>',
    'Pulls the plug of a machine (juju has no such command).',
    {},
    { least: 1, most: 1 },
    async ({ request }, _values, [machine]) => void (await request('stop-machine', { machine })),
  ),

  'start-machine': define(
    'start-machine <machine>',
    'Boots a machine that is down (juju has no such command).',
    {},
    { least: 1, most: 1 },
    async ({ request }, _values, [machine]) => void (await request('start-machine', { machine })),
  ),
};

const Place = z.object({ machine: z.string(), model: z.string() });
