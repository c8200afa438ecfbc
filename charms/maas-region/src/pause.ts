import { hostname } from 'node:os';
import { run, tryRun } from '@maas-ha/host';
import { markPaused, pausedStatus, unmarkPaused } from '@maas-ha/maas';
import { awaitServing, installedServices, stopGracefully } from './regiond.ts';
import type { RegionJuju } from './state.ts';

/** Takes a region out of service until it is resumed: for work on its machine. Twice is harmless. */
export async function pauseRegion(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { context, tools } = juju;
  await markPaused(context);
  await stopGracefully();
  const units = installedServices().map((name) => `${name}.service`);
  await run(['systemctl', 'disable', '--quiet', '--now', ...units]);
  await tools.statusSet(pausedStatus(context.unit));
  return { paused: 'true' };
}

/** Brings a paused region back. Its status follows with the next hook. */
export async function resumeRegion({ context }: RegionJuju): Promise<Readonly<Record<string, string>>> {
  await unmarkPaused(context);
  const units = installedServices().map((name) => `${name}.service`);
  await run(['systemctl', 'enable', '--quiet', '--now', ...units]);
  // Where the web server is started by the file that regiond writes for it.
  await tryRun(['systemctl', 'start', 'maas-http.path']);
  await awaitServing(hostname());
  return { paused: 'false' };
}
