import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { maintenance, type HookContext, type Status } from 'juju-ts-ops';

type Place = Pick<HookContext, 'stateDirectory'>;

/** The file by which hooks know that this unit is paused. */
export function pauseMark({ stateDirectory }: Place): string {
  return join(stateDirectory, 'paused');
}

/** Has the hooks to come leave this unit alone. */
export async function markPaused(place: Place): Promise<void> {
  await mkdir(place.stateDirectory, { recursive: true });
  await writeFile(pauseMark(place), '');
}

/** Has the hooks to come look after this unit again. */
export async function unmarkPaused(place: Place): Promise<void> {
  await rm(pauseMark(place), { force: true });
}

/** What a paused unit's status says. */
export function pausedStatus(unit: string): Status {
  return maintenance(`paused: juju run ${unit} resume`);
}
