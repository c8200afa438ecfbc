import { osRelease, parseSource, type Resource } from 'juju-ts-host';
import { UserError, type HookContext } from 'juju-ts-ops';
import { DEB } from './deb.ts';
import type { Installation, Left, Role } from './installation.ts';
import { handMade, ownershipOf, unmarked } from './ownership.ts';
import { maasSource } from './packages.ts';
import { hasForeignSnap, SNAP } from './snap.ts';

type Place = Pick<HookContext, 'stateDirectory'>;

/** What a unit has to do with. */
export interface Choice {
  /** Where MAAS comes from, also where the option leaves it open. */
  readonly source: string;
  readonly maas: Installation;
  /** Whether a person has installed it and handed it over. */
  readonly isAdopted: boolean;
}

/**
 * How the option `source` has MAAS installed.
 * @throws {UserError} where this machine has one that a person has installed, or has it in the other way already: neither
 * takes the place of the other
 */
export async function chooseInstallation(option: string, role: Role, place: Place): Promise<Choice> {
  const { source, maas: wanted } = await wantedInstallation(option);
  const ownership = await ownershipOf(role, place);
  if (ownership === 'person' || (wanted === SNAP && hasForeignSnap())) throw handMade();
  const other = wanted === SNAP ? DEB : SNAP;
  if (other.isInstalled('region') || other.isInstalled('rack'))
    throw new UserError([
      `this machine has ${other.name}, not ${wanted.name}: set source= back`,
      'or deploy another application for the other kind',
    ]);
  return { source, maas: wanted, isAdopted: ownership === 'adopted' };
}

/** How the option `source` has MAAS installed, whatever is here. */
export async function wantedInstallation(option: string): Promise<Pick<Choice, 'source' | 'maas'>> {
  const source = maasSource(option, await osRelease());
  return { source, maas: parseSource(source).kind === 'snap' ? SNAP : DEB };
}

/**
 * The MAAS of this machine that a unit may work with, whatever the option says now.
 * @throws {UserError} where a person has installed it
 */
export async function installationHere(role: Role, place: Place): Promise<Installation> {
  if ((await ownershipOf(role, place)) === 'person') throw handMade();
  return installedHere(role);
}

function installedHere(role: Role): Installation {
  return SNAP.isInstalled(role) ? SNAP : DEB;
}

/** What a unit that goes takes away: nothing where the MAAS of this machine is a person's. */
export async function removing(
  role: Role,
  place: Place,
  remove: (maas: Installation, left: Left) => readonly Resource[],
): Promise<readonly Resource[]> {
  const ownership = await ownershipOf(role, place);
  if (ownership === 'person') return [];
  const maas = installedHere(role);
  const hasOther = maas.isInstalled(role === 'region' ? 'rack' : 'region');
  return [...remove(maas, { hasOther, isAdopted: ownership === 'adopted' }), unmarked(role)];
}
