import { defineOptions } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

export const options = defineOptions(charmcraft, { source: z.string(), debug: z.boolean() });
