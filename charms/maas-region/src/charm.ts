import { machine } from 'juju-ts-host';
import { lookAgain, removing } from '@maas-ha/maas';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { rememberLeft } from './cluster/read.ts';
import { follow } from './database/proxy/follow.ts';
import { PROGRAM } from './database/proxy/plan.ts';
import { isDatabaseProxyLeft } from './database/proxy/read.ts';
import { endpoints } from './endpoints.ts';
import { teardown, plan } from './plan.ts';
import { readForHook } from './read.ts';
import { options } from './options.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  on: {
    'upgrade-charm': (_event, { context }) => lookAgain(context),
    'rpc-relation-departed': (_event, juju) => rememberLeft(juju),
    'region-cluster-relation-departed': (_event, juju) => rememberLeft(juju),
  },
  read: readForHook,
  plan,
  teardown: ({ context }) =>
    removing('region', context, (maas, left) =>
      teardown(maas, {
        ...left,
        services: maas.regionServices(),
        hasDatabaseProxy: isDatabaseProxyLeft(),
        removalFor: context.removal?.forSeconds,
      }),
    ),
  machine,
  // A region waits up to a minute for another one to serve, and may take a minute and a half to start: twice that, and more.
  rolling: { endpoint: 'region-cluster', timeout: 600 },
  actions,
  programs: { [PROGRAM]: ([folder = '']) => follow(folder) },
  reconcileAfter: ['adopt', 'configure-dhcp-ha', 'restore-backup', 'resume', 'rotate-secret', 'upgrade'],
});
