import { parseSource } from '@maas-ha/host';
import { UserError } from 'juju-ts-ops';
import { DEB } from './deb.ts';
import type { Installation, Role } from './installation.ts';
import { hasForeignSnap, SNAP } from './snap.ts';

/**
 * How a source has MAAS installed.
 * @throws {UserError} where this machine has it in the other way already: neither takes the place of the other
 */
export function chooseInstallation(source: string): Installation {
  const [wanted, other] = parseSource(source).kind === 'snap' ? [SNAP, DEB] : [DEB, SNAP];
  if (other.isInstalled('region') || other.isInstalled('rack'))
    throw new UserError(
      `this machine has ${other.name}, and ${wanted.name} cannot take its place: set source= back, and deploy another application for the other kind`,
    );
  if (wanted === SNAP && hasForeignSnap())
    throw new UserError(
      "this machine has a MAAS from the snap store that is not this charm's: use another machine, or sudo snap remove maas",
    );
  return wanted;
}

/** How a kind of controller is installed on this machine, whatever the option says now. */
export function installationHere(role: Role): Installation {
  return SNAP.isInstalled(role) ? SNAP : DEB;
}
