// What the charms say in `juju status`, from the statuses.yaml beside each: the reference prints it, and tests hold it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatusLevel } from 'juju-ts-ops';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
const LEVELS = ['blocked', 'waiting', 'maintenance', 'active'] as const;
const File = z.partialRecord(z.enum(LEVELS), z.record(z.string(), z.string()));

/** One thing that a charm says. */
export interface KnownStatus {
  readonly level: StatusLevel;
  /** With `<…>` for what differs. */
  readonly says: string;
  /** What it means, and what to do. */
  readonly means: string;
}

/** Everything that a charm says, the worst first. */
export async function knownStatuses(charm: string): Promise<readonly KnownStatus[]> {
  const folders = [`charms/${charm}`, ...(charm.startsWith('maas-') ? ['shared/maas'] : [])];
  const files = await Promise.all(
    folders.map(async (folder) =>
      File.parse(parse(await readFile(join(ROOT, folder, 'statuses.yaml'), 'utf8'))),
    ),
  );
  return LEVELS.flatMap((level) =>
    files.flatMap((file) =>
      Object.entries(file[level] ?? {}).map(([says, means]) => ({ level, says, means })),
    ),
  );
}

/** What stands between the placeholders. */
export function literalsOf(says: string): readonly string[] {
  return says.split(/<[^>]+>/);
}

/** Whether a message of `juju status` is one of these, with others behind it as notes. */
export function isKnown(message: string, level: string, known: readonly KnownStatus[]): boolean {
  const parts = message.replace(/; \d+ more: show-status$/, '').split('; ');
  const matches = (text: string, among: readonly KnownStatus[]): boolean =>
    among.some(({ says }) => patternOf(says).test(text));
  const own = known.filter((one) => one.level === level);
  return parts.some(
    (_part, index) =>
      matches(parts.slice(0, index + 1).join('; '), own) &&
      parts.slice(index + 1).every((note) => matches(note, known)),
  );
}

function patternOf(says: string): RegExp {
  return new RegExp(
    `^${literalsOf(says)
      .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      .join('.+')}$`,
  );
}
