import { machine } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { plan } from './plan.ts';
import { options, read } from './state.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  read,
  plan,
  machine,
  actions: {},
});
