import { machine } from '@maas-ha/host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { isServing } from './haproxy.ts';
import { leave, plan } from './plan.ts';
import { options, read } from './state.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  read,
  plan,
  leave: async ({ context }) => leave(await isServing(), context.leaving?.forSeconds),
  machine,
  actions,
});
