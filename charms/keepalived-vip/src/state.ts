import { randomBytes } from 'node:crypto';
import { addresses, serviceStates, type InterfaceAddress } from '@maas-ha/host';
import { NotYetError, Redacted, SecretNotFoundError, unitNumber, type Juju, type Options } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import type { options } from './options.ts';

export type KeepalivedJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** A unit of this application on another machine. */
export interface Peer {
  readonly unit: string;
  /** Absent until it has told. */
  readonly address?: string;
  /** The units that it sends VRRP to. */
  readonly peers: readonly string[];
}

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  readonly unitNumber: number;
  readonly options: Options<typeof options>;
  readonly addresses: readonly InterfaceAddress[];
  readonly cluster?: number;
  readonly peers: readonly Peer[];
  readonly clients: readonly number[];
  /** Whether keepalived already runs here. */
  readonly isRunning: boolean;
  /** VRRP version 2 only: what the units authenticate with. */
  readonly authPass?: Redacted;
}

export const AUTH_SECRET = { label: 'vrrp-auth', key: 'auth-pass' } as const;

export async function read(juju: KeepalivedJuju): Promise<State> {
  const [values, clusters, clients, [service]] = await Promise.all([
    juju.options(),
    juju.relations('vrrp-cluster'),
    juju.relations('vip'),
    serviceStates(['keepalived']),
  ]);
  const [cluster] = clusters;
  const authPass =
    values['vrrp-version'] === 2 ? await readAuthPass(juju, cluster?.appData['auth-secret-id']) : undefined;
  return {
    unit: juju.context.unit,
    unitNumber: unitNumber(juju.context.unit),
    options: values,
    addresses: addresses().filter(({ family }) => family === 'ipv4'),
    ...(cluster && { cluster: cluster.id }),
    peers: (cluster?.units ?? []).map(({ name, data }) => ({
      unit: name,
      peers: data.peers ?? [],
      ...(data.address !== undefined && { address: data.address }),
    })),
    clients: clients.map(({ id }) => id),
    isRunning: service?.isRunning ?? false,
    ...(authPass && { authPass }),
  };
}

/** The shared password; the leader makes it up where there is none yet. keepalived uses eight characters of it. */
async function readAuthPass(juju: KeepalivedJuju, uri: string | undefined): Promise<Redacted> {
  if (uri !== undefined) {
    try {
      const password = (await juju.secret(uri))[AUTH_SECRET.key];
      if (password) return password;
    } catch (error) {
      if (!(error instanceof SecretNotFoundError)) throw error;
    }
  }
  if (await juju.isLeader()) return new Redacted(randomBytes(4).toString('hex'));
  throw new NotYetError('waiting for the leader to share the VRRP password');
}
