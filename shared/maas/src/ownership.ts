import { join } from 'node:path';
import { appliedHere, readFileIfExists, replaceFile, type Resource } from 'juju-ts-host';
import { UserError, type HookContext } from 'juju-ts-ops';
import { DEB, PACKAGES } from './deb.ts';
import { forgetIdentity, ROLES, type Installation, type Role } from './installation.ts';
import { hasForeignSnap, SNAP } from './snap.ts';

/** Whose a MAAS is: a charm has installed it or will, somebody has installed it by hand, or did and has handed it over. */
export type Ownership = 'charm' | 'person' | 'adopted';

type Place = Pick<HookContext, 'stateDirectory'>;

/** Where a machine says which of its controllers charms look after. It stays where a unit is removed by force. */
const MARKS = '/var/lib/maas-ha';

/** Under which an earlier hook has forgotten another identity; revisions that leave no mark do it as well. */
const FORGET_IDENTITY = 'forget-identity';

/**
 * Whose the MAAS of this machine is, for a unit of one kind. What a person has installed nobody touches before it is handed
 * over: it has an identity, and perhaps machines that depend on it. Beside a controller of a charm one that a person
 * installs later changes nothing.
 */
export async function ownershipOf(role: Role, place: Place): Promise<Ownership> {
  const mark = await readFileIfExists(markPath(role));
  if (mark !== undefined) return mark.trim() === 'adopted' ? 'adopted' : 'charm';
  if (hasForeignSnap()) return 'person';
  // A revision without marks has installed it, or has begun to.
  const { steps, packages } = await appliedHere(place);
  if (FORGET_IDENTITY in steps || packages.includes(PACKAGES[role])) return 'charm';
  for (const one of ROLES)
    if (DEB.isInstalled(one) && (await readFileIfExists(markPath(one))) === undefined) return 'person';
  return 'charm';
}

/** What a unit says, and its actions, while MAAS is a person's. */
export function handMade(): UserError {
  return new UserError('MAAS was installed here by hand: run the action adopt to keep it, or remove it');
}

/** Has MAAS installed, once, and not yet known to any MAAS; one that was handed over stays as it is. */
export function installing(
  maas: Installation,
  role: Role,
  { source, tools, isAdopted }: { source: string; tools: readonly string[]; isAdopted: boolean },
): readonly Resource[] {
  return [
    // Before the packages: whatever dies in between, they are the charm's.
    ...(isAdopted
      ? []
      : [{ kind: 'file', path: markPath(role), content: 'installed\n', mode: 0o644 } as const]),
    ...maas.install(role, source, tools),
    ...(isAdopted
      ? []
      : [{ kind: 'step', id: FORGET_IDENTITY, inputs: {}, run: () => forgetIdentity(maas, role) } as const]),
  ];
}

/** That no charm looks after a kind of controller any more. */
export function unmarked(role: Role): Resource {
  return { kind: 'absent-file', path: markPath(role) };
}

/**
 * Takes over the MAAS that a person has installed: its identity and its configuration stay.
 * @param wanted as the option `source` says it is installed
 * @throws {UserError} where there is none, or it is installed in another way
 */
export async function adopt(role: Role, wanted: Installation, place: Place): Promise<void> {
  if ((await ownershipOf(role, place)) !== 'person')
    throw new UserError('nothing to adopt: this machine has no MAAS that was installed by hand');
  const here = hasForeignSnap() ? SNAP : DEB;
  if (here !== wanted)
    throw new UserError(
      `this machine has ${here.name}: set source= to where it comes from, and run adopt again`,
    );
  await here.adopt(role);
  await replaceFile({ path: markPath(role), content: 'adopted\n', mode: 0o644 });
}

function markPath(role: Role): string {
  return join(MARKS, role);
}
