import { CommandLineError } from '../../errors.ts';
import { define } from '../command.ts';

const FORCE = {
  force: { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  'no-prompt': { type: 'boolean' },
} as const;

/** @throws {CommandLineError} */
function isForced(values: { readonly force: boolean; readonly 'no-wait': boolean }): boolean {
  if (values['no-wait'] && !values.force) throw new CommandLineError('--no-wait without --force not valid');
  return values.force;
}

export const removalCommands = {
  'remove-unit': define(
    'remove-unit <unit>... [--force [--no-wait]]',
    'Removes units; --force for a unit whose machine is gone.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-unit', { names, force: isForced(values) })),
  ),

  'remove-machine': define(
    'remove-machine <machine>... [--force [--no-wait]]',
    'Removes machines; --force with all units on them, without running their hooks.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-machine', { names, force: isForced(values) })),
  ),

  'remove-application': define(
    'remove-application <application>... [--force [--no-wait]]',
    'Removes applications with all their units.',
    FORCE,
    { least: 1 },
    async ({ request }, values, names) =>
      void (await request('remove-application', {
        names,
        force: isForced(values),
        noWait: values['no-wait'],
      })),
  ),
};
