import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readFileIfExists } from './files.ts';
import type { FileResource } from './resources.ts';
import { tryRun } from './run.ts';

/** A daemon that a machine has only once, with one configuration. */
export interface SoleDaemon {
  /** The Debian package. */
  readonly package: string;
  /** Path of the main configuration file. */
  readonly config: string;
  /** What the first line of that file begins with if one of your programs has written it. */
  readonly signature: string;
}

/** A program that manages a daemon. */
export interface Owner {
  /** For people: `keepalived-vip/0`. */
  readonly name: string;
  /** A folder that exists as long as the owner does: a mark without it is ignored. */
  readonly home: string;
}

/** Who already manages a daemon: another program, which has left its mark, or a person, who wrote the configuration. */
export type Occupant =
  { readonly kind: 'program'; readonly name: string } | { readonly kind: 'person'; readonly config: string };

const Mark = z.object({ name: z.string(), home: z.string() });

/**
 * Returns who else manages a daemon of this machine. If there is someone, leave the daemon, its package and its files
 * alone, even when your program is removed. If not, write {@link markOf} before any other file, and delete it after
 * all others. Programs must not call this at the same time; the hooks of a machine do not.
 * @param self the caller, whose own mark is ignored
 */
export async function occupantOf(daemon: SoleDaemon, self: Owner): Promise<Occupant | undefined> {
  const owner = ownerIn(await readFileIfExists(markPath(daemon)));
  if (owner && owner.name === self.name) return undefined;
  if (owner && existsSync(owner.home)) return { kind: 'program', name: owner.name };
  const text = await readFileIfExists(daemon.config);
  if (text === undefined || text.trim() === '' || text.startsWith(daemon.signature)) return undefined;
  return (await isOfPackage(daemon, text)) ? undefined : { kind: 'person', config: daemon.config };
}

/** The file that marks the owner of a daemon. */
export function markOf(daemon: SoleDaemon, { name, home }: Owner): FileResource {
  return {
    kind: 'file',
    path: markPath(daemon),
    content: `${JSON.stringify({ name, home })}\n`,
    mode: 0o644,
  };
}

/** Path of the mark: beside the configuration, so that a purge of the package removes it. */
export function markPath({ config }: SoleDaemon): string {
  return join(dirname(config), '.owner');
}

function ownerIn(text: string | undefined): Owner | undefined {
  if (text === undefined) return undefined;
  try {
    return Mark.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Whether a configuration is as the package brought it. */
async function isOfPackage({ package: name, config }: SoleDaemon, text: string): Promise<boolean> {
  const { stdout } = await tryRun(['dpkg-query', '--show', '--showformat=${Conffiles}', name]);
  const [, sum] =
    stdout
      .split('\n')
      .map((line) => line.trim().split(' '))
      .find(([path]) => path === config) ?? [];
  return sum === createHash('md5').update(text).digest('hex');
}
