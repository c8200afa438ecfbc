import { join } from 'node:path';
import { isOlder, readFileIfExists, replaceFile, type Resource } from 'juju-ts-host';
import { isAtLeast, UserError, type HookContext } from 'juju-ts-ops';
import { z } from 'zod';
import type { Installation, Role } from './installation.ts';
import { majorMinor } from './packages.ts';

const Readiness = z.object({ source: z.string(), version: z.string().optional(), asked: z.string() });
type Readiness = Readonly<z.infer<typeof Readiness>>;

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

/** What this unit is prepared for. */
export async function preparation(
  context: Pick<HookContext, 'stateDirectory'>,
  source: string,
  asked = '',
): Promise<Preparation> {
  const file = fileOf(context);
  const last = await readReadiness(file);
  const isCurrent = last?.source === source && last.asked === asked;
  return {
    source,
    asked,
    isKnownSource: last?.source === source,
    ...(isCurrent && last.version !== undefined && { version: last.version }),
    file,
  };
}

/** Has this unit look again for the newest MAAS of its source: a refresh of the charm does. */
export async function lookAgain(context: Pick<HookContext, 'stateDirectory'>): Promise<void> {
  const file = fileOf(context);
  const last = await readReadiness(file);
  if (last) await writeReadiness(file, { source: last.source, asked: last.asked });
}

function fileOf({ stateDirectory }: Pick<HookContext, 'stateDirectory'>): string {
  return join(stateDirectory, 'prepared');
}

async function readReadiness(file: string): Promise<Readiness | undefined> {
  const text = await readFileIfExists(file);
  return text === undefined ? undefined : Readiness.parse(JSON.parse(text));
}

async function writeReadiness(path: string, readiness: Readiness): Promise<void> {
  await replaceFile({ path, content: JSON.stringify(readiness), mode: 0o600 });
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
  await writeReadiness(file, { source, version: offered, asked });
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
