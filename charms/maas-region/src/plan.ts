import type { Resource } from '@maas-ha/host';
import type { DatabaseConnection } from '@maas-ha/interfaces/database';
import { MAAS_SECRET_KEY } from '@maas-ha/interfaces/maas-rpc';
import { REQUESTED_SECRETS } from '@maas-ha/interfaces/postgresql_client';
import { forgetIdentity, maasUrl, REGION_HTTP_PORT, renderMaasConfig } from '@maas-ha/maas';
import { active, blocked, SecretRef, waiting, type Plan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { awaitServing, migrateDatabase } from './regiond.ts';
import { REGION_PACKAGE, REGIOND_CONF, type State } from './state.ts';

type RegionPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;
type Databag = NonNullable<RegionPlan['databags']>[number];

const SECRET_LABEL = 'maas-rpc-secret';

export function plan(state: State): RegionPlan {
  const url = urlOf(state);
  const missing = missingForConfig(state, url);
  const isMigrated = state.version !== undefined && state.schema === state.version;
  const mayMigrate = !missing && state.version !== undefined && state.isLeader;
  const mayServe = !missing && (isMigrated || mayMigrate);
  return {
    machine: [
      ...installation(state),
      ...(url !== undefined && state.database.kind === 'ready' && state.version !== undefined
        ? [configuration(state, url, state.database.connection)]
        : []),
      ...(mayMigrate && !isMigrated ? [migration(state)] : []),
      ...(mayServe ? serving(state) : []),
    ],
    secrets:
      state.secret && url !== undefined
        ? [{ label: SECRET_LABEL, content: { [MAAS_SECRET_KEY]: state.secret }, grants: state.rpc }]
        : [],
    databags: [
      ...databaseRequests(state),
      ...clusterBags(state, isMigrated || mayMigrate),
      ...(mayServe ? apiBags(state) : []),
      ...(state.secret && url !== undefined ? rpcBags(state, url) : []),
    ],
    ports: [`${REGION_HTTP_PORT}/tcp`, '5250-5259/tcp', '53/tcp', '53/udp', '8000/tcp'],
    ...(state.version !== undefined && { version: state.version }),
    status: [
      missing ?? (mayServe ? servingStatus(state, url) : waiting('the leader to migrate the database')),
    ],
  };
}

/** What is left when the unit goes: a region that has said goodbye to the others, and runs no more. */
export function leave(): readonly Resource[] {
  return [
    { kind: 'service', name: 'maas-regiond', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: [REGION_PACKAGE] },
  ];
}

/**
 * Where regions and racks reach MAAS: what the user says, or the virtual address behind the balancer's port, or
 * without one the first region. The same on every unit, because the last region to start writes it into the database.
 */
function urlOf({ options, vip, balancer, unit, address, peers }: State): string | undefined {
  if (options['maas-url'] !== '') return options['maas-url'];
  if (vip) {
    if (vip.address === undefined || (balancer && !balancer.frontend)) return undefined;
    const { scheme, port } = balancer?.frontend ?? { scheme: 'http', port: REGION_HTTP_PORT };
    return maasUrl(scheme, vip.address, port);
  }
  const [first] = [...peers, { unit, address }].toSorted((a, b) =>
    a.unit.localeCompare(b.unit, 'en', { numeric: true }),
  );
  return first?.address === undefined ? undefined : maasUrl('http', first.address, REGION_HTTP_PORT);
}

/** Why regiond cannot be configured yet; nothing if it can. */
function missingForConfig(state: State, url: string | undefined): Status | undefined {
  if (state.database.kind === 'none') {
    return blocked('no database: juju integrate maas-region:database postgresql:database');
  }
  if (state.database.kind === 'waiting') return waiting(state.database.reason);
  if (url !== undefined) return undefined;
  const { vip, balancer } = state;
  if (vip && vip.address === undefined) return waiting(`${vip.app} to have a virtual address`);
  if (balancer && !balancer.frontend) return waiting(`${balancer.app} to say where it listens`);
  return waiting('the first region to have an address');
}

function installation({ source }: State): readonly Resource[] {
  return [
    { kind: 'source', name: 'maas', source },
    { kind: 'packages', names: [REGION_PACKAGE] },
    { kind: 'step', id: 'forget-identity', inputs: {}, run: () => forgetIdentity('maas-regiond') },
  ];
}

function configuration(state: State, url: string, database: DatabaseConnection): Resource {
  const { options, currentConf, version = '', address } = state;
  const hasTemporal = version.localeCompare('3.5', 'en', { numeric: true }) >= 0;
  const content = renderMaasConfig(currentConf, {
    maas_url: url,
    database_host: database.host,
    database_port: database.port,
    database_name: database.database,
    database_user: database.user,
    database_pass: database.password.reveal(),
    num_workers: options['num-workers'],
    debug: options.debug,
    // Else MAAS takes the address that it reaches the URL from, which is the virtual one on the machine that holds it.
    ...(hasTemporal && { broadcast_address: address }),
  });
  return {
    kind: 'file',
    path: REGIOND_CONF,
    content,
    mode: 0o640,
    owner: 'root',
    group: 'maas',
    // MAAS checks every value whenever it reads the file; this makes it do so before the file counts.
    validate: ['env', 'MAAS_REGION_CONFIG={}', 'maas-region', 'local_config_get', '--maas-url'],
  };
}

function migration({ version = '', database }: State): Resource {
  const where = database.kind === 'ready' ? database.connection : undefined;
  return {
    kind: 'step',
    id: 'migrate-database',
    inputs: { version, host: where?.host ?? '', database: where?.database ?? '' },
    run: migrateDatabase,
  };
}

function serving({ services, isServing, hostname }: State): readonly Resource[] {
  return [
    ...services.map((name): Resource => ({
      kind: 'service',
      name,
      state: 'running',
      enabled: true,
      onChange: 'restart',
      after: [REGIOND_CONF],
    })),
    ...(isServing
      ? []
      : [{ kind: 'step', id: 'await-serving', run: () => awaitServing(hostname) } satisfies Resource]),
  ];
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

function clusterBags(
  { cluster, schema, version, hostname, address }: State,
  isMigrated: boolean,
): readonly Databag[] {
  if (cluster === undefined) return [];
  return [
    {
      endpoint: 'region-cluster',
      relation: cluster,
      app: { schema: isMigrated ? version : schema },
      unit: { hostname, address },
    },
  ];
}

function apiBags({ api, address }: State): readonly Databag[] {
  return api.map(
    (relation) =>
      ({
        endpoint: 'api',
        relation,
        unit: { hostname: address, port: REGION_HTTP_PORT, 'health-check': '/MAAS/rpc/' },
      }) as const,
  );
}

function rpcBags({ rpc, hostname, peers }: State, url: string): readonly Databag[] {
  const regions = [hostname, ...peers.flatMap((peer) => peer.hostname ?? [])].toSorted();
  return rpc.map(
    ({ id }) =>
      ({
        endpoint: 'rpc',
        relation: id,
        app: { 'maas-url': url, 'maas-secret-id': new SecretRef(SECRET_LABEL), regions },
        unit: { maas_url: url },
      }) as const,
  );
}

function servingStatus({ isServing }: State, url: string | undefined): Status {
  return isServing ? active(`serves ${url ?? ''}`) : waiting('regiond to serve');
}
