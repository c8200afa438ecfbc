import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Moment, momentNow, secondsBetween } from './clock.ts';
import type { HookContext, Removal } from './context.ts';

/**
 * Whether this unit is being removed; `undefined` while it stays. Juju says so only in the hooks for the departure of
 * its relations, and where a peer relation is broken, so the first of those leaves a mark for all hooks that follow.
 */
export async function removalOf(
  { event, unit, stateDirectory }: HookContext,
  peers: Readonly<Record<string, unknown>>,
): Promise<Removal | undefined> {
  const mark = join(stateDirectory, 'removal');
  const now = await momentNow();
  const text = await readFile(mark, 'utf8').catch(() => undefined);
  if (text !== undefined) return { forSeconds: secondsBetween(momentIn(text) ?? now, now), isNew: false };
  if (event.kind !== 'relation') return undefined;
  const isPeerBroken = event.name === 'broken' && event.relation.endpoint in peers;
  if (event.departingUnit !== unit && !isPeerBroken) return undefined;
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
