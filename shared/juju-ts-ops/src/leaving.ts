import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Moment, momentNow, secondsBetween } from './clock.ts';
import type { HookContext } from './context.ts';

/** What a unit knows of its own removal. */
export interface Leaving {
  /** How long it has known of it when this hook began, at least, in seconds: whatever becomes of the machine's clock. */
  readonly forSeconds: number;
  /** Whether it learnt of it in this very hook. */
  readonly isNew: boolean;
}

/**
 * Whether this unit is being removed; `undefined` while it stays. Juju says so only in the hooks for the departure of
 * its relations, so the first of those leaves a mark for all hooks that follow.
 */
export async function leavingOf({ event, unit, stateDirectory }: HookContext): Promise<Leaving | undefined> {
  const mark = join(stateDirectory, 'leaving');
  const now = await momentNow();
  const text = await readFile(mark, 'utf8').catch(() => undefined);
  if (text !== undefined) return { forSeconds: secondsBetween(momentIn(text) ?? now, now), isNew: false };
  if (event.kind !== 'relation' || event.departingUnit !== unit) return undefined;
  await writeFile(mark, JSON.stringify(now));
  return { forSeconds: 0, isNew: true };
}

/** Nothing where the mark is empty: it was being written when the machine stopped, or another revision of the charm made it. */
function momentIn(text: string): Moment | undefined {
  try {
    return Moment.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
