import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HookContext } from './context.ts';

/** What a unit knows of its own removal. */
export interface Leaving {
  /** When it learnt of it. */
  readonly since: Date;
  /** Whether it learnt of it in this very hook. */
  readonly isNew: boolean;
}

/**
 * Whether this unit is being removed; `undefined` while it stays. Juju says so only in the hooks for the departure of
 * its relations, so the first of those leaves a mark for all hooks that follow.
 */
export async function leavingOf({ event, unit, stateDirectory }: HookContext): Promise<Leaving | undefined> {
  const mark = join(stateDirectory, 'leaving');
  try {
    return { since: (await stat(mark)).mtime, isNew: false };
  } catch {
    if (event.kind !== 'relation' || event.departingUnit !== unit) return undefined;
  }
  await writeFile(mark, '');
  return { since: new Date(), isNew: true };
}
