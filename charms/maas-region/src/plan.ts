import type { Resource } from '@maas-ha/host';
import type { DatabaseConnection } from '@maas-ha/interfaces/database';
import { cosAgentConfig } from '@maas-ha/interfaces/cos_agent';
import { MAAS_SECRET_KEY } from '@maas-ha/interfaces/maas-rpc';
import { REQUESTED_SECRETS } from '@maas-ha/interfaces/postgresql_client';
import {
  forgetIdentity,
  ID_FILE,
  maasUrl,
  REGION_HTTP_PORT,
  renderMaasConfig,
  SECRET_FILE,
  pausedStatus,
  preparing,
  majorMinor,
  inWords,
  tooOld,
} from '@maas-ha/maas';
import {
  active,
  blocked,
  isAtLeast,
  maintenance,
  SecretRef,
  unitNumber,
  waiting,
  type Plan,
  type Redacted,
  type Status,
} from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { restore } from './backup.ts';
import { forgetController, type Departed } from './controllers.ts';
import { CLIENT_PACKAGE, connectionsNeeded, inTurn, migrateDatabase } from './database.ts';
import { migrateDnsOptions } from './dns.ts';
import type { endpoints, Hostnames, Schema, TlsServed } from './endpoints.ts';
import { observability } from './observability.ts';
import { awaitAnother, awaitServing, restartRegion, startRegion, stopGracefully } from './regiond.ts';
import { changeSettings, settingChanges, wantedSettings, type Settings } from './settings.ts';
import { rotation, rotationOf } from './secret.ts';
import { REGION_PACKAGE, REGIOND_CONF, type State } from './state.ts';
import { MAAS_TLS_PORT, servedTls, tlsPorts, tlsSecrets, tlsStatus, tlsSteps } from './tls.ts';
import {
  HOLD_FILES,
  notReady,
  obstacleOf,
  releaseRegion,
  upgradeInWords,
  upgradeOf,
  upgradeResources,
  type Upgrade,
} from './upgrade.ts';

type RegionPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;
type Databag = NonNullable<RegionPlan['databags']>[number];

const SECRET_LABEL = 'maas-rpc-secret';

/** Everything that is known before a region can be configured. */
interface Known {
  readonly url: string;
  readonly database: DatabaseConnection;
  readonly version: string;
  readonly packageVersion: string;
  /** The relation over which the database was got. */
  readonly relation: number;
}

export function plan(state: State): RegionPlan {
  if (state.isLeaving) return farewell(state);
  if (state.isPaused) return pause(state);
  const url = urlOf(state);
  const known = knownOf(state, url);
  const upgrade = upgradeOf(state);
  const isBehind = upgrade?.isBehind ?? false;
  const hasSchema = known !== undefined && isMigrated(state, known);
  const mayMigrate = known !== undefined && !hasSchema && canMigrate(state, known, upgrade);
  const mayServe = !isBehind && (hasSchema || mayMigrate);
  const tls = servedTls(state, known?.relation);
  return {
    // What is restored changes what follows from it: the rest comes in the next round.
    machine: state.isRestoring
      ? [...installation(state), restoration(state)]
      : [
          ...installation(state),
          ...(upgrade && isBehind ? upgradeResources(state, upgrade) : []),
          ...(known && !isBehind ? [configuration(state, known)] : []),
          ...(known && !isBehind && !hasSchema
            ? [...standstill(state), ...(mayMigrate ? [migration(state, known)] : [])]
            : []),
          ...(known && mayServe ? serving(state, known) : []),
          ...(state.isServing ? dutiesOf(state) : []),
          ...(known && state.isServing && state.isLeader
            ? [...settingSteps(state, known), ...tlsSteps(state, known.relation)]
            : []),
        ],
    secrets: [
      // A region that does not serve may have missed that there is a new one.
      ...(state.secret && url !== undefined && (state.isServing || rotationOf(state) === 0)
        ? [{ label: SECRET_LABEL, content: { [MAAS_SECRET_KEY]: state.secret }, grants: state.rpc }]
        : []),
      ...tlsSecrets(state),
    ],
    databags: [
      ...databaseRequests(state),
      ...clusterBags(state, url, mayServe ? known : undefined, upgrade),
      ...(mayServe ? apiBags(state, tls) : []),
      ...(state.secret && url !== undefined ? rpcBags(state, url, mayServe ? known : undefined) : []),
      ...observerBags(state, tls),
      ...(state.tls.request
        ? [
            {
              endpoint: 'certificates',
              relation: state.tls.request.relation,
              app: state.tls.request.bag,
            } as const,
          ]
        : []),
    ],
    ports: [
      ...[
        REGION_HTTP_PORT,
        ...(tls ? [MAAS_TLS_PORT] : []),
        ...extraPorts(state),
        '5250-5259',
        53,
        8000,
        ...clusterPorts(state),
      ].map((port) => `${port}/tcp`),
      '53/udp',
    ],
    ...(state.version !== undefined && { version: state.version }),
    status: statusesOf(state, url, known, { mayServe, upgrade }),
  };
}

/** A unit that is being removed turns the balancers away, then says goodbye to MAAS, and does nothing else any more. */
function farewell({ isOutOfBalancers, services, api }: State): RegionPlan {
  return {
    machine: isOutOfBalancers && services.length > 0 ? [goodbye()] : [],
    databags: api.map((relation) => ({ endpoint: 'api', relation, unit: {} }) as const),
    status: [waiting('to be removed')],
  };
}

/** A paused unit stays as it is, and balancers send it nobody. */
function pause({ unit, api }: State): RegionPlan {
  return {
    machine: [],
    databags: api.map((relation) => ({ endpoint: 'api', relation, unit: {} }) as const),
    status: [pausedStatus(unit)],
  };
}

/** What is left when the unit goes: a region that has said goodbye to the others, and runs no more. */
export function leave(services: readonly string[], hasRack: boolean): readonly Resource[] {
  return [
    ...(services.length > 0 ? [goodbye()] : []),
    ...[...services, ...(hasRack ? [] : ['maas-http'])].map((name): Resource => ({
      kind: 'service',
      name,
      state: 'stopped',
      enabled: false,
    })),
    { kind: 'absent-packages', names: [REGION_PACKAGE, CLIENT_PACKAGE] },
    ...(hasRack ? [] : [{ kind: 'source', name: 'maas', source: '' } satisfies Resource]),
    { kind: 'absent-file', path: REGIOND_CONF },
    ...HOLD_FILES.map((path): Resource => ({ kind: 'absent-file', path })),
    // A rack on this machine goes on needing them.
    ...(hasRack ? [] : [SECRET_FILE, ID_FILE].map((path): Resource => ({ kind: 'absent-file', path }))),
  ];
}

function goodbye(): Resource {
  // Once: later hooks of a unit that is being removed have nothing left to stop.
  return { kind: 'step', id: 'goodbye', inputs: {}, run: stopGracefully };
}

/**
 * Where regions and racks reach MAAS: what the user says, or the virtual address behind the balancer's port, or
 * without one the first region. The leader decides, for a unit that has just come does not know the others yet;
 * while it cannot, what it decided before stays.
 */
function urlOf(state: State): string | undefined {
  const { isLeader, cluster } = state;
  return (isLeader ? decideUrl(state) : undefined) ?? cluster?.url;
}

function decideUrl({ options, vip, balancer, unit, address, peers }: State): string | undefined {
  if (options['maas-url'] !== '') return options['maas-url'];
  if (vip) {
    if (vip.address === undefined || (balancer && !balancer.frontend)) return undefined;
    // What is yet to have a certificate says http until then.
    if (options['tls-mode'] === 'termination' && balancer?.frontend?.scheme !== 'https') return undefined;
    const { scheme, port } = balancer?.frontend ?? { scheme: 'http', port: REGION_HTTP_PORT };
    return maasUrl(scheme, vip.address, port);
  }
  const [first] = [...peers, { unit, address }].toSorted((a, b) => unitNumber(a.unit) - unitNumber(b.unit));
  return first?.address === undefined || first.address === ''
    ? undefined
    : maasUrl('http', first.address, REGION_HTTP_PORT);
}

function knownOf(state: State, url: string | undefined): Known | undefined {
  const { database, databaseRelations, version, packageVersion, isServing } = state;
  // One that serves already goes on, whoever has come with its name.
  if (!isServing && twinOf(state) !== undefined) return undefined;
  const [relation] = [...databaseRelations.database, ...databaseRelations.db];
  if (database.kind !== 'ready' || url === undefined || version === undefined || relation === undefined)
    return undefined;
  if (packageVersion === undefined || tooOld(version) !== undefined) return undefined;
  return { url, database: database.connection, version, packageVersion, relation };
}

/** An earlier region with the same host name, by which MAAS would take the two for one. */
function twinOf({ unit, hostname, peers }: State): string | undefined {
  return peers.find((peer) => peer.hostname === hostname && unitNumber(peer.unit) < unitNumber(unit))?.unit;
}

/** Whether this very database has the schema of the installed MAAS: another one may be empty. */
function isMigrated({ cluster }: State, { packageVersion, relation }: Known): boolean {
  return cluster?.schema?.version === packageVersion && cluster.schema.relation === relation;
}

/**
 * Whether the leader may migrate: a database that no region uses yet, or one whose regions have all stopped to be
 * upgraded. What somebody has installed on one machine by hand is no reason to.
 */
function canMigrate(state: State, { relation }: Known, upgrade: Upgrade | undefined): boolean {
  if (!state.isLeader || obstacleOf(state) !== undefined) return false;
  if (upgrade) return !upgrade.isBehind && upgrade.lagging.length === 0;
  return state.cluster?.schema?.relation !== relation;
}

/** Why regiond cannot be configured yet; nothing if it can. */
function missingForConfig(state: State, url: string | undefined): Status | undefined {
  const { database, vip, balancer, app, isLeader, options, version } = state;
  const age = version === undefined ? undefined : tooOld(version);
  if (age !== undefined) return blocked(age);
  if (database.kind === 'none') {
    return blocked(`no database: juju integrate ${app}:database postgresql:database`);
  }
  if (database.kind === 'waiting') return waiting(database.reason);
  const twin = twinOf(state);
  if (twin !== undefined) {
    return blocked(
      `${twin} has the host name ${state.hostname} too, and MAAS would take the two for one: hostnamectl set-hostname <another>`,
    );
  }
  if (url !== undefined) return undefined;
  if (options['tls-mode'] === 'termination') return tlsStatus(state);
  if (vip && vip.address === undefined) return waiting(`${vip.app} to have a virtual address`);
  if (balancer && !balancer.frontend) return waiting(`${balancer.app} to say where it listens`);
  return waiting(isLeader ? 'this unit to have an address' : 'the leader to say where MAAS is reached');
}

function installation({ source, packages, preparation }: State): readonly Resource[] {
  return [
    { kind: 'source', name: 'maas', source },
    { kind: 'packages', names: [REGION_PACKAGE, CLIENT_PACKAGE] },
    { kind: 'step', id: 'forget-identity', inputs: {}, run: () => forgetIdentity('maas-regiond') },
    ...preparing(preparation, packages),
  ];
}

function restoration({ restoreFile, hostname }: State): Resource {
  return { kind: 'step', id: 'restore-backup', run: () => restore(restoreFile, hostname) };
}

function configuration(state: State, known: Known): Resource {
  return {
    kind: 'file',
    path: REGIOND_CONF,
    content: regiondConf(state, known),
    mode: 0o640,
    owner: 'root',
    group: 'maas',
    // MAAS checks every value whenever it reads the file; this makes it do so before the file counts. Its own
    // `local_config_set` would take the password in its arguments, where every user of the machine could read it.
    validate: ['env', 'MAAS_REGION_CONFIG={}', 'maas-region', 'local_config_get', '--maas-url'],
  };
}

function regiondConf({ options, currentConf, address }: State, { url, database, version }: Known): Redacted {
  return renderMaasConfig(currentConf, {
    maas_url: url,
    database_host: database.host,
    database_port: database.port,
    database_name: database.database,
    database_user: database.user,
    database_pass: database.password.reveal(),
    num_workers: options['num-workers'],
    debug: options.debug,
    // Else MAAS takes the address that it reaches the URL from, which is the virtual one on the machine that holds it.
    ...(hasTemporal(version) && { broadcast_address: address }),
  });
}

function hasTemporal(version: string): boolean {
  return isAtLeast(version, '3.5');
}

/** What racks ask a region for beside its web server, at the host of their URL: MAAS' internal API and Temporal. */
function extraPorts({ version }: State): readonly number[] {
  if (version === undefined) return [];
  return [...(isAtLeast(version, '3.6') ? [5242] : []), ...(hasTemporal(version) ? [5271] : [])];
}

/** What the parts of Temporal on the regions ask each other for. */
function clusterPorts({ version }: State): readonly string[] {
  return version !== undefined && hasTemporal(version) ? ['5272-5274', '5281-5284'] : [];
}

/** No region runs before the schema is ready, not even the one that its package has started. */
function standstill({ services }: State): readonly Resource[] {
  return services.map((name) => ({ kind: 'service', name, state: 'stopped', enabled: false }));
}

function migration({ unit, cluster }: State, { database, packageVersion, relation }: Known): Resource {
  return {
    kind: 'step',
    id: 'migrate-database',
    inputs: {
      version: packageVersion,
      relation,
      database: database.database,
      before: cluster?.schema?.version ?? '',
    },
    run: () => migrateDatabase(database, packageVersion, unit),
  };
}

function serving(state: State, known: Known): readonly Resource[] {
  const { services, isServing, hostname, isHeld, portConflict } = state;
  return [
    restart(state, known),
    ...(isHeld ? [{ kind: 'step', id: 'release-region', run: releaseRegion } satisfies Resource] : []),
    ...(schemaOf(state, known).from === undefined ? [] : [startInTurn(state, known)]),
    ...services.map((name): Resource => ({ kind: 'service', name, state: 'running', enabled: true })),
    ...(isServing
      ? rotation(state, known.database)
      : portConflict
        ? []
        : [{ kind: 'step', id: 'await-serving', run: () => awaitServing(hostname) } satisfies Resource]),
  ];
}

/** After an upgrade no region runs: the leader starts first, and the others one after the other. */
function startInTurn({ services, hostname }: State, { database, packageVersion }: Known): Resource {
  return {
    kind: 'step',
    id: 'start-upgraded',
    inputs: { version: packageVersion },
    run: () =>
      inTurn(database, async () => {
        await startRegion(services);
        await awaitServing(hostname);
      }),
  };
}

/** What the database is at once this unit serves. */
function schemaOf({ cluster }: State, { packageVersion, relation }: Known): Schema {
  const before = cluster?.schema;
  if (before?.version === packageVersion && before.relation === relation) return before;
  return {
    version: packageVersion,
    relation,
    ...(before?.relation === relation && { from: before.version }),
  };
}

/**
 * Everything that has read regiond.conf restarts when it changes: one region after the other, but for a new place of
 * the database, because no region that looks for the old one serves anyway.
 */
function restart(state: State, known: Known): Resource {
  const { currentConf, services, hostname, isServing, peers } = state;
  const { host, port } = known.database;
  const hasMoved = currentConf['database_host'] !== host || currentConf['database_port'] !== port;
  const others = peers.flatMap((peer) => peer.address ?? []);
  return {
    kind: 'step',
    id: 'restart-regiond',
    inputs: { conf: regiondConf(state, known).digest() },
    run: () =>
      hasMoved || !isServing
        ? restartRegion(services, hostname)
        : inTurn(known.database, async () => {
            await awaitAnother(others);
            await restartRegion(services, hostname);
          }),
  };
}

/** What a region that serves does beside: named can answer, and MAAS forgets the controllers that are gone. */
function dutiesOf({ departed, dnsProblem }: State): readonly Resource[] {
  return [
    ...(dnsProblem === undefined ? [] : [repairDns(dnsProblem)]),
    ...(departed?.regions ?? []).flatMap((gone) => forget('region', gone)),
    ...(departed?.racks ?? []).flatMap((gone) => forget('rack', gone)),
  ];
}

/** The leader has MAAS set what options say, and what is changed in MAAS itself stays until the option changes. */
function settingSteps({ options, cluster }: State, known: Known): readonly Resource[] {
  const changes = settingChanges(wantedSettings(options), settingsBefore(cluster, known));
  if (changes.length === 0) return [];
  return [{ kind: 'step', id: 'change-settings', run: () => changeSettings(changes) }];
}

/** What MAAS was told to set; nothing of it is in another database. */
function settingsBefore(cluster: State['cluster'], { relation }: Known): Settings {
  return cluster?.settings?.relation === relation ? cluster.settings.values : {};
}

function repairDns(problem: string): Resource {
  return { kind: 'step', id: 'migrate-dns-options', inputs: { problem }, run: migrateDnsOptions };
}

function forget(
  kind: 'region' | 'rack',
  { unit, systemId, isRunning, soleDhcpOf }: Departed,
): readonly Resource[] {
  if (systemId === undefined || isRunning || soleDhcpOf.length > 0) return [];
  return [{ kind: 'step', id: `forget-${kind}:${unit}`, run: () => forgetController(kind, systemId) }];
}

/** Old servers read the request from each unit, newer ones from the application. */
function databaseRequests({ databaseRelations, options }: State): readonly Databag[] {
  const database = options['database-name'];
  return [
    ...databaseRelations.db.map(
      (relation) => ({ endpoint: 'db', relation, app: { database }, unit: { database } }) as const,
    ),
    ...databaseRelations.database.map(
      (relation) =>
        ({
          endpoint: 'database',
          relation,
          app: { database, 'requested-secrets': [...REQUESTED_SECRETS] },
        }) as const,
    ),
  ];
}

/** @param known once the database has been migrated */
function clusterBags(
  state: State,
  url: string | undefined,
  known: Known | undefined,
  upgrade: Upgrade | undefined,
): readonly Databag[] {
  const { cluster, hostname, address, unit, peers, racks, departed, packageVersion, preparation } = state;
  if (cluster === undefined) return [];
  const present = Object.fromEntries([
    [unit, hostname],
    ...peers.flatMap((peer) => (peer.hostname === undefined ? [] : [[peer.unit, peer.hostname] as const])),
  ]);
  return [
    {
      endpoint: 'region-cluster',
      relation: cluster.id,
      app: {
        schema: known ? schemaOf(state, known) : cluster.schema,
        url,
        target: known ? undefined : upgrade?.to,
        rotation: rotationOf(state) || undefined,
        look: preparation.asked === '' ? undefined : preparation.asked,
        regions: { ...remembered(cluster.regions, departed?.regions), ...present },
        racks: { ...remembered(cluster.racks, departed?.racks), ...racks },
        settings:
          known && state.isServing
            ? { relation: known.relation, values: wantedSettings(state.options) }
            : cluster.settings,
        tls: servedTls(state, known?.relation),
      },
      unit: { hostname, address, version: packageVersion, ready: preparation.version },
    },
  ];
}

/** Who has to be remembered: of those that are gone, only who MAAS still knows; all of them while it cannot be asked. */
function remembered(hostnames: Hostnames, departed: readonly Departed[] | undefined): Hostnames {
  const forgotten = new Set(
    (departed ?? []).filter(({ systemId }) => systemId === undefined).map(({ unit }) => unit),
  );
  return Object.fromEntries(Object.entries(hostnames).filter(([unit]) => !forgotten.has(unit)));
}

function apiBags(state: State, tls: TlsServed | undefined): readonly Databag[] {
  const { api, address } = state;
  const ports = [...extraPorts(state), ...tlsPorts(tls)];
  return api.map(
    (relation) =>
      ({
        endpoint: 'api',
        relation,
        unit: {
          hostname: address,
          port: REGION_HTTP_PORT,
          'health-check': '/MAAS/rpc/',
          ...(ports.length > 0 && { 'tcp-ports': ports }),
        },
      }) as const,
  );
}

function observerBags(
  { observers, app, model, version, options }: State,
  tls: TlsServed | undefined,
): readonly Databag[] {
  const web = tls
    ? ({ scheme: 'https', port: MAAS_TLS_PORT } as const)
    : ({ scheme: 'http', port: REGION_HTTP_PORT } as const);
  const seen = observability(version, web, options['prometheus-metrics']);
  return observers.map(
    (relation) =>
      ({
        endpoint: 'cos-agent',
        relation,
        unit: { config: cosAgentConfig({ charm: charmcraft.name, app, model }, seen) },
      }) as const,
  );
}

/** @param known once the database has been migrated */
function rpcBags(state: State, url: string, known: Known | undefined): readonly Databag[] {
  const { rpc, hostname, peers, cluster } = state;
  const schema = known ? schemaOf(state, known) : cluster?.schema;
  const regions = [hostname, ...peers.flatMap((peer) => peer.hostname ?? [])].toSorted();
  return rpc.map(
    ({ id }) =>
      ({
        endpoint: 'rpc',
        relation: id,
        app: {
          'maas-url': url,
          'maas-secret-id': new SecretRef(SECRET_LABEL),
          'maas-version': schema && majorMinor(schema.version),
          regions,
        },
        unit: { maas_url: url },
      }) as const,
  );
}

function statusesOf(
  state: State,
  url: string | undefined,
  known: Known | undefined,
  { mayServe, upgrade }: { readonly mayServe: boolean; readonly upgrade: Upgrade | undefined },
): readonly Status[] {
  const missing = missingForConfig(state, url);
  if (missing) return [missing];
  if (!known) return [waiting('the packages of MAAS')];
  const obstacle = state.isLeader ? obstacleOf(state) : undefined;
  if (obstacle !== undefined) return [blocked(obstacle)];
  if (!mayServe) return [notServing(state, known, upgrade)];
  const { portConflict } = state;
  if (portConflict) {
    const { holder, port, part } = portConflict;
    return [blocked(`${holder} listens on port ${port}, where ${part} would: stop and remove it`)];
  }
  if (!state.isServing) return [waiting('regiond to serve')];
  if (state.dnsProblem !== undefined)
    return [blocked(`named does not take its configuration, mend /etc/bind: ${state.dnsProblem}`)];
  const tlsProblem = tlsStatus(state);
  if (tlsProblem) return [tlsProblem];
  return [active([`serves ${known.url}`, ...notesOf(state)].join('; '))];
}

/** What a region waits for that could run and does not, because the database is not that of its MAAS. */
function notServing(
  { isLeader, cluster, app }: State,
  { packageVersion, relation }: Known,
  upgrade: Upgrade | undefined,
): Status {
  if (upgrade) {
    const what = isLeader && upgrade.lagging.length > 0 ? `${upgrade.lagging.join(', ')} to stop` : undefined;
    return maintenance(
      `${upgradeInWords(upgrade)}: waiting for ${what ?? 'the leader to migrate the database'}`,
    );
  }
  const schema = cluster?.schema;
  if (schema === undefined || schema.relation !== relation)
    return waiting('the leader to migrate the database');
  const [here, there] = inWords(packageVersion, schema.version);
  return blocked(
    `MAAS ${here} is installed here, and the database is that of ${there}: juju run ${app}/leader upgrade`,
  );
}

/** What the user should know, though MAAS serves. */
function notesOf(state: State): readonly string[] {
  const { options, vip, isLeader, departed, connectionLimit, peers, database } = state;
  if (!isLeader) return [];
  const regions = peers.length + 1;
  const needed = connectionsNeeded(regions, options['num-workers']);
  return [
    ...[notReady(state)].filter((note) => note !== undefined),
    ...(options['maas-url'] === '' && !vip && regions > 1
      ? ['this is the address of one region: relate keepalived-vip for one that outlives it']
      : []),
    ...(connectionLimit !== undefined && connectionLimit < needed && database.kind === 'ready'
      ? [
          `PostgreSQL allows ${connectionLimit} connections, ${regions} regions need max_connections=${needed}`,
        ]
      : []),
    ...(departed?.regions ?? []).flatMap(({ hostname, systemId, isRunning }) =>
      systemId === undefined ? [] : [`MAAS still lists ${hostname}${isRunning ? ' as running' : ''}`],
    ),
    ...(departed?.racks ?? []).flatMap(({ hostname, systemId, soleDhcpOf }) => {
      if (systemId === undefined) return [];
      if (soleDhcpOf.length === 0) return [`MAAS still lists ${hostname}`];
      return [
        `${hostname} is gone and was the only rack with DHCP on ${soleDhcpOf.join(' and ')}: add a rack there`,
      ];
    }),
  ];
}
