import { installationHere, markPaused, pausedStatus, unmarkPaused } from '@maas-ha/maas';
import type { RegionJuju } from './state.ts';

/** Takes a region out of service until it is resumed: for work on its machine. Twice is harmless. */
export async function pauseRegion(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { context, tools } = juju;
  await markPaused(context);
  const maas = installationHere('region');
  if (maas.isInstalled('region')) await maas.pauseRegion();
  await tools.statusSet(pausedStatus(context.unit));
  return { paused: 'true' };
}

/** Has a paused region come back; that is for the hooks, which know whether it may run. */
export async function resumeRegion({ context }: RegionJuju): Promise<Readonly<Record<string, string>>> {
  await unmarkPaused(context);
  await installationHere('region').resumeRegion();
  return { paused: 'false' };
}
