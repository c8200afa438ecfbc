import { run } from '@maas-ha/host';
import { markPaused, pausedStatus, unmarkPaused } from '@maas-ha/maas';
import { defineAction } from 'juju-ts-ops';
import { z } from 'zod';
import type { RackJuju } from './state.ts';

export const actions = {
  pause: defineAction<RackJuju, object>(z.object({}), async (_params, { context, tools }) => {
    await markPaused(context);
    // systemd stops DHCP with it.
    await run(['systemctl', 'disable', '--quiet', '--now', 'maas-rackd.service']);
    await tools.statusSet(pausedStatus(context.unit));
    return { paused: 'true' };
  }),

  resume: defineAction<RackJuju, object>(z.object({}), async (_params, { context }) => {
    await unmarkPaused(context);
    await run(['systemctl', 'enable', '--quiet', '--now', 'maas-rackd.service']);
    return { paused: 'false' };
  }),
};
