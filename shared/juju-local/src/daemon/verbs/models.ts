import { z } from 'zod';
import { UsageError } from '../../errors.ts';
import { verb } from '../verb.ts';

export const modelVerbs = {
  ping: verb(z.unknown(), () => true),

  'model-config': verb(
    z.object({ values: z.record(z.string(), z.string()) }),
    async ({ model, machines }, { values }) => {
      for (const [key, value] of Object.entries(values)) checkModelOption(key, value);
      Object.assign(model.settings.config, values);
      return { ...model.settings.config, subnet: await machines.subnet() };
    },
  ),

  destroy: verb(z.unknown(), async ({ scheduler, machines }) => {
    scheduler.stop();
    // What is being made meanwhile may be in its way: a disk is mounted in a folder that is about to go.
    await machines.destroy().catch(() => undefined);
    // That has noticed by now; its leftovers go too.
    await scheduler.settled();
    await machines.destroy();
  }),
};

/** What `model-config` takes, and what a value of each looks like. */
const MODEL_OPTIONS: Readonly<Record<string, { readonly pattern: RegExp; readonly example: string }>> = {
  'update-status-hook-interval': { pattern: /^\d+[smh]$/, example: '5m' },
  'automatically-retry-hooks': { pattern: /^(true|false)$/, example: 'false' },
  'machine-mounts': { pattern: /^$|^\/[^:,]*(:\/[^:,]*)?(,\/[^:,]*(:\/[^:,]*)?)*$/, example: '/srv:/srv' },
  'machine-packages': {
    pattern: /^$|^[a-z0-9][a-z0-9.+-]*(,[a-z0-9][a-z0-9.+-]*)*$/,
    example: 'python3,perl',
  },
};

/** @throws {UsageError} */
function checkModelOption(key: string, value: string): void {
  const option = MODEL_OPTIONS[key];
  if (!option)
    throw new UsageError(`unknown model option "${key}": there are ${Object.keys(MODEL_OPTIONS).join(', ')}`);
  if (!option.pattern.test(value))
    throw new UsageError(`${key} looks like ${option.example}, not "${value}"`);
}
