import { readFile, rm, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { HookContext } from './context.ts';
import { statusLine, type Status } from './status.ts';

type Place = Pick<HookContext, 'stateDirectory'>;

/** What is kept of hooks in which something failed. */
const Failed = z.object({
  /** What failed in the last one, a line each. */
  lines: z.array(z.string()),
  /** When the first hook of the row ended in which each failed, in seconds of this machine's uptime. */
  since: z.number(),
});

const NONE: z.infer<typeof Failed> = { lines: [], since: Infinity };

/** What failed in the last hook, beside what its plan said: a line each. */
export async function failedIn(context: Place): Promise<readonly string[]> {
  return (await kept(context)).lines;
}

/**
 * Keeps it for `show-status`: no plan says it, and `juju status` may have no room for all of it.
 * @returns for how long every hook has failed, in seconds
 */
export async function keepFailed(failed: readonly Status[], context: Place): Promise<number> {
  const file = fileOf(context);
  const now = uptime();
  const since = Math.min((await kept(context)).since, now);
  const isKept =
    failed.length > 0
      ? writeFile(file, JSON.stringify({ lines: failed.map(statusLine), since }))
      : rm(file, { force: true });
  // A disk that is full must not hide what failed.
  await isKept.catch(() => {});
  return now - since;
}

async function kept(context: Place): Promise<z.infer<typeof Failed>> {
  try {
    return Failed.parse(JSON.parse(await readFile(fileOf(context), 'utf8')));
  } catch {
    return NONE;
  }
}

function fileOf({ stateDirectory }: Place): string {
  return join(stateDirectory, 'failed.json');
}
