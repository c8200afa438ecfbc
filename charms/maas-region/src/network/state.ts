import type { Frontend } from 'juju-ts-interfaces/http';

/** Where this region and MAAS are reached. */
export interface Network {
  /** Where the other regions reach this one. */
  readonly address: string;
  /** Where balancers do. */
  readonly webAddress: string;
  /** The virtual address; absent where no such charm is related. */
  readonly vip?: { readonly app: string; readonly address?: string };
  /** Where the balancer listens; absent where none is related, or it has not said yet. */
  readonly balancer?: { readonly app: string; readonly frontend?: Frontend };
  /** The relations with balancers. */
  readonly api: readonly number[];
}
