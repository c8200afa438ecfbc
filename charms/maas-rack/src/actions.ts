import {
  adopt,
  installationHere,
  markPaused,
  pausedStatus,
  unmarkPaused,
  wantedInstallation,
} from '@maas-ha/maas';
import { defineAction } from 'juju-ts-ops';
import { z } from 'zod';
import type { RackJuju } from './juju.ts';

export const actions = {
  adopt: defineAction<RackJuju, object>(z.object({}), async (_params, juju) => {
    const { source } = await juju.options();
    const { maas } = await wantedInstallation(source);
    await adopt('rack', maas, juju.context);
    return { adopted: 'true' };
  }),

  pause: defineAction<RackJuju, object>(z.object({}), async (_params, { context, tools }) => {
    const maas = await installationHere('rack', context);
    await markPaused(context);
    if (maas.isInstalled('rack')) await maas.pauseRack();
    await tools.statusSet(pausedStatus(context.unit));
    return { paused: 'true' };
  }),

  resume: defineAction<RackJuju, object>(z.object({}), async (_params, { context }) => {
    const maas = await installationHere('rack', context);
    await unmarkPaused(context);
    if (maas.isInstalled('rack')) await maas.resumeRack();
    return { paused: 'false' };
  }),
};
