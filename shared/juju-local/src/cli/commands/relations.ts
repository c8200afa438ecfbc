import { count } from '../arguments.ts';
import { define, type Command } from '../command.ts';

export const relationCommands = {
  integrate: relate('integrate'),
  relate: relate('relate'),
  'add-relation': relate('add-relation'),

  'remove-relation': define(
    'remove-relation <application>[:<endpoint>] <application>[:<endpoint>] | <relation id>',
    'Removes a relation.',
    {},
    { least: 1, most: 2 },
    async ({ request }, _values, [first = '', second]) => {
      if (second !== undefined) await request('remove-relation', { first, second });
      else await request('remove-relation', { id: count(first) });
    },
  ),
};

function relate(name: string): Command {
  return define(
    `${name} <application>[:<endpoint>] <application>[:<endpoint>]`,
    'Relates two applications.',
    {},
    { least: 2, most: 2 },
    async ({ request }, _values, [first, second]) => void (await request('integrate', { first, second })),
  );
}
