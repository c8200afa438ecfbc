import { installationHere, markPaused, pausedStatus, unmarkPaused } from '@maas-ha/maas';
import { defineAction } from 'juju-ts-ops';
import { z } from 'zod';
import type { RackJuju } from './state.ts';

export const actions = {
  pause: defineAction<RackJuju, object>(z.object({}), async (_params, { context, tools }) => {
    await markPaused(context);
    const maas = installationHere('rack');
    if (maas.isInstalled('rack')) await maas.pauseRack();
    await tools.statusSet(pausedStatus(context.unit));
    return { paused: 'true' };
  }),

  resume: defineAction<RackJuju, object>(z.object({}), async (_params, { context }) => {
    await unmarkPaused(context);
    const maas = installationHere('rack');
    if (maas.isInstalled('rack')) await maas.resumeRack();
    return { paused: 'false' };
  }),
};
