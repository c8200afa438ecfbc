import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readFileIfExists } from './files.ts';
import type { FileResource } from './resources.ts';
import { tryRun } from './run.ts';

/** A daemon of which a machine has one, with one configuration. */
export interface SoleDaemon {
  /** The Debian package. */
  readonly package: string;
  /** Path of the main configuration file. */
  readonly config: string;
  /** What the first line of that file begins with where a program of ours has written it. */
  readonly signature: string;
}

/** A program that looks after a daemon. */
export interface Owner {
  /** For people: `keepalived-vip/0`. */
  readonly name: string;
  /** A folder that is there as long as the owner is: a mark that outlives its owner counts for nothing. */
  readonly home: string;
}

/** Who looks after a daemon already: another program, which has left its mark, or a person, who wrote the file. */
export type Occupant =
  { readonly kind: 'program'; readonly name: string } | { readonly kind: 'person'; readonly config: string };

const Mark = z.object({ name: z.string(), home: z.string() });

/**
 * Who else looks after a daemon of this machine. Whoever finds somebody leaves the daemon, its package and its files as
 * they are, also when it goes itself; whoever finds nobody puts {@link markOf} down before any other file, and takes it
 * away after all others. Programs that ask at the same time have to take turns, as the hooks of a machine do.
 * @param self who asks: what it has marked itself is no obstacle
 */
export async function occupantOf(daemon: SoleDaemon, self: Owner): Promise<Occupant | undefined> {
  const owner = ownerIn(await readFileIfExists(markPath(daemon)));
  if (owner && owner.name === self.name) return undefined;
  if (owner && existsSync(owner.home)) return { kind: 'program', name: owner.name };
  const text = await readFileIfExists(daemon.config);
  if (text === undefined || text.trim() === '' || text.startsWith(daemon.signature)) return undefined;
  return (await isOfPackage(daemon, text)) ? undefined : { kind: 'person', config: daemon.config };
}

/** The file that says whose the daemon is. */
export function markOf(daemon: SoleDaemon, { name, home }: Owner): FileResource {
  return {
    kind: 'file',
    path: markPath(daemon),
    content: `${JSON.stringify({ name, home })}\n`,
    mode: 0o644,
  };
}

/** Beside the configuration, so that a purge of the package takes it along. */
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
