import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HookContext } from './context.ts';
import { CharmBugError } from './errors.ts';
import type { Redacted } from './redacted.ts';

export type SecretContent = Readonly<Record<string, Redacted>>;

/** Where the values of secrets are, while Juju reads them. */
export function secretFolder(stateDirectory: string): string {
  return join(stateDirectory, 'secrets');
}

/**
 * Makes the unit's own folder one that only root may enter, and takes away the values of secrets that a killed hook has
 * left there. Nobody but root can have put anything into it: in `/tmp` anybody could have.
 */
export async function openStateDirectory({
  stateDirectory,
}: Pick<HookContext, 'stateDirectory'>): Promise<void> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  await chmod(stateDirectory, 0o700);
  await rm(secretFolder(stateDirectory), { recursive: true, force: true });
}

/** Hands secret values over in files that only root can read, and takes the files away again. */
export async function withSecretFiles<T>(
  place: string | undefined,
  content: SecretContent,
  use: (values: readonly string[]) => Promise<T>,
): Promise<T> {
  if (place === undefined) throw new CharmBugError('these tools have no folder for the values of a secret');
  await mkdir(place, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(place, 'of-'));
  try {
    const values = await Promise.all(
      Object.entries(content).map(async ([key, value]) => {
        const file = join(folder, key);
        await writeFile(file, value.reveal(), { mode: 0o600 });
        return `${key}#file=${file}`;
      }),
    );
    return await use(values);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
