import {
  awaitDrained,
  draining,
  drainMark,
  markOf,
  markPath,
  type Occupant,
  type Resource,
} from 'juju-ts-host';
import { cosAgentConfig } from 'juju-ts-interfaces/cos_agent';
import type { Frontend } from 'juju-ts-interfaces/http';
import { TLS_SECRET } from 'juju-ts-interfaces/tls-certificates';
import { active, backoff, blocked, waiting, type Message, type Plan, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { databag, type endpoints } from './endpoints.ts';
import { securePort } from './frontends.ts';
import { configOf } from './config.ts';
import { awaitServing, CHECK, complaintOf, HAPROXY } from './haproxy.ts';
import type { stored } from './juju.ts';
import { observability } from './observability.ts';
import { certificatePath, CONFIG, descriptionOf, renderHaproxyCfg } from './render/haproxy-cfg.ts';
import type { PortOption, State } from './state.ts';

const DRAIN_MARK = drainMark('haproxy');

type HaproxyPlan = Plan<typeof charmcraft, typeof endpoints, Resource, typeof stored>;

export function plan(state: State): HaproxyPlan {
  // Whoever was here first: its files, its package and its service stay as they are.
  if (state.occupant) return { machine: [], status: [occupied(state.occupant)] };
  if (state.isBeingRemoved) return farewell(state);
  const { web, options, tls, given } = state;
  const ports = [
    options.port,
    ...web.frontends.map(({ port }) => port),
    ...(tls.certificate ? [options['tls-port']] : []),
  ];
  return {
    machine: machine(state),
    secrets: secrets(state),
    databags: databags(state),
    ports: [...new Set(ports)].map((port) => `${port}/tcp`),
    stored: { options: given },
    reconcileIn: reconcileIn(state),
    status: status(state),
  };
}

function occupied(occupant: Occupant): Status {
  return occupant.kind === 'program'
    ? blocked(`${occupant.name} looks after the HAProxy of this machine: juju remove-relation one of the two`)
    : blocked(`HAProxy was set up by hand here: to hand it over, move ${occupant.config} away`);
}

/** A unit that is being removed serves as before, whoever else leaves, until its clients have been sent elsewhere. */
function farewell({ websites }: State): HaproxyPlan {
  return {
    machine: [DRAINING],
    databags: websites.map((relation) => databag('website', relation, { unit: {} })),
    status: [waiting('to be removed')],
  };
}

const DRAINING = draining('haproxy');

/** What is on a machine that a unit leaves. */
export interface Left {
  readonly isServing: boolean;
  /** Paths of its certificates. */
  readonly files: readonly string[];
  /** How long ago an earlier hook learnt that the unit goes, in seconds. */
  readonly removalFor?: number | undefined;
}

/** What is left when the unit goes: nothing that runs, and nothing that starts with the machine. */
export function teardown({ isServing, files, removalFor = 0 }: Left): readonly Resource[] {
  return [
    ...(isServing
      ? [DRAINING, { kind: 'step', id: 'drain', run: () => awaitDrained(removalFor) } satisfies Resource]
      : []),
    { kind: 'service', name: 'haproxy', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: ['haproxy'] },
    ...files.map((path) => ({ kind: 'absent-file', path }) as const),
    { kind: 'absent-file', path: DRAIN_MARK },
    { kind: 'absent-file', path: markPath(HAPROXY) },
  ];
}

/** The key of the certificate that a CA signs. */
function secrets({ tls }: State): NonNullable<HaproxyPlan['secrets']> {
  if (tls.request) return [tls.request.secret];
  return tls.isForgotten ? [{ secret: TLS_SECRET, owner: 'unit', content: 'absent', grants: [] }] : [];
}

/** Nothing where another program has every port. */
function machine(state: State): readonly Resource[] {
  const { certificate } = state.tls;
  const path = certificate && certificatePath(certificate.pem.digest());
  const config = configOf(state, path);
  if (!config) return [];
  const content = renderHaproxyCfg(config);
  const description = descriptionOf(content) ?? '';
  return [
    markOf(HAPROXY, { name: state.unit, home: state.home }),
    { kind: 'packages', names: ['haproxy'] },
    // HAProxy reads it once the configuration names it, and not before.
    ...(certificate && path !== undefined
      ? [{ kind: 'file', path, content: certificate.pem, mode: 0o600 } as const]
      : []),
    { kind: 'file', path: CONFIG, content, mode: 0o644, validate: CHECK, complaint: complaintOf },
    {
      kind: 'service',
      name: 'haproxy',
      state: 'running',
      enabled: true,
      onChange: 'reload',
      after: [CONFIG],
    },
    { kind: 'absent-file', path: DRAIN_MARK },
    { kind: 'step', id: 'serving', inputs: { description }, run: () => awaitServing(description) },
    ...state.certificateFiles
      .filter((file) => file !== path)
      .map((file) => ({ kind: 'absent-file', path: file }) as const),
  ];
}

function databags(state: State): NonNullable<HaproxyPlan['databags']> {
  const { options, taken, web, reverseproxy, websites, observers, tls, app, model, address } = state;
  const [first] = web.frontends.find(({ port }) => port === options.port)?.services ?? [];
  return [
    ...reverseproxy.map(({ id }) =>
      databag('reverseproxy', id, { app: { frontend: frontendOf(id, state) } }),
    ),
    ...websites.map((relation) =>
      databag('website', relation, {
        // What has the port instead would have the clients.
        unit: taken.some(({ port }) => port === options.port)
          ? {}
          : {
              hostname: address || undefined,
              port: options.port,
              'health-check': options['health-check'] || first?.healthCheck || undefined,
            },
      }),
    ),
    ...(tls.request ? [databag('certificates', tls.request.relation, { unit: tls.request.bag })] : []),
    // A CA is asked for nothing while the option counts.
    ...(tls.unused ? [databag('certificates', tls.unused.relation, { unit: {} })] : []),
    ...observers.map((relation) =>
      databag('cos-agent', relation, {
        unit: {
          config: cosAgentConfig({ charm: charmcraft.name, app, model }, observability(state.statsPort)),
        },
      }),
    ),
  ];
}

/** Where the servers of a relation are reached; `undefined` where others have their ports. */
function frontendOf(relation: number, { services, web, tls, options }: State): Frontend | undefined {
  const own = services.filter(
    ({ mode, relations, servers }) => mode === 'http' && servers.length > 0 && relations.includes(relation),
  );
  const served = own.find(({ name }) =>
    web.frontends.some((frontend) => frontend.services.some((service) => service.name === name)),
  );
  if (own.length > 0 && !served) return undefined;
  const port = served?.port ?? options.port;
  if (tls.certificate && (!served || port === securePort(web.frontends, options.port)))
    return { scheme: 'https', port: options['tls-port'] };
  return { scheme: 'http', port };
}

function status(state: State): readonly Status[] {
  const { taken, web, reverseproxy, services, app } = state;
  const silent = reverseproxy.filter(
    ({ id }) => !services.some(({ relations, servers }) => servers.length > 0 && relations.includes(id)),
  );
  return [
    ...taken.map(({ port, option, by }) => blocked(`port ${port} is held by ${by}: ${wayOut(option, by)}`)),
    ...(reverseproxy.length === 0
      ? [blocked(`no servers: juju integrate ${app}:reverseproxy <application>`)]
      : []),
    ...state.refused.map((text) => blocked(text)),
    ...web.conflicts
      .filter(({ port }) => !taken.some((one) => one.port === port))
      .map(({ text }) => blocked(text)),
    ...state.doubles.map(({ units, place }) =>
      blocked((list) => `${list(units)} share ${place}: juju bind them to a network of their own`),
    ),
    ...expired(state),
    ...(silent.length > 0
      ? [waiting((list) => `${list(silent.map((one) => one.app))} to say where it serves`, misread(silent))]
      : []),
    ...https(state),
    ...(reverseproxy.length > 0 ? [serving(state)] : []),
  ];
}

/** What can be stopped without harm where HAProxy is to serve; all else may be what somebody works on this machine with. */
const WEB_SERVERS = ['apache2', 'nginx', 'lighttpd', 'caddy'];

function wayOut(option: PortOption, by: string): string {
  return WEB_SERVERS.includes(by)
    ? `systemctl disable --now ${by}, or set another ${option}=`
    : `set another ${option}=`;
}

function expired({ tls: { certificate, request, unused } }: State): readonly Status[] {
  if (certificate?.expired === undefined) return [];
  const whose = request && !unused ? 'the certificate of the CA' : 'certificate=';
  return [
    blocked(
      `${whose} expired on ${certificate.expired}: ${request ? 'ask the CA for another' : 'juju update-secret'}`,
    ),
  ];
}

/** What is in the databags and cannot be read. */
function misread(relations: State['reverseproxy']): readonly string[] {
  return relations.flatMap(({ problems }) => problems.map((problem) => `not understood: ${problem}`));
}

function https({ tls: { request, unused }, app }: State): readonly Status[] {
  if (unused)
    return [
      blocked(
        `certificate= is served, not that of ${unused.app}: reset it, or remove the relation`,
        undefined,
        [
          `juju config ${app} --reset certificate`,
          `or juju remove-relation ${app}:certificates ${unused.app}`,
        ],
      ),
    ];
  if (!request || request.answer.kind === 'issued') return [];
  const { kind, reason } = request.answer;
  return [kind === 'waiting' ? waiting(reason) : blocked(reason, 'set tls-names=, or relate another CA')];
}

/** What HAProxy itself says: `3 of 4 backends up: maas-region/2 down for 40 s`. */
function serving(state: State): Status {
  const { running, isCurrent, web, reverseproxy } = state;
  if (!running) return waiting('HAProxy to answer: it does not run, or hangs');
  if (!isCurrent) return waiting('HAProxy to take the new configuration; it serves the one of before');
  const ports = web.frontends.map(({ port }) => String(port));
  const known = ownServers(state);
  const down = known.filter(({ isUp }) => !isUp);
  const counts = `${known.length - down.length} of ${known.length} backends up behind port`;
  const names = down.map(({ unit, since }) => `${unit} down for ${duration(since)}`);
  const message: Message = (list) => `${counts} ${list(ports)}${names.length > 0 ? `: ${list(names)}` : ''}`;
  const isServing = down.length === 0 || down.length < known.length;
  return (isServing ? active : waiting)(message, misread(reverseproxy));
}

/** What HAProxy knows of the servers that it is configured with, and which units they are. */
function ownServers({ running, web }: State) {
  const units = new Map(
    web.frontends.flatMap(({ services }) =>
      services.flatMap(({ name, servers }) =>
        servers.map((server) => [`${name}/${server.name}`, server.unit ?? server.name] as const),
      ),
    ),
  );
  return (running?.servers ?? []).flatMap(({ backend, server, status: now, since }) => {
    const unit = units.get(`${backend}/${server}`);
    return unit === undefined ? [] : [{ unit, since, isUp: /^(UP|no check)/.test(now) }];
  });
}

/** No event tells that HAProxy answers, or that a server has come back: a status that says it is down would stay for minutes. */
function reconcileIn(state: State): number | undefined {
  if (!state.running || !state.isCurrent) return 30;
  const outages = ownServers(state).flatMap(({ isUp, since }) => (isUp ? [] : [since]));
  return outages.length === 0 ? undefined : backoff(Math.min(...outages));
}

/** Seconds → `40 s`, `12 min`, `3 h`. */
function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
