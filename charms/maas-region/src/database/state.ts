import type { DatabaseState } from 'juju-ts-interfaces/database';
import type { ServerAnswer } from './database.ts';
import type { DatabaseProxy } from './proxy/state.ts';

/** What the relation has come to, with the address that MAAS reaches the database at. */
export type Reached = DatabaseState | { readonly kind: 'none' };

/** By what a region reaches its database. */
export interface Path {
  /** Absent: the region reaches its database directly. */
  readonly proxy?: DatabaseProxy;
  /** Whether the service is on the machine all the same. */
  readonly isProxyLeft: boolean;
}

/** How the database is asked for, and what the leader has asked its server, where that answers. */
interface Asked extends Path, ServerAnswer {
  /** Whom it is asked of. */
  readonly app?: string;
  /** The relations over which it is asked for, the one that counts first. */
  readonly relations: readonly { readonly id: number; readonly endpoint: 'db' | 'database' }[];
}

export type Database = Reached & Asked;
