import type { Resource, StepResource } from 'juju-ts-host';
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
  relation: 1,
  schema: { version: MAAS_37, relation: 4 },
  url: 'http://10.0.0.200/MAAS',
  regions: { 'maas-region/0': 'region-0', 'maas-region/1': 'region-1', 'maas-region/2': 'region-2' },
  racks: { 'maas-rack/0': 'rack-0', 'maas-rack/1': 'rack-1' },
};

/** The parts of a state that have fields of their own. */
const SLICES = [
  'options',
  'region',
  'database',
  'cluster',
  'network',
  'config',
  'tls',
  'racks',
  'backup',
] as const;
type Slice = (typeof SLICES)[number];
type Some<T> = T extends unknown ? { readonly [F in keyof T]?: T[F] | undefined } : never;

/** What is different in a state: of a slice these fields alone, and `undefined` for what is absent. */
export type Changes = Some<Omit<State, Slice>> & { readonly [S in Slice]?: Some<State[S]> };

export function changed(base: State, changes: Changes): State {
  const slices = SLICES.map((slice) => [slice, present({ ...base[slice], ...changes[slice] })] as const);
  // Every field is of the base, or of the changes in its place.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { ...present({ ...base, ...changes }), ...Object.fromEntries(slices) } as unknown as State;
}

function present(fields: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A database that is got over another relation than that of {@link serving}. */
export function databaseOver(...ids: readonly number[]): Pick<State['database'], 'relations'> {
  return { relations: ids.map((id) => ({ id, endpoint: 'database' })) };
}

const SERVING: State = {
  hook: 'maas-region/0-update-status-1',
  unit: 'maas-region/0',
  app: 'maas-region',
  model: { name: 'maas', uuid: '12345678-aaaa-bbbb-cccc-0123456789ab' },
  isLeader: true,
  isBeingRemoved: false,
  isOutOfBalancers: false,
  region: {
    isPaused: false,
    source: 'ppa:maas/3.7',
    maas: DEB,
    isAdopted: false,
    isInitialised: true,
    version: '3.7',
    packageVersion: MAAS_37,
    packages: ['maas-region-api'],
    preparation: prepared('ppa:maas/3.7', MAAS_37),
    isHeld: false,
    foreignFiles: [],
    hostname: 'region-0',
    services: ['maas-regiond', 'maas-apiserver', 'maas-temporal', 'maas-temporal-worker'],
    currentConf: { database_host: '10.0.0.5', database_port: 5432 },
    secret: new Redacted(SECRET),
    isServing: true,
  },
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
  backup: { restoreFile: '/state/restoring', isRestoring: false },
  network: {
    address: '10.0.0.10',
    webAddress: '10.0.0.10',
    vip: { app: 'keepalived-vip', address: '10.0.0.200' },
    balancer: { app: 'haproxy', frontend: { scheme: 'http', port: 80 } },
    api: [9],
  },
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
    isProxyLeft: false,
    ...databaseOver(4),
    connectionLimit: 300,
    postgresqlVersion: 16,
  },
  cluster: {
    ...CLUSTER,
    peers: [
      { unit: 'maas-region/1', hostname: 'region-1', address: '10.0.0.11', version: MAAS_37, ready: MAAS_37 },
      { unit: 'maas-region/2', hostname: 'region-2', address: '10.0.0.12', version: MAAS_37, ready: MAAS_37 },
    ],
    departed: { regions: [], racks: [] },
  },
  tls: { isForgotten: false },
  racks: {
    relations: [{ id: 7, app: 'maas-rack' }],
    hostnames: { 'maas-rack/0': 'rack-0', 'maas-rack/1': 'rack-1' },
  },
  observers: [],
  config: { isNamedDown: false },
};

/** The leader of three regions behind a virtual IP and a balancer, serving, with a database and two racks. */
export function serving(changes: Changes = {}): State {
  return changed(SERVING, changes);
}

/** A unit that has looked at its source, and found this version. */
export function prepared(source: string, version?: string): State['region']['preparation'] {
  return {
    source,
    asked: '',
    isKnownSource: version !== undefined,
    file: '/state/prepared',
    ...(version !== undefined && { version }),
  };
}

/** A region that has just been installed: nothing is configured, its package has started regiond. */
export function fresh(changes: Changes = {}): State {
  const state = serving({
    region: { secret: undefined, isServing: false, currentConf: {} },
    database: { connectionLimit: undefined },
    cluster: { schema: undefined, url: undefined, regions: {}, racks: {}, departed: undefined },
  });
  return changed(state, changes);
}

/** What a plan does to the machine, in its order: `service:maas-regiond:running`. */
export function machineOf(state: State): readonly string[] {
  return namesOf(resourcesOf(state));
}

/** The same of what is done in turn. */
export function inTurnOf(state: State): readonly string[] {
  return namesOf(plan(state).rolling ?? []);
}

export function resourcesOf(state: State): readonly Resource[] {
  const { machine, rolling = [], afterRolling = [] } = plan(state);
  return [...machine, ...rolling, ...afterRolling];
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
