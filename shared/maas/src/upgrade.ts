import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isOlder, readFileIfExists, replaceFile, type Resource } from '@maas-ha/host';
import { isAtLeast, UserError, type HookContext } from 'juju-ts-ops';
import { z } from 'zod';
import type { Installation, Role } from './installation.ts';
import { majorMinor } from './packages.ts';

const Readiness = z.object({ source: z.string(), version: z.string(), asked: z.string() });

/** What a controller could be upgraded to, and where that is looked for. */
export interface Preparation {
  readonly source: string;
  /** Changes each time that somebody asks to look again in the same source. */
  readonly asked: string;
  /** Whether the source has been looked at before, so that its package lists may be old. */
  readonly isKnownSource: boolean;
  /**
   * Version of the packages that could be installed at once: the one that is installed, or a newer one that has been
   * fetched. Absent: it has to be looked for.
   */
  readonly version?: string;
  /** Where it is kept. */
  readonly file: string;
}

/** What this unit is prepared for. A refresh of the charm has it look again. */
export async function preparation(
  { stateDirectory, event }: Pick<HookContext, 'stateDirectory' | 'event'>,
  source: string,
  asked = '',
): Promise<Preparation> {
  const file = join(stateDirectory, 'prepared');
  const text = await readFileIfExists(file);
  const last = text === undefined ? undefined : Readiness.parse(JSON.parse(text));
  const isRefresh = event.kind === 'lifecycle' && event.name === 'upgrade-charm';
  const isCurrent =
    last?.source === source && last.asked === asked && !(isRefresh && (await isFromEarlierHook(file)));
  return {
    source,
    asked,
    isKnownSource: last?.source === source,
    ...(isCurrent && { version: last.version }),
    file,
  };
}

/** Whether a file was written before this process began. */
async function isFromEarlierHook(file: string): Promise<boolean> {
  const began = Date.now() - process.uptime() * 1000;
  try {
    return (await stat(file)).mtimeMs < began;
  } catch {
    return false;
  }
}

/**
 * Looks for the newest MAAS that the source offers, and fetches its packages: what cannot be installed on this
 * machine is found out while the old MAAS still runs.
 */
export function preparing(maas: Installation, role: Role, prepared: Preparation): readonly Resource[] {
  return prepared.version === undefined
    ? [{ kind: 'step', id: 'prepare-upgrade', run: () => prepare(maas, role, prepared) }]
    : [];
}

/** @throws {UserError} where it is older than the one that runs: MAAS' database cannot be taken back */
async function prepare(
  maas: Installation,
  role: Role,
  { source, asked, isKnownSource, file }: Preparation,
): Promise<void> {
  if (isKnownSource) await maas.refreshOffers();
  const { version: installed, packages } = await maas.installed(role, source);
  const [first] = packages;
  const offered = await maas.offered(first, source);
  if (offered === undefined || installed === undefined)
    throw new UserError(`no source of this machine has the package ${first}: set source= to one that has`);
  if (await isOlder(offered, installed)) {
    const [to, from] = inWords(offered, installed);
    throw new UserError(
      `MAAS ${from} cannot go back to ${to}: set source= to one that has ${from} or a newer one`,
    );
  }
  if (offered === installed) await maas.follow(source);
  else await maas.fetch(packages, offered);
  await replaceFile({
    path: file,
    content: JSON.stringify({ source, version: offered, asked }),
    mode: 0o600,
  });
}

/** Two versions of the packages, as short as they can be told apart: `3.4` and `3.7`. */
export function inWords(one: string, other: string): readonly [string, string] {
  const short = [majorMinor(one), majorMinor(other)] as const;
  return short[0] === short[1] ? [one, other] : short;
}

/** The oldest PostgreSQL that a MAAS (`3.7`) works with. https://canonical.com/maas/docs (Installation requirements) */
export function oldestPostgresql(version: string): number {
  return isAtLeast(version, '3.5') ? 14 : 12;
}
