import { machine } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { endpoints, options } from './endpoints.ts';
import { plan, teardown } from './plan.ts';
import { read } from './read.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  machine,
  read,
  plan,
  teardown: async () => teardown(),
  actions: {},
});
