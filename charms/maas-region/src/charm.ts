import { machine } from '@maas-ha/host';
import { installationHere, lookAgain } from '@maas-ha/maas';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { follow } from './database-proxy/follow.ts';
import { PROGRAM } from './database-proxy/plan.ts';
import { isDatabaseProxyLeft } from './database-proxy/state.ts';
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
    const maas = installationHere('region');
    return Promise.resolve(
      leave(maas, maas.regionServices(), maas.isInstalled('rack'), isDatabaseProxyLeft()),
    );
  },
  machine,
  // A region waits up to a minute for another one to serve, and may take a minute and a half to start: twice that, and more.
  turns: { endpoint: 'region-cluster', patience: 600 },
  actions,
  programs: { [PROGRAM]: ([folder = '']) => follow(folder) },
  walkAfter: ['configure-dhcp-ha', 'restore-backup', 'resume', 'rotate-secret', 'upgrade'],
});
