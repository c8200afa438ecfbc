import type { Options, Redacted } from 'juju-ts-ops';
import type { options } from './options.ts';

/** A database that somebody asked for. */
export interface Client {
  readonly endpoint: 'db' | 'database';
  readonly relation: number;
  readonly app: string;
  readonly database: string;
  readonly user: string;
  readonly password: Redacted;
  readonly subnets: readonly string[];
  readonly units: readonly string[];
}

/** The passwords that all units know, by the keys of the secret that they share. */
export type Passwords = Readonly<Record<'operator' | 'replication' | 'patroni', Redacted>>;

/** A certificate that the servers and their clients have in common, in PEM. */
export interface Tls {
  readonly certificate: string;
  readonly key: Redacted;
}

/** What Juju and the machine say. */
export interface State {
  readonly options: Options<typeof options>;
  readonly unit: string;
  readonly address: string;
  readonly charmFolder: string;
  /** `15`; absent until the server is installed. */
  readonly version?: string;
  readonly clients: readonly Client[];
  /** Number of the peer relation. */
  readonly cluster?: number;
  readonly isLeader: boolean;
  /** Addresses of all units that are known, this one's first. */
  readonly addresses: readonly string[];
  /** Addresses of the units that may join the cluster. */
  readonly members: readonly string[];
  /** Whether this unit waits to be let in, is the only one and needs no cluster, or is of the cluster. */
  readonly place: 'outside' | 'alone' | 'clustered';
  /** Whether Patroni is set up here, and has the data. */
  readonly hasPatroni: boolean;
  /** Whether etcd here has the data of the units' cluster. */
  readonly hasEtcd: boolean;
  /** The cluster, as Patroni here sees it; absent while it does not answer. */
  readonly view?: Cluster;
  /** Address of the server that writes; absent while there is none, or none is known. */
  readonly primary?: string;
  /** Absent until the leader has shared them. */
  readonly passwords?: Passwords;
  readonly tls?: Tls;
  /** Whether clients are to have new passwords. */
  readonly isRotating: boolean;
}

/** What Patroni knows of the cluster. */
export interface Cluster {
  readonly members: readonly Member[];
}

export interface Member {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly host: string;
}
