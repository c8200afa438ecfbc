import type { PortConflict } from './port-conflict.ts';

/** What keeps MAAS from serving as it is configured to. */
export interface Config {
  /** While this region does not serve, or its named does not: who listens where it would. */
  readonly portConflict?: PortConflict;
  /** Why named does not take its configuration; absent where it does, or there is none. */
  readonly dnsProblem?: string;
  /** While this region serves: whether named is to run, and does not. */
  readonly isNamedDown: boolean;
}
