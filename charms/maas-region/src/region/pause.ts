import { installationHere, markPaused, pausedStatus, unmarkPaused } from '@maas-ha/maas';
import type { RegionJuju } from '../juju.ts';

/** Takes a region out of service until it is resumed: for work on its machine. Twice is harmless. */
export async function pauseRegion(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { context, tools } = juju;
  const maas = await installationHere('region', context);
  await markPaused(context);
  if (maas.isInstalled('region')) await maas.pauseRegion();
  await tools.statusSet(pausedStatus(context.unit));
  return { paused: 'true' };
}

/** Has a paused region come back; that is for the hooks, which know whether it may run. */
export async function resumeRegion({ context }: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const maas = await installationHere('region', context);
  await unmarkPaused(context);
  await maas.resumeRegion();
  return { paused: 'false' };
}
