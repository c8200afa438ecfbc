import type { HookContext, Options } from 'juju-ts-ops';
import type { Backup } from './backup/state.ts';
import type { Cluster } from './cluster/state.ts';
import type { Config } from './config/state.ts';
import type { Database } from './database/state.ts';
import type { Network } from './network/state.ts';
import type { options } from './options.ts';
import type { Racks } from './racks/state.ts';
import type { Region } from './region/state.ts';
import type { Tls } from './tls/state.ts';

/** What a database is asked for by, whatever else is known. */
export interface DatabaseRequest extends Pick<State, 'options'> {
  readonly database: Pick<Database, 'relations'>;
  readonly cluster: Pick<Cluster, 'schema'>;
}

/**
 * A machine with a MAAS that a person has installed. A region leaves it alone, and asks for its database all the same: MAAS'
 * data has to be in it before that MAAS is handed over.
 */
export interface HandMade {
  readonly handMade: DatabaseRequest;
}

/** What Juju and the machine say, and what the leader has asked MAAS and PostgreSQL. */
export interface State {
  /**
   * What Juju calls this hook: no other one is called so. It has a step done once in it, of which a databag alone says
   * that it is done: those are written when the hook ends, after all of its rounds.
   */
  readonly hook: string;
  readonly unit: string;
  readonly app: string;
  readonly model: HookContext['model'];
  readonly isLeader: boolean;
  /** Whether this unit is being removed. */
  readonly isBeingRemoved: boolean;
  /** Whether an earlier hook has taken this unit out of the balancers: Juju tells of that when a hook is over. */
  readonly isOutOfBalancers: boolean;
  readonly options: Options<typeof options>;
  readonly region: Region;
  readonly database: Database;
  readonly cluster: Cluster;
  readonly network: Network;
  readonly config: Config;
  readonly tls: Tls;
  readonly racks: Racks;
  readonly backup: Backup;
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
}
