import { machine, occupantOf } from '@maas-ha/host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { options } from './options.ts';
import { leave, plan } from './plan.ts';
import { DAEMON } from './render/keepalived-conf.ts';
import { ownerOf, read } from './state.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  read,
  plan,
  leave: async ({ context }) => leave(await occupantOf(DAEMON, ownerOf(context))),
  machine,
  actions,
});
