import { machine } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { options } from './options.ts';
import { plan, teardown } from './plan.ts';
import { read } from './read.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  read,
  plan,
  teardown: () => Promise.resolve(teardown()),
  machine,
  actions,
  reconcileAfter: ['rotate-passwords'],
});
