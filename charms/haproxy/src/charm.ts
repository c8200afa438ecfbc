import { machine, occupantOf } from 'juju-ts-host';
import { defineCharm } from 'juju-ts-ops';
import { actions } from './actions.ts';
import { charmcraft } from './charmcraft.ts';
import { endpoints } from './endpoints.ts';
import { certificateFiles } from './certificate.ts';
import { HAPROXY, isServing } from './haproxy.ts';
import { stored } from './juju.ts';
import { options } from './options.ts';
import { teardown, plan } from './plan.ts';
import { read } from './read.ts';

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  stored,
  read,
  plan,
  teardown: async ({ context: { unit, charmDirectory, removal } }) => {
    // What another looks after stays, also when this unit goes.
    if (await occupantOf(HAPROXY, { name: unit, home: charmDirectory })) return [];
    return teardown({
      isServing: await isServing(),
      files: await certificateFiles(),
      removalFor: removal?.forSeconds,
    });
  },
  machine,
  actions,
});
