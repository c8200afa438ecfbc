import { machine, occupantOf } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { options } from './options.ts';
import { teardown } from './machine.ts';
import { plan } from './plan.ts';
import { DAEMON } from './render/keepalived-conf.ts';
import { ownerOf, read } from './read.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  read,
  plan,
  teardown: async ({ context }) => teardown(await occupantOf(DAEMON, ownerOf(context))),
  machine,
  actions,
});
