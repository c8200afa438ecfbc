import { existsSync } from 'node:fs';
import type { Resource } from 'juju-ts-host';
import {
  active,
  blocked,
  maintenance,
  Redacted,
  waiting,
  type Plan,
  type SecretPlan,
  type Status,
} from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { beforeEtcd } from './etcd.ts';
import { CONFIG, PATRONI_PACKAGES, patroniResources, withoutPatroni } from './patroni.ts';
import { SHARED, tlsSecret, userSecret } from './secrets.ts';
import {
  createDatabase,
  EXTENSIONS,
  handToPatroni,
  lonelyServer,
  packages,
  ROTATION_MARK,
  tlsFiles,
} from './server.ts';
import type { Client, State } from './state.ts';

type PostgresqlPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): PostgresqlPlan {
  const { clients, version, cluster, passwords, tls } = state;
  const shared: SecretPlan = {
    secret: SHARED,
    content: passwords
      ? { ...passwords, ...(tls && { certificate: new Redacted(tls.certificate), key: tls.key }) }
      : 'kept',
    grants: [],
  };
  const told = clients.map((client) => ({
    client,
    user: userOf(client, state),
    certificate: certificateOf(client, state),
  }));
  const status = statusOf(state);
  return {
    machine: machineOf(state),
    secrets: [shared, ...told.flatMap(({ user, certificate }) => [user, certificate])],
    databags: [
      ...(cluster === undefined ? [] : [peerBag(cluster, state, shared)]),
      ...told.map((one) => databag(one, state)),
    ],
    ports: ['5432/tcp'],
    ...(version !== undefined && { version }),
    // Patroni tells of roles only, and not when a copy is there.
    ...(state.hasPatroni && status.level === 'waiting' && { reconcileIn: 15 }),
    status: [status],
  };
}

function machineOf(state: State): readonly Resource[] {
  const { place, version, hasPatroni, passwords } = state;
  // A server that is alone needs no Patroni, and is there in less time.
  const first = place === 'alone' ? packages([]) : [...beforeEtcd(), ...packages(PATRONI_PACKAGES)];
  if (version === undefined || place === 'outside' || !passwords) return first;
  const server = lonelyServer(state, version, passwords);
  const handOver: Resource = { kind: 'step', id: 'hand-to-patroni', run: () => handToPatroni(version) };
  // The data of the first unit are everybody's.
  const isFirst = state.members[0] === state.address;
  return [
    ...first,
    ...tlsFiles(state),
    ...(place === 'alone' ? server : []),
    ...(place === 'clustered' && isFirst && !hasPatroni ? [...server, handOver] : []),
    ...(place === 'clustered' ? patroniResources(state, version, passwords) : []),
    ...databases(state),
  ];
}

/** The leader makes what clients ask for, wherever the primary is. */
function databases({
  isLeader,
  primary,
  clients,
  options,
  passwords,
  isRotating,
}: State): readonly Resource[] {
  if (!isLeader || primary === undefined || !passwords) return [];
  const extensions = Object.fromEntries(
    Object.entries(EXTENSIONS).map(([name, option]) => [name, options[option]]),
  );
  const steps = clients.map((client): Resource => {
    const { relation, database, user, password } = client;
    return {
      kind: 'step',
      id: `database-of-${relation}`,
      inputs: { database, user, password: password.digest(), extensions: JSON.stringify(extensions) },
      run: () => createDatabase(client, primary, passwords.operator, extensions),
    };
  });
  return [...steps, ...(isRotating ? [{ kind: 'absent-file', path: ROTATION_MARK } satisfies Resource] : [])];
}

/** What is left when the unit goes. The data stays on the disk. */
export function teardown(): readonly Resource[] {
  return [
    ...(existsSync(CONFIG) ? withoutPatroni() : []),
    { kind: 'service', name: 'postgresql', state: 'stopped', enabled: false },
  ];
}

function statusOf({ clients, version, primary, address, place, view }: State): Status {
  const over = new Set(clients.map(({ endpoint, app }) => `${app} ${endpoint}`));
  const twice = clients.find(({ app }) => over.has(`${app} db`) && over.has(`${app} database`));
  if (twice)
    return blocked(`${twice.app} is related to both db and database: juju remove-relation one of them`);
  if (version === undefined) return maintenance('installing PostgreSQL');
  if (place === 'outside') return waiting('the leader to let this unit join the cluster');
  if (primary === undefined) return waiting('a primary');
  if (primary !== address) {
    const own = view?.members.find(({ host }) => host === address);
    return own && ['running', 'streaming'].includes(own.state)
      ? active(`standby of ${primary}`)
      : waiting(`this unit to have a copy of ${primary}`);
  }
  return active(clients.length === 0 ? '' : 'Primary');
}

function userOf({ relation, app, user, password, database, endpoint }: Client, state: State): SecretPlan {
  const uri = (host: string): Redacted =>
    password.map((secret) => `postgresql://${user}:${secret}@${host}:5432/${database}`);
  const { primary } = state;
  return {
    secret: userSecret(relation),
    content:
      primary === undefined
        ? 'kept'
        : {
            username: new Redacted(user),
            password,
            uris: uri(primary),
            'read-only-uris': uri(standbysOf(state)[0] ?? primary),
          },
    // Clients of the old interface get the password in the databag, as they expect it.
    grants: endpoint === 'database' ? [{ id: relation, app }] : [],
  };
}

function certificateOf({ relation, app, endpoint }: Client, { tls }: State): SecretPlan {
  return {
    secret: tlsSecret(relation),
    content:
      tls && endpoint === 'database'
        ? { tls: new Redacted('True'), 'tls-ca': new Redacted(tls.certificate) }
        : 'absent',
    grants: tls && endpoint === 'database' ? [{ id: relation, app }] : [],
  };
}

type Databag = NonNullable<PostgresqlPlan['databags']>[number];

function peerBag(relation: number, { address, members, view, primary }: State, shared: SecretPlan): Databag {
  return {
    endpoint: 'cluster',
    relation,
    unit: { address, role: view && (primary === address ? 'primary' : 'standby') },
    app: { 'secret-id': shared, members },
  };
}

function standbysOf({ members, primary }: State): readonly string[] {
  return members.filter((one) => one !== primary);
}

/** What a client is told. */
interface Told {
  readonly client: Client;
  readonly user: SecretPlan;
  readonly certificate: SecretPlan;
}

/** The leader tells clients; what another leader has told is taken back. */
function databag({ client, user: login, certificate }: Told, state: State): Databag {
  const { version = '', isLeader, primary: host } = state;
  const { relation, database, user, password, subnets, units, endpoint } = client;
  const standbys = standbysOf(state);
  if (endpoint === 'db') {
    const isTold = isLeader && host !== undefined;
    const connection = (at: string) => ({ host: at, port: 5432, database, user, password });
    return {
      endpoint,
      relation,
      unit: {
        database: isTold ? database : undefined,
        master: isTold ? connection(host) : undefined,
        standbys: isTold ? standbys.map(connection) : undefined,
        state: isTold ? (standbys.length === 0 ? 'standalone' : 'master') : undefined,
        version: isTold ? version : undefined,
        'allowed-subnets': isTold ? subnets : undefined,
        'allowed-units': isTold ? units : undefined,
      },
    };
  }
  return {
    endpoint,
    relation,
    app: {
      database,
      // Nothing while there is no primary, as the real charm has it.
      endpoints: host === undefined ? undefined : [`${host}:5432`],
      // The primary's own address where there is no standby, as the real charm has it.
      'read-only-endpoints':
        host === undefined
          ? undefined
          : (standbys.length === 0 ? [host] : standbys).map((one) => `${one}:5432`),
      version,
      'secret-user': login,
      'secret-tls': certificate,
    },
  };
}
