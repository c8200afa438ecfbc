import type { LocalMaas, Preparation } from '@maas-ha/maas';
import type { HookContext, Options, Redacted } from 'juju-ts-ops';
import type { options } from './options.ts';

/** What Juju and the machine say. */
export interface State extends LocalMaas {
  readonly options: Options<typeof options>;
  /** What this unit could be upgraded to at once. */
  readonly preparation: Preparation;
  /** The application of region controllers, and what it has told so far; absent where none is related. */
  readonly region?: {
    readonly app: string;
    readonly url?: string;
    readonly secret?: Redacted;
    /** The MAAS that the regions run: `3.7`. */
    readonly version?: string;
  };
  /** The relations over which regions learn what this rack is called. */
  readonly relations: readonly number[];
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
  readonly app: string;
  readonly model: HookContext['model'];
  /** Whether this unit is being removed. */
  readonly isBeingRemoved: boolean;
  readonly unit: string;
  /**
   * Whether MAAS knows this rack, which then may serve DHCP. Beside a region nobody can tell, and what interrupts the rack
   * comes with the region, in that one's turn.
   */
  readonly isRegistered: boolean;
  /** To how many regions this rack is connected. */
  readonly connected: number;
  /** How many regions MAAS lists; absent while it does not answer. */
  readonly regions?: number;
  /** The networks that have DHCP from this rack and from no other, as the regions tell. */
  readonly soleDhcp: readonly string[];
  /** Whether rackd has started before it had its secret. */
  readonly isSecretNewer: boolean;
  /** Whether a region controller is installed on the same machine: the two have their packages in common. */
  readonly hasRegion: boolean;
  /** Whether a region controller of the same machine keeps the secret in its file itself. */
  readonly sharesSecret: boolean;
}
