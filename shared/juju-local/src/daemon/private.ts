import { chmod, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Makes a model's folder, or mends one that is open: nobody but root looks into it, because the model has the secrets of
 * all charms and the log may have what a charm has printed.
 */
export async function keepPrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const folder of [dirname(directory), directory]) await chmod(folder, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isFile()) await chmod(join(directory, entry.name), 0o600);
}
