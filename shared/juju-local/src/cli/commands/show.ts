import { setTimeout as sleep } from 'node:timers/promises';
import { CommandLineError } from '../../errors.ts';
import { seconds } from '../arguments.ts';
import { define } from '../command.ts';
import { FORMAT, print, unknownFormat } from '../format.ts';
import { FullStatus, statusFormats } from '../status.ts';
import { printOnce, viewer, watch } from '../watch.ts';

export const showCommands = {
  status: define(
    'status [<application|unit|machine>...] [--format tabular|json|yaml|summary|line] [--relations] [--watch seconds]',
    'Shows the model, or the applications and units that you name.',
    {
      ...FORMAT,
      relations: { type: 'boolean', default: false },
      integrations: { type: 'boolean', default: false },
      watch: { type: 'string' },
    },
    { least: 0 },
    async ({ request }, { format = 'tabular', relations, integrations, watch }, selectors) => {
      const show = statusFormats[format];
      if (!show) throw new CommandLineError(unknownFormat(format));
      for (;;) {
        const status = FullStatus.parse(await request('status', { selectors }));
        const text = show(status, relations || integrations);
        if (watch === undefined) {
          process.stdout.write(text);
          return;
        }
        process.stdout.write(`\u001B[H\u001B[2J${text}`);
        await sleep(seconds(watch) * 1000);
      }
    },
  ),

  'show-unit': define(
    'show-unit <unit>... [--format yaml|json]',
    'Shows units with the databags of their relations.',
    FORMAT,
    { least: 1 },
    async ({ request }, { format = 'yaml' }, names) => print(await request('show-unit', { names }), format),
  ),

  'show-application': define(
    'show-application <application>... [--format yaml|json]',
    'Shows applications with their endpoints.',
    FORMAT,
    { least: 1 },
    async ({ request }, { format = 'yaml' }, names) =>
      print(await request('show-application', { names }), format),
  ),

  watch: define(
    'watch [--once]',
    'Shows machines, units, who holds which address, and the last hooks, until q (juju has no such command).',
    { once: { type: 'boolean', default: false } },
    { least: 0, most: 0 },
    async ({ request }, { once }) => {
      const view = viewer(request);
      await (once || !process.stdout.isTTY ? printOnce(view) : watch(view));
    },
  ),
};
