import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Moment, momentNow, secondsBetween } from './clock.ts';
import type { HookContext } from './context.ts';
import { statusLine, type Status } from './status.ts';

type Place = Pick<HookContext, 'stateDirectory'>;

/** What is kept of hooks in which something failed. */
const Failed = z.object({
  /** What failed in the last one, a line each. */
  lines: z.array(z.string()),
  /** When the first hook of the row ended in which each failed. */
  since: Moment,
});

/** What failed in the last hook, beside what its plan said: a line each. */
export async function failedIn(context: Place): Promise<readonly string[]> {
  return (await kept(context))?.lines ?? [];
}

/**
 * Keeps it for `show-status`: no plan says it, and `juju status` may have no room for all of it.
 * @returns for how long every hook has failed, in seconds
 */
export async function keepFailed(failed: readonly Status[], context: Place): Promise<number> {
  const file = fileOf(context);
  // A disk that is full, or cannot be written to, must not hide what failed.
  if (failed.length === 0) {
    await rm(file, { force: true }).catch(() => {});
    return 0;
  }
  const now = await momentNow();
  const since = (await kept(context))?.since ?? now;
  await writeFile(file, JSON.stringify({ lines: failed.map(statusLine), since })).catch(() => {});
  return secondsBetween(since, now);
}

async function kept(context: Place): Promise<z.infer<typeof Failed> | undefined> {
  try {
    return Failed.parse(JSON.parse(await readFile(fileOf(context), 'utf8')));
  } catch {
    return undefined;
  }
}

function fileOf({ stateDirectory }: Place): string {
  return join(stateDirectory, 'failed.json');
}
