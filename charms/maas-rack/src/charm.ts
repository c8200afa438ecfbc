import { lookAgain, removing } from '@maas-ha/maas';
import { machine } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { teardown, plan } from './plan.ts';
import { read } from './read.ts';
import { options } from './options.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  on: { 'upgrade-charm': (_event, { context }) => lookAgain(context) },
  read,
  plan,
  teardown: ({ context }) => removing('rack', context, teardown),
  machine,
  // Packages that have been fetched are installed within two minutes, and half a minute is for a region to take it in again.
  rolling: { endpoint: 'rack-cluster', timeout: 600 },
  actions,
  reconcileAfter: ['adopt'],
});
