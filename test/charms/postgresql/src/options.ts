import { defineOptions } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

export const options = defineOptions(charmcraft, {
  'experimental-max-connections': z.int().min(20, 'at least 20'),
  'plugin-btree-gin-enable': z.boolean(),
  'plugin-pgcrypto-enable': z.boolean(),
  'synchronous-node-count': z.string().regex(/^(all|majority|\d)$/, 'all, majority or a number'),
  tls: z.boolean(),
});
