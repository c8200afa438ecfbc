import { lastLines, run, tryRun, type Resource } from 'juju-ts-host';
import { cosAgentConfig } from 'juju-ts-interfaces/cos_agent';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { REQUESTED_SECRETS } from 'juju-ts-interfaces/postgresql_client';
import { TLS_SECRET } from 'juju-ts-interfaces/tls-certificates';
import { active, blocked, waiting, WaitingError, type Plan, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { databag, type endpoints } from './endpoints.ts';
import { observability } from './observability.ts';
import type { State } from './read.ts';
import {
  AUTHORITY,
  CERTIFICATE,
  CONFIG,
  KEY,
  PYTHON,
  renderConfig,
  SERVER,
  SERVER_CONTENT,
  SERVICE,
  UNIT,
  UNIT_CONTENT,
  USER,
} from './server.ts';

const PACKAGES = ['python3', 'python3-psycopg2'] as const;
const SECRET = { mode: 0o640, group: USER } as const;

export function plan(state: State): Plan<typeof charmcraft, typeof endpoints, Resource> {
  const { app, model, options, address, websites, agents, database, tls } = state;
  const { port, 'tls-port': tlsPort } = options;
  const { request } = tls;
  return {
    machine: [...installed(), ...certificate(tls), ...served(state)],
    secrets: request
      ? [request.secret]
      : tls.isForgotten
        ? [{ secret: TLS_SECRET, owner: 'unit', content: 'absent', grants: [] }]
        : [],
    databags: [
      ...(database
        ? [
            databag('database', database.relation, {
              app: { database: 'guestbook', 'requested-secrets': [...REQUESTED_SECRETS] },
            }),
          ]
        : []),
      ...(request ? [databag('certificates', request.relation, { unit: request.bag })] : []),
      ...websites.map((relation) =>
        databag('website', relation, {
          unit: {
            hostname: address,
            port,
            'health-check': '/healthz',
            // TLS ends at the unit: the balancer passes it through.
            ...(request && { 'tcp-ports': [[443, tlsPort]] as const }),
          },
        }),
      ),
      ...agents.map((relation) =>
        databag('cos-agent', relation, {
          unit: { config: cosAgentConfig({ charm: charmcraft.name, app, model }, observability) },
        }),
      ),
    ],
    ports: [`${port}/tcp`, ...(request ? [`${tlsPort}/tcp`] : [])],
    status: statusOf(state),
  };
}

/** What is there whether or not there is a database. */
function installed(): readonly Resource[] {
  return [
    { kind: 'packages', names: PACKAGES },
    { kind: 'user', name: USER },
    { kind: 'file', path: SERVER, content: SERVER_CONTENT, mode: 0o644 },
    { kind: 'file', path: UNIT, content: UNIT_CONTENT, mode: 0o644 },
    {
      kind: 'step',
      id: 'daemon-reload',
      inputs: { unit: UNIT_CONTENT },
      run: async () => {
        await run(['systemctl', 'daemon-reload']);
      },
    },
  ];
}

/** While the CA has yet to answer, the unit goes on with the certificate that it has. */
function certificate({ request }: State['tls']): readonly Resource[] {
  if (!request) return [CERTIFICATE, KEY].map((path) => ({ kind: 'absent-file', path }));
  if (request.answer.kind !== 'issued') return [];
  const { certificate: content, key } = request.answer;
  return [
    { kind: 'file', path: KEY, content: key, ...SECRET },
    { kind: 'file', path: CERTIFICATE, content: `${content}\n`, mode: 0o644 },
  ];
}

/** While the database has no primary, the server goes on with what it has. */
function served({ database, options, isLeader }: State): readonly Resource[] {
  if (!database) return stopped();
  if (database.state.kind === 'waiting') return [];
  const { connection, authority } = database.state;
  const { title, port, 'tls-port': tlsPort } = options;
  const config = renderConfig({ title, port, 'tls-port': tlsPort }, connection, authority !== undefined);
  return [
    authority === undefined
      ? { kind: 'absent-file', path: AUTHORITY }
      : { kind: 'file', path: AUTHORITY, content: authority, mode: 0o644 },
    { kind: 'file', path: CONFIG, content: config, ...SECRET },
    ...(isLeader ? [createTable(connection)] : []),
    {
      kind: 'service',
      name: SERVICE,
      state: 'running',
      enabled: true,
      after: [SERVER, UNIT, CONFIG, AUTHORITY, CERTIFICATE, KEY],
    },
  ];
}

/** Once for each server: after a failover the table is there, and this changes nothing. */
function createTable({ host, port, database }: DatabaseConnection): Resource {
  return {
    kind: 'step',
    id: 'create-table',
    inputs: { database: `${host}:${port}/${database}` },
    run: async () => {
      const { exitCode, stderr } = await tryRun([PYTHON, SERVER, 'migrate']);
      if (exitCode !== 0)
        throw new WaitingError(`for the database to take the table: ${lastLines(stderr, 1)}`);
    },
  };
}

function stopped(): readonly Resource[] {
  return [
    { kind: 'service', name: SERVICE, state: 'stopped', enabled: false },
    { kind: 'absent-file', path: CONFIG },
  ];
}

function statusOf({ app, options, database, tls: { request } }: State): readonly Status[] {
  if (!database) return [blocked('no database', `juju integrate ${app}:database postgresql:database`)];
  const { title, port, 'tls-port': tlsPort } = options;
  const answer = request?.answer;
  return [
    ...(database.state.kind === 'waiting' ? [waiting(database.state.reason)] : []),
    ...(answer?.kind === 'refused' ? [blocked(answer.reason)] : []),
    ...(answer?.kind === 'waiting' ? [waiting(answer.reason)] : []),
    active(
      `serves ${title} on port ${port}${answer?.kind === 'issued' ? ` and with TLS on ${tlsPort}` : ''}`,
    ),
  ];
}

/** What is left when the unit goes. The entries stay in the database. */
export function teardown(): readonly Resource[] {
  return [
    ...stopped(),
    ...[AUTHORITY, CERTIFICATE, KEY, UNIT, SERVER].map((path) => ({ kind: 'absent-file', path }) as const),
    { kind: 'absent-user', name: USER },
    { kind: 'absent-packages', names: PACKAGES },
  ];
}
