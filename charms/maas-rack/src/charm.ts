import { machine } from '@maas-ha/host';
import { installationHere, lookAgain } from '@maas-ha/maas';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { leave, plan } from './plan.ts';
import { options, read } from './state.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  on: { 'upgrade-charm': (_event, { context }) => lookAgain(context) },
  read,
  plan,
  leave: () => {
    const maas = installationHere('rack');
    return Promise.resolve(leave(maas, maas.isInstalled('region')));
  },
  machine,
  // Packages that have been fetched are installed within two minutes, and half a minute is for a region to take it in again.
  turns: { endpoint: 'rack-cluster', patience: 600 },
  actions,
});
