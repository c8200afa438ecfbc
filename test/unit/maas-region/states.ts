import type { Resource, StepResource } from '@maas-ha/host';
import { DEB } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { plan } from '../../../charms/maas-region/src/plan.ts';
import type { State } from '../../../charms/maas-region/src/state.ts';

export const REGIOND_CONF = DEB.conf.region;
export const PASSWORD = 'dbPassw0rd';
export const SECRET = '0123456789abcdef0123456789abcdef';

/** Versions of MAAS' packages. */
export const MAAS_34 = '1:3.4.10-14366-g.518bf2c-0ubuntu1';
export const MAAS_37 = '1:3.7.3-17487-g.362c9ab-0ubuntu1';

/** What the leader of the three regions has said to the others. */
export const CLUSTER = {
  id: 1,
  schema: { version: MAAS_37, relation: 4 },
  url: 'http://10.0.0.200/MAAS',
  regions: { 'maas-region/0': 'region-0', 'maas-region/1': 'region-1', 'maas-region/2': 'region-2' },
  racks: { 'maas-rack/0': 'rack-0', 'maas-rack/1': 'rack-1' },
};

/** The leader of three regions behind a virtual IP and a balancer, serving, with a database and two racks. */
export function serving(known: Partial<State> = {}): State {
  return {
    hook: 'maas-region/0-update-status-1',
    unit: 'maas-region/0',
    app: 'maas-region',
    model: { name: 'maas', uuid: '12345678-aaaa-bbbb-cccc-0123456789ab' },
    isLeader: true,
    isLeaving: false,
    isOutOfBalancers: false,
    isPaused: false,
    options: {
      source: '',
      'maas-url': '',
      'database-name': 'maasdb',
      'num-workers': 4,
      debug: false,
      'http-proxy': '',
      'upstream-dns': '',
      'prometheus-metrics': false,
      'tls-mode': 'disabled',
      certificate: undefined,
      'database-proxy': true,
    },
    source: 'ppa:maas/3.7',
    maas: DEB,
    isInitialised: true,
    version: '3.7',
    packageVersion: MAAS_37,
    packages: ['maas-region-api'],
    preparation: prepared('ppa:maas/3.7', MAAS_37),
    restoreFile: '/state/restoring',
    isRestoring: false,
    isHeld: false,
    hostname: 'region-0',
    address: '10.0.0.10',
    webAddress: '10.0.0.10',
    database: {
      kind: 'ready',
      connection: {
        host: '10.0.0.5',
        port: 5432,
        database: 'maasdb',
        user: 'relation-4',
        password: new Redacted(PASSWORD),
      },
      standbys: [],
    },
    isDatabaseProxyLeft: false,
    databaseRelations: { db: [], database: [4] },
    cluster: CLUSTER,
    peers: [
      { unit: 'maas-region/1', hostname: 'region-1', address: '10.0.0.11', version: MAAS_37, ready: MAAS_37 },
      { unit: 'maas-region/2', hostname: 'region-2', address: '10.0.0.12', version: MAAS_37, ready: MAAS_37 },
    ],
    vip: { app: 'keepalived-vip', address: '10.0.0.200' },
    tls: { isForgotten: false },
    balancer: { app: 'haproxy', frontend: { scheme: 'http', port: 80 } },
    rpc: [{ id: 7, app: 'maas-rack' }],
    racks: { 'maas-rack/0': 'rack-0', 'maas-rack/1': 'rack-1' },
    api: [9],
    observers: [],
    services: ['maas-regiond', 'maas-apiserver', 'maas-temporal', 'maas-temporal-worker'],
    currentConf: { database_host: '10.0.0.5', database_port: 5432 },
    secret: new Redacted(SECRET),
    isServing: true,
    isNamedDown: false,
    departed: { regions: [], racks: [] },
    connectionLimit: 300,
    postgresqlVersion: 16,
    ...known,
  };
}

/** A unit that has looked at its source, and found this version. */
export function prepared(source: string, version?: string): State['preparation'] {
  return {
    source,
    asked: '',
    isKnownSource: version !== undefined,
    file: '/state/prepared',
    ...(version !== undefined && { version }),
  };
}

/** A region that has just been installed: nothing is configured, its package has started regiond. */
export function fresh(known: Partial<State> = {}): State {
  const { secret: _secret, departed: _departed, connectionLimit: _limit, ...rest } = serving();
  return { ...rest, cluster: { id: 1, regions: {}, racks: {} }, isServing: false, currentConf: {}, ...known };
}

/** What a plan does to the machine, in its order: `service:maas-regiond:running`. */
export function machineOf(state: State): readonly string[] {
  return namesOf(resourcesOf(state));
}

/** The same of what is done in turn. */
export function inTurnOf(state: State): readonly string[] {
  return namesOf(plan(state).inTurn ?? []);
}

function resourcesOf(state: State): readonly Resource[] {
  const { machine, inTurn = [], afterTurn = [] } = plan(state);
  return [...machine, ...inTurn, ...afterTurn];
}

function namesOf(resources: readonly Resource[]): readonly string[] {
  return resources.map((resource) =>
    resource.kind === 'service' ? `${idOf(resource)}:${resource.state}` : idOf(resource),
  );
}

function idOf(resource: Resource): string {
  if (resource.kind === 'step') return `step:${resource.id}`;
  if ('path' in resource) return `${resource.kind}:${resource.path}`;
  if ('names' in resource) return `${resource.kind}:${resource.names.join(',')}`;
  return `${resource.kind}:${resource.name}`;
}

/** The text of a file that a plan writes. */
export function fileOf(state: State, path: string): string | undefined {
  for (const resource of plan(state).machine) {
    if (resource.kind !== 'file' || resource.path !== path) continue;
    return typeof resource.content === 'string' ? resource.content : resource.content.reveal();
  }
  return undefined;
}

/** The inputs of a step, which decide whether it runs again. */
export function inputsOf(state: State, id: string): unknown {
  return stepOf(state, id)?.inputs;
}

export function stepOf(state: State, id: string): StepResource | undefined {
  return resourcesOf(state).find(
    (resource): resource is StepResource => resource.kind === 'step' && resource.id === id,
  );
}

/** What a plan writes into a databag of an endpoint. */
export function bagOf(state: State, endpoint: string, side: 'app' | 'unit'): unknown {
  return plan(state).databags?.find((databag) => databag.endpoint === endpoint)?.[side];
}
