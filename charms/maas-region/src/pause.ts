import { hostname } from 'node:os';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, tryRun } from '@maas-ha/host';
import { maintenance, type HookContext } from 'juju-ts-ops';
import { awaitServing, installedServices, stopGracefully } from './regiond.ts';
import type { RegionJuju } from './state.ts';

/** The file by which hooks know that this unit is paused. */
export function pauseMark({ stateDirectory }: Pick<HookContext, 'stateDirectory'>): string {
  return join(stateDirectory, 'paused');
}

/** What a paused unit's status says. */
export function pausedStatus(unit: string) {
  return maintenance(`paused: juju run ${unit} resume`);
}

/** Takes a region out of service until it is resumed: for work on its machine. Twice is harmless. */
export async function pauseRegion(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { context, tools } = juju;
  await mkdir(context.stateDirectory, { recursive: true });
  await writeFile(pauseMark(context), '');
  await stopGracefully();
  const units = installedServices().map((name) => `${name}.service`);
  await run(['systemctl', 'disable', '--quiet', '--now', ...units]);
  await tools.statusSet(pausedStatus(context.unit));
  return { paused: 'true' };
}

/** Brings a paused region back. Its status follows with the next hook. */
export async function resumeRegion({ context }: RegionJuju): Promise<Readonly<Record<string, string>>> {
  await rm(pauseMark(context), { force: true });
  const units = installedServices().map((name) => `${name}.service`);
  await run(['systemctl', 'enable', '--quiet', '--now', ...units]);
  // Where the web server is started by the file that regiond writes for it.
  await tryRun(['systemctl', 'start', 'maas-http.path']);
  await awaitServing(hostname());
  return { paused: 'false' };
}
