import type { LocalMaas, Preparation } from '@maas-ha/maas';
import type { Redacted } from 'juju-ts-ops';

/** The region controller of this unit. */
export interface Region extends LocalMaas {
  /** What it could be upgraded to at once. */
  readonly preparation: Preparation;
  readonly services: readonly string[];
  readonly isServing: boolean;
  /** Whether it may not start, because it is being upgraded. */
  readonly isHeld: boolean;
  /** Files of MAAS that belong to another user, so that regiond cannot replace them: `maas-rack register`, for one, makes the secret as root. */
  readonly foreignFiles: readonly string[];
  /** What racks authenticate with; absent until regiond has written it. */
  readonly secret?: Redacted;
}
