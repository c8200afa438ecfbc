import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@maas-ha/host';
import { defineAction, maintenance, type HookContext } from 'juju-ts-ops';
import { z } from 'zod';
import type { RackJuju } from './state.ts';

/** The file by which hooks know that this unit is paused. */
export function pauseMark({ stateDirectory }: Pick<HookContext, 'stateDirectory'>): string {
  return join(stateDirectory, 'paused');
}

/** What a paused unit's status says. */
export function pausedStatus(unit: string) {
  return maintenance(`paused: juju run ${unit} resume`);
}

export const actions = {
  pause: defineAction<RackJuju, object>(z.object({}), async (_params, { context, tools }) => {
    await mkdir(context.stateDirectory, { recursive: true });
    await writeFile(pauseMark(context), '');
    // systemd stops DHCP with it.
    await run(['systemctl', 'disable', '--quiet', '--now', 'maas-rackd.service']);
    await tools.statusSet(pausedStatus(context.unit));
    return { paused: 'true' };
  }),

  resume: defineAction<RackJuju, object>(z.object({}), async (_params, { context }) => {
    await rm(pauseMark(context), { force: true });
    await run(['systemctl', 'enable', '--quiet', '--now', 'maas-rackd.service']);
    return { paused: 'false' };
  }),
};
