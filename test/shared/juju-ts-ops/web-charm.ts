// A charm that uses every part of the framework, and whose machine is a folder: it may run anywhere.
import {
  active,
  blocked,
  defineAction,
  defineCharm,
  defineInterface,
  definePeerInterface,
  integer,
  json,
  SecretLabel,
  raw,
  Redacted,
  UserError,
  waiting,
  type Juju,
  type Machine,
  type Plan,
} from 'juju-ts-ops';
import { z } from 'zod';

export const charmcraft = {
  name: 'web',
  subordinate: false,
  provides: { site: { interface: 'http', scope: 'global' } },
  requires: { db: { interface: 'sql', scope: 'global' } },
  peers: { cluster: { interface: 'web-cluster', scope: 'global' } },
  options: {
    port: { type: 'int', default: 80 },
    title: { type: 'string' },
    debug: { type: 'boolean', default: false },
  },
  actions: {
    greet: {
      params: { name: { type: 'string' }, times: { type: 'integer' } },
      required: ['name'],
    },
    crash: { params: {}, required: [] },
    'show-plan': { params: {}, required: [] },
    'show-status': { params: {}, required: [] },
  },
  storage: { data: { type: 'filesystem' } },
  resources: { theme: { type: 'file' } },
} as const;

/** What sites are given. */
export const KEY = new SecretLabel('key');

export const options = {
  port: z.int().min(1, 'a TCP port is 1 to 65535').max(65535, 'a TCP port is 1 to 65535'),
  title: z.string().default('Untitled'),
  debug: z.boolean(),
};

export const endpoints = {
  site: defineInterface({
    name: 'http',
    provider: { app: { url: raw, 'key-id': raw }, unit: { hostname: raw, port: integer } },
    requirer: { app: { paths: json(z.array(z.string())) }, unit: {} },
  }),
  db: defineInterface({
    name: 'sql',
    provider: { app: { host: raw, 'secret-user': raw }, unit: { port: integer } },
    requirer: { app: { database: raw }, unit: {} },
  }),
  cluster: definePeerInterface({ name: 'web-cluster', app: { generation: integer }, unit: { address: raw } }),
};

export type WebJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** A line of text that the machine has. */
export interface Line {
  readonly text: string;
}

const machine: Machine<Line> = {
  apply: () => Promise.resolve([]),
  preview: (lines) => Promise.resolve(lines.map(({ text }) => ({ what: 'line', how: text }))),
};

async function read(juju: WebJuju) {
  const [values, isLeader, databases, sites, clusters, key] = await Promise.all([
    juju.options(),
    juju.isLeader(),
    juju.relations('db'),
    juju.relations('site'),
    juju.relations('cluster'),
    juju.ownSecret(KEY),
  ]);
  const [database] = databases;
  const uri = database?.appData['secret-user'];
  return {
    values,
    isLeader,
    database,
    sites,
    cluster: clusters[0],
    key: key?.['value'] ?? new Redacted('k3y'),
    password: uri === undefined ? undefined : (await juju.secret(uri))['password'],
  };
}

type State = Awaited<ReturnType<typeof read>>;

export function plan(state: State): Plan<typeof charmcraft, typeof endpoints, Line> {
  const { values, database, sites, cluster } = state;
  const host = database?.appData.host;
  const key = { secret: KEY, content: { value: state.key }, grants: sites };
  return {
    machine: [{ text: `${values.title} on ${values.port}` }],
    databags: [
      ...(database ? [{ endpoint: 'db', relation: database.id, app: { database: 'web' } } as const] : []),
      ...(cluster
        ? [
            {
              endpoint: 'cluster',
              relation: cluster.id,
              app: { generation: 1 },
              unit: { address: 'here' },
            } as const,
          ]
        : []),
      ...sites.map(
        ({ id }) =>
          ({
            endpoint: 'site',
            relation: id,
            app: { url: `http://web:${values.port}`, 'key-id': key },
            unit: { hostname: 'web', port: values.port },
          }) as const,
      ),
    ],
    ports: [`${values.port}/tcp`],
    version: '1.0',
    status: [
      database
        ? host === undefined
          ? waiting(`${database.app} to say where it is`)
          : active(`${values.title} with ${host}${state.password ? ' and a password' : ''}`)
        : blocked('no database: juju integrate web:db <database>'),
    ],
  };
}

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  machine,
  on: {
    'db-relation-departed': ({ departingUnit }, juju) => juju.log('INFO', `${departingUnit} has gone`),
  },
  read,
  plan,
  teardown: () => Promise.resolve([]),
  actions: {
    greet: defineAction<WebJuju, { name: string; times?: number | undefined }>(
      z.object({ name: z.string(), times: z.int().optional() }),
      ({ name, times = 1 }, juju) => {
        if (name === 'nobody') throw new UserError('name=nobody: there is nobody to greet');
        return Promise.resolve({ greeting: `Hello ${name}. `.repeat(times).trim(), from: juju.context.unit });
      },
    ),
    crash: () => Promise.reject(new Error('boom', { cause: new Error('a wire came off') })),
  },
});
