import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { heldAddresses, osRelease, ownAddress, readFileIfExists } from '@maas-ha/host';
import type { DatabaseState } from '@maas-ha/interfaces/database';
import type { Frontend } from '@maas-ha/interfaces/http';
import { pgsqlConnection } from '@maas-ha/interfaces/pgsql';
import { postgresqlConnection } from '@maas-ha/interfaces/postgresql_client';
import {
  chooseInstallation,
  MAAS_SECRET,
  maasSource,
  majorMinor,
  normalUrl,
  parseMaasConfig,
  shortName,
  pauseMark,
  preparation,
  type Installation,
  type MaasConfig,
  type Preparation,
} from '@maas-ha/maas';
import {
  Redacted,
  SecretNotFoundError,
  UserError,
  type HookContext,
  type Juju,
  type Options,
  type Relation,
} from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import { askForSoleDhcp, departedUnits, type Departed } from './controllers.ts';
import { nameOfDatabase, serverFacts, type ServerFacts } from './database.ts';
import { databaseProxyOptions, readDatabasePath, type DatabasePath } from './database-proxy/state.ts';
import { findDnsProblem, isNamedDown } from './dns.ts';
import type { endpoints, Hostnames, Schema, SettingsSet, SoleDhcp, TlsServed } from './endpoints.ts';
import { findPortConflict, type PortConflict } from './ports.ts';
import { liveRegions } from './regiond.ts';
import { settingOptions } from './settings.ts';
import { readTls, tlsOptions, type Tls } from './tls.ts';
import { latestWish, lookFile } from './upgrade.ts';

const url = z.string().transform((text, context) => {
  if (text === '') return '';
  const normal = normalUrl(text);
  if (normal !== undefined) return normal;
  context.addIssue('the URL of MAAS, for example http://maas.example.com/MAAS');
  return z.NEVER;
});

export const options = {
  source: z.string(),
  'maas-url': url,
  'database-name': z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'the name of a database: a-z, 0-9 and _'),
  'num-workers': z.int().min(1, '1 to 10').max(10, '1 to 10: MAAS has ten RPC ports on a machine'),
  debug: z.boolean(),
  ...settingOptions,
  ...tlsOptions,
  ...databaseProxyOptions,
};

export type RegionJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** Another region; nothing but its name is known until its first hook is over. */
export interface Peer {
  readonly unit: string;
  readonly hostname?: string;
  readonly address?: string;
  /** The version of the packages that are installed there, and of those that could be at once. */
  readonly version?: string;
  readonly ready?: string;
  /** The relation whose database it may be serving. */
  readonly database?: number;
}

/** What Juju and the machine say, and what the leader has asked PostgreSQL, where it answers. */
export interface State extends Partial<ServerFacts> {
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
  readonly isLeaving: boolean;
  /** Whether an earlier hook has taken this unit out of the balancers: Juju tells of that when a hook is over. */
  readonly isOutOfBalancers: boolean;
  /** Whether the user has paused this unit. */
  readonly isPaused: boolean;
  readonly options: Options<typeof options>;
  readonly source: string;
  readonly maas: Installation;
  /** `3.7`; absent until the package is installed. */
  readonly version?: string;
  /** `1:3.7.3-…`, as the package has it. */
  readonly packageVersion?: string;
  /** The packages of MAAS that have to have the same version. */
  readonly packages: readonly [string, ...string[]];
  /** Where MAAS is not quite what the source says, in words for a status. */
  readonly sourceNote?: string;
  /** Whether MAAS knows that it is a region; it is of no use to ask before it is installed. */
  readonly isInitialised: boolean;
  /** What this unit could be upgraded to at once. */
  readonly preparation: Preparation;
  /** The file by which hooks know what is being restored, and whether something is. */
  readonly restoreFile: string;
  readonly isRestoring: boolean;
  /** Whether no region may start on this machine, because it is being upgraded. */
  readonly isHeld: boolean;
  readonly hostname: string;
  /** Where the other regions reach this one. */
  readonly address: string;
  /** Where balancers do. */
  readonly webAddress: string;
  /** As MAAS reaches it. */
  readonly database: DatabasePath['database'];
  readonly databaseProxy?: DatabasePath['databaseProxy'];
  readonly isDatabaseProxyLeft: boolean;
  /** Whom it is asked of. */
  readonly databaseApp?: string;
  /** The relations over which the database is asked for. */
  readonly databaseRelations: { readonly db: readonly number[]; readonly database: readonly number[] };
  /** The relation among the regions, with what its leader has said; absent in the very first hooks. */
  readonly cluster?: {
    readonly id: number;
    /** What the database was migrated to, and which database that was. */
    readonly schema?: Schema;
    readonly url?: string;
    /** The version that every region is to be upgraded to. */
    readonly target?: string;
    readonly look?: string;
    /** How often MAAS has had a new secret; absent: never. */
    readonly rotation?: number;
    /** Who was in the application when the leader last looked, and has not been forgotten by MAAS since. */
    readonly regions: Hostnames;
    readonly racks: Hostnames;
    readonly soleDhcp?: SoleDhcp;
    /** What MAAS was told to set. */
    readonly settings?: SettingsSet;
    /** What MAAS was told to serve HTTPS with. */
    readonly tls?: TlsServed;
  };
  readonly peers: readonly Peer[];
  /** The virtual address; absent where no such charm is related. */
  readonly vip?: { readonly app: string; readonly address?: string };
  readonly tls: Tls;
  /** Where the balancer listens; absent where none is related, or it has not said yet. */
  readonly balancer?: { readonly app: string; readonly frontend?: Frontend };
  readonly rpc: readonly { readonly id: number; readonly app: string }[];
  /** The racks that have said what they are called. */
  readonly racks: Hostnames;
  readonly api: readonly number[];
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
  readonly services: readonly string[];
  readonly currentConf: MaasConfig;
  /** What racks authenticate with; absent until regiond has written it. */
  readonly secret?: Redacted;
  readonly isServing: boolean;
  /** Known to the leader while it serves: who has gone and is still to be forgotten by MAAS. */
  readonly departed?: { readonly regions: readonly Departed[]; readonly racks: readonly Departed[] };
  /** Known to the leader where it has asked: the racks that would leave a network without DHCP. */
  readonly soleDhcp?: SoleDhcp;
  /** While this region does not serve, or its named does not: who listens where it would. */
  readonly portConflict?: PortConflict;
  /** Why named does not take its configuration; absent where it does, or there is none. */
  readonly dnsProblem?: string;
  /** While this region serves: whether named is to run, and does not. */
  readonly isNamedDown: boolean;
}

export async function read(juju: RegionJuju): Promise<State> {
  const [values, os] = await Promise.all([juju.options(), osRelease()]);
  const source = maasSource(values.source, os);
  const maas = chooseInstallation(source);
  const [
    isLeader,
    db,
    database,
    vips,
    rpc,
    api,
    observers,
    clusters,
    network,
    installed,
    conf,
    secret,
    live,
    dnsProblem,
    asked,
    held,
  ] = await Promise.all([
    juju.isLeader(),
    juju.relations('db'),
    juju.relations('database'),
    juju.relations('vip'),
    juju.relations('rpc'),
    juju.relations('api'),
    juju.relations('cos-agent'),
    juju.relations('region-cluster'),
    juju.network('region-cluster'),
    maas.installed('region', source),
    readFileIfExists(maas.conf.region),
    readFileIfExists(maas.secretFile),
    liveRegions(),
    findDnsProblem(maas),
    readFileIfExists(lookFile(juju.context)),
    heldAddresses(),
  ]);
  const [cluster] = clusters;
  const [vip] = vips;
  const [balancer] = api;
  const [server] = [...database, ...db];
  const known = vips.flatMap(({ appData }) => appData.vips ?? []).map((one) => one.address);
  const virtual = { known, held };
  const { id: hook, unit, app, model, leaving } = juju.context;
  const restoreFile = join(juju.context.stateDirectory, 'restoring');
  const isServing = live?.has(shortName(hostname())) ?? false;
  const { version: packageVersion, packages, note } = installed;
  // The leader is asked itself, and tells the others. What an earlier leader was asked counts until then.
  const look = latestWish(cluster?.appData.look, isLeader ? asked : undefined);
  const address = ownAddress(network, virtual) ?? '';
  const webNetwork = balancer && (await juju.network('api', balancer.id));
  const peerAddresses = (cluster?.units ?? []).flatMap(({ data }) => data.address ?? []);
  const found: State = {
    hook,
    unit,
    app,
    model,
    isLeader,
    isLeaving: leaving !== undefined,
    isOutOfBalancers: leaving?.isNew === false,
    isPaused: existsSync(pauseMark(juju.context)),
    options: values,
    source,
    maas,
    ...(packageVersion !== undefined && { version: majorMinor(packageVersion), packageVersion }),
    packages,
    ...(note !== undefined && { sourceNote: note }),
    isInitialised: maas.isInitialised('region'),
    preparation: await preparation(juju.context, source, look),
    restoreFile,
    isRestoring: existsSync(restoreFile),
    isHeld: maas.isRegionHeld(),
    hostname: hostname(),
    address,
    webAddress: (webNetwork && ownAddress(webNetwork, virtual)) ?? address,
    ...(await readDatabasePath(
      await databaseOf(
        juju,
        db,
        database,
        nameOfDatabase(values['database-name'], [...database, ...db], cluster?.appData.schema),
      ),
      server,
      values['database-proxy'],
    )),
    ...(server && { databaseApp: server.app }),
    databaseRelations: { db: db.map(({ id }) => id), database: database.map(({ id }) => id) },
    ...(cluster && { cluster: clusterOf(cluster) }),
    peers: (cluster?.units ?? []).map(({ name, data }) => ({ unit: name, ...data })),
    ...(vip && { vip: { app: vip.app, ...firstAddress(vip.appData.vips) } }),
    tls: await readTls(juju, clientNames(values['maas-url'], vip?.appData.vips, [...peerAddresses, address])),
    ...(balancer && {
      balancer: {
        app: balancer.app,
        ...(balancer.appData.frontend && { frontend: balancer.appData.frontend }),
      },
    }),
    rpc: rpc.map(({ id, app: rackApp }) => ({ id, app: rackApp })),
    racks: Object.fromEntries(
      rpc.flatMap(({ units }) =>
        units.flatMap(({ name, data }) => (data.hostname === undefined ? [] : [[name, data.hostname]])),
      ),
    ),
    api: api.map(({ id }) => id),
    observers: observers.map(({ id }) => id),
    services: maas.regionServices(),
    currentConf: parseMaasConfig(conf ?? '', maas.conf.region),
    ...(secret !== undefined && MAAS_SECRET.test(secret.trim()) && { secret: new Redacted(secret.trim()) }),
    isServing,
    ...(dnsProblem !== undefined && { dnsProblem }),
    isNamedDown: isServing && (await isNamedDown(maas)),
  };
  if (leaving) return found;
  const portConflict = isServing && !found.isNamedDown ? undefined : await findPortConflict();
  const state = { ...found, ...(portConflict && { portConflict }) };
  if (!isLeader) return state;
  if (!isServing) return { ...state, ...(await factsOf(state)) };
  const sole = await soleDhcpNow(state, juju.context);
  return { ...state, ...(await duties(state, live ?? new Set())), ...(sole && { soleDhcp: sole }) };
}

/** What MAAS says of the racks now; `undefined` where it is not asked, or cannot be. */
async function soleDhcpNow(
  { maas, racks }: State,
  context: Pick<HookContext, 'event'>,
): Promise<SoleDhcp | undefined> {
  if (Object.keys(racks).length === 0) return {};
  return mayChangeDhcp(context) ? askForSoleDhcp(maas) : undefined;
}

/** Hooks that come with racks, with what is done about them, or regularly: to ask MAAS takes seconds of each. */
function mayChangeDhcp({ event }: Pick<HookContext, 'event'>): boolean {
  if (event.kind === 'relation') return event.relation.endpoint === 'rpc';
  return event.kind === 'action' || (event.kind === 'lifecycle' && event.name === 'update-status');
}

/** What only the leader asks, because it looks after it for all. */
async function duties(
  state: State,
  live: ReadonlySet<string>,
): Promise<Pick<State, 'departed'> & Partial<ServerFacts>> {
  const { cluster, unit, peers } = state;
  const present = new Set([unit, ...peers.map((peer) => peer.unit)]);
  const hostnames = new Set([state.hostname, ...peers.flatMap((peer) => peer.hostname ?? [])]);
  const [regions, racks, facts] = await Promise.all([
    departedUnits(state.maas, 'region', gone(cluster?.regions, present, hostnames), live),
    departedUnits(
      state.maas,
      'rack',
      gone(cluster?.racks, new Set(Object.keys(state.racks)), new Set(Object.values(state.racks))),
      live,
    ),
    factsOf(state),
  ]);
  return { ...(regions && racks && { departed: { regions, racks } }), ...facts };
}

/** What the leader asks PostgreSQL. */
async function factsOf({ database, packageVersion = '' }: State): Promise<Partial<ServerFacts>> {
  return database.kind === 'ready' ? await serverFacts(database.connection, packageVersion) : {};
}

/** Who is remembered and not present, unless another unit is on the same machine now. */
function gone(
  remembered: Hostnames = {},
  present: ReadonlySet<string>,
  hostnames: ReadonlySet<string>,
): readonly { readonly unit: string; readonly hostname: string }[] {
  return Object.entries(remembered)
    .map(([unit, name]) => ({ unit, hostname: name }))
    .filter((entry) => !present.has(entry.unit) && !hostnames.has(entry.hostname));
}

function clusterOf({
  id,
  appData,
}: Relation<(typeof endpoints)['region-cluster']['provider']>): NonNullable<State['cluster']> {
  const { schema, url: agreed, target, look, rotation, regions = {}, racks = {} } = appData;
  const { soleDhcp, settings, tls } = appData;
  return {
    id,
    ...(schema && { schema }),
    ...(agreed !== undefined && { url: agreed }),
    ...(target !== undefined && { target }),
    ...(look !== undefined && { look }),
    ...(rotation !== undefined && { rotation }),
    regions,
    racks,
    ...(soleDhcp && { soleDhcp }),
    ...(settings && { settings }),
    ...(tls && { tls }),
  };
}

async function databaseOf(
  juju: RegionJuju,
  db: Awaited<ReturnType<typeof juju.relations<'db'>>>,
  database: Awaited<ReturnType<typeof juju.relations<'database'>>>,
  name: string,
): Promise<State['database']> {
  const [old] = db;
  const [today] = database;
  if (old && today) {
    throw new UserError(
      `related to a database twice: juju remove-relation ${juju.context.app}:db ${old.app}, or ${juju.context.app}:database ${today.app}`,
    );
  }
  if (today) return todaysDatabase(juju, today);
  if (old) {
    const { egressSubnets } = await juju.network('db', old.id);
    return pgsqlConnection(old, name, egressSubnets);
  }
  return { kind: 'none' };
}

/** The secret may be named in the databag before it is granted. */
async function todaysDatabase(
  juju: RegionJuju,
  relation: Relation<(typeof endpoints)['database']['provider']>,
): Promise<DatabaseState> {
  try {
    return await postgresqlConnection(relation, (uri) => juju.secret(uri));
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    return { kind: 'waiting', reason: `${relation.app} to grant the user and its password` };
  }
}

/** What clients call MAAS, in an order that stays: the host of its URL, and the virtual addresses; without either, the regions. */
function clientNames(
  url: string,
  vips: readonly { readonly address: string; readonly hostname?: string | undefined }[] = [],
  regions: readonly string[],
): readonly string[] {
  const host = url === '' ? [] : [new URL(url).hostname.replaceAll(/[[\]]/g, '')];
  const names = [
    ...host,
    ...vips.flatMap(({ hostname: name }) => name ?? []),
    ...vips.map((vip) => vip.address),
  ];
  return [...new Set(names.length > 0 ? names : regions.filter((region) => region !== '').toSorted())];
}

function firstAddress(vips: readonly { readonly address: string }[] = []): { address?: string } {
  const [first] = vips;
  return first ? { address: first.address } : {};
}
