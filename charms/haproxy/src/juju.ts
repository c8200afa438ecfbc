import { json, type Juju } from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import type { options } from './options.ts';

/** What the unit keeps from one hook to the next. */
export const stored = {
  /** The options that count, as Juju has them: one that is wrong stays as it is here. */
  options: json(z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))),
};

export type HaproxyJuju = Juju<typeof charmcraft, typeof options, typeof endpoints, typeof stored>;
