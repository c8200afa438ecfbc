import type { Juju } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import type { options } from './options.ts';

export type RegionJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;
