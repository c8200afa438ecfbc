import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HookContext } from './context.ts';
import { statusLine, type Status } from './status.ts';

type Place = Pick<HookContext, 'stateDirectory'>;

/** What failed in the last hook, beside what its plan said: a line each. */
export async function failedIn(context: Place): Promise<readonly string[]> {
  const text = await readFile(fileOf(context), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** Keeps it for `show-status`: no plan says it, and `juju status` may have no room for all of it. */
export async function keepFailed(failed: readonly Status[], context: Place): Promise<void> {
  const file = fileOf(context);
  const kept =
    failed.length > 0 ? writeFile(file, failed.map(statusLine).join('\n')) : rm(file, { force: true });
  // A disk that is full must not hide what failed.
  await kept.catch(() => {});
}

function fileOf({ stateDirectory }: Place): string {
  return join(stateDirectory, 'failed.txt');
}
