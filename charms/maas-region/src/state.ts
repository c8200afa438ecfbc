import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { installedVersion, osRelease, readFileIfExists } from '@maas-ha/host';
import type { DatabaseState } from '@maas-ha/interfaces/database';
import type { Frontend } from '@maas-ha/interfaces/http';
import { pgsqlConnection } from '@maas-ha/interfaces/pgsql';
import { postgresqlConnection } from '@maas-ha/interfaces/postgresql_client';
import {
  MAAS_SECRET,
  majorMinor,
  maasSource,
  parseMaasConfig,
  SECRET_FILE,
  type MaasConfig,
} from '@maas-ha/maas';
import { Redacted, UserError, type Juju, type Options } from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { isServing } from './regiond.ts';

export const REGIOND_CONF = '/etc/maas/regiond.conf';
export const REGION_PACKAGE = 'maas-region-api';

/** The services that read regiond.conf, in the order in which they start; MAAS before 3.5 has only the first. */
const SERVICES = ['maas-regiond', 'maas-apiserver', 'maas-temporal', 'maas-temporal-worker'] as const;

const url = z.url({ protocol: /^https?$/, error: 'a URL, for example http://maas.example.com/MAAS' });

export const options = {
  source: z.string(),
  'maas-url': z.union([z.literal(''), url.transform((text) => text.replace(/\/+$/, ''))]),
  'database-name': z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'the name of a database: a-z, 0-9 and _'),
  'num-workers': z.int().min(1, '1 to 10').max(10, '1 to 10: MAAS has ten RPC ports on a machine'),
  debug: z.boolean(),
};

export type RegionJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  readonly isLeader: boolean;
  readonly options: Options<typeof options>;
  readonly source: string;
  /** `3.7`; absent until the package is installed. */
  readonly version?: string;
  readonly hostname: string;
  readonly address: string;
  readonly database: DatabaseState | { readonly kind: 'none' };
  /** The relations over which the database is asked for. */
  readonly databaseRelations: { readonly db: readonly number[]; readonly database: readonly number[] };
  readonly cluster?: number;
  /** The MAAS version whose schema the database has. */
  readonly schema?: string;
  readonly peers: readonly { readonly unit: string; readonly hostname?: string; readonly address?: string }[];
  /** The virtual address; absent where no such charm is related. */
  readonly vip?: { readonly app: string; readonly address?: string };
  /** Where the balancer listens; absent where none is related, or it has not said yet. */
  readonly balancer?: { readonly app: string; readonly frontend?: Frontend };
  readonly rpc: readonly { readonly id: number; readonly app: string }[];
  readonly api: readonly number[];
  readonly services: readonly string[];
  readonly currentConf: MaasConfig;
  /** What racks authenticate with; absent until regiond has written it. */
  readonly secret?: Redacted;
  readonly isServing: boolean;
}

export async function read(juju: RegionJuju): Promise<State> {
  const [
    values,
    isLeader,
    db,
    database,
    vips,
    rpc,
    api,
    clusters,
    network,
    packageVersion,
    os,
    conf,
    secret,
  ] = await Promise.all([
    juju.options(),
    juju.isLeader(),
    juju.relations('db'),
    juju.relations('database'),
    juju.relations('vip'),
    juju.relations('rpc'),
    juju.relations('api'),
    juju.relations('region-cluster'),
    juju.network('region-cluster'),
    installedVersion(REGION_PACKAGE),
    osRelease(),
    readFileIfExists(REGIOND_CONF),
    readFileIfExists(SECRET_FILE),
  ]);
  const [cluster] = clusters;
  const [vip] = vips;
  const [balancer] = api;
  const virtual = new Set(vips.flatMap(({ appData }) => appData.vips ?? []).map(({ address }) => address));
  const schema = cluster?.appData.schema;
  return {
    unit: juju.context.unit,
    isLeader,
    options: values,
    source: maasSource(values.source, os),
    ...(packageVersion !== undefined && { version: majorMinor(packageVersion) }),
    hostname: hostname(),
    // The unit that holds the virtual address has it too, and Juju may name that one first.
    address: network.bindAddresses.find((address) => !virtual.has(address)) ?? '',
    database: await databaseOf(juju, db, database, values['database-name'], network.egressSubnets),
    databaseRelations: { db: db.map(({ id }) => id), database: database.map(({ id }) => id) },
    ...(cluster && { cluster: cluster.id }),
    ...(schema !== undefined && { schema }),
    peers: (cluster?.units ?? []).map(({ name, data }) => ({ unit: name, ...data })),
    ...(vip && { vip: { app: vip.app, ...firstAddress(vip.appData.vips) } }),
    ...(balancer && {
      balancer: {
        app: balancer.app,
        ...(balancer.appData.frontend && { frontend: balancer.appData.frontend }),
      },
    }),
    rpc: rpc.map(({ id, app }) => ({ id, app })),
    api: api.map(({ id }) => id),
    services: SERVICES.filter((name) => existsSync(`/usr/lib/systemd/system/${name}.service`)),
    currentConf: parseMaasConfig(conf ?? ''),
    ...(secret !== undefined && MAAS_SECRET.test(secret.trim()) && { secret: new Redacted(secret.trim()) }),
    isServing: await isServing(hostname()),
  };
}

async function databaseOf(
  juju: RegionJuju,
  db: Awaited<ReturnType<typeof juju.relations<'db'>>>,
  database: Awaited<ReturnType<typeof juju.relations<'database'>>>,
  name: string,
  egressSubnets: readonly string[],
): Promise<State['database']> {
  const [old] = db;
  const [today] = database;
  if (old && today) {
    throw new UserError(
      `related to a database twice: juju remove-relation ${juju.context.app}:db ${old.app}, or ${juju.context.app}:database ${today.app}`,
    );
  }
  if (today) return postgresqlConnection(today, (uri) => juju.secret(uri));
  if (old) return pgsqlConnection(old, name, egressSubnets);
  return { kind: 'none' };
}

function firstAddress(vips: readonly { readonly address: string }[] = []): { address?: string } {
  const [first] = vips;
  return first ? { address: first.address } : {};
}
