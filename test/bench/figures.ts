import { mkdir, open, readFile, chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';

/** One figure, beside what it is compared with in the same run. */
export interface Figure {
  readonly what: string;
  readonly ours: string;
  readonly theirs?: string;
  readonly ratio?: number;
  /** The ratio that it should not exceed. */
  readonly goal?: number;
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

export const DIST = join(import.meta.dirname, '../../dist');

/**
 * Juju's agent writes a charm's files in pieces of this size, as Go copies. The kernel keeps them in pieces as large as they were written, and counts
 * whole pieces as the memory of a program.
 */
const PIECE = 32 * 1024;

/** Unpacks a built charm as Juju does, and returns the folder. */
export async function unpacked(charm: string, folder: string): Promise<string> {
  const files = unzipSync(await readFile(join(DIST, `${charm}.charm`)));
  for (const [name, content] of Object.entries(files)) {
    const target = join(folder, name);
    await mkdir(dirname(target), { recursive: true });
    await using file = await open(target, 'w');
    for (let at = 0; at < content.length; at += PIECE) await file.write(content.subarray(at, at + PIECE));
  }
  await chmod(join(folder, 'dispatch'), 0o755);
  return folder;
}
