import { drainMark, type Resource } from '@maas-ha/host';
import { cosAgentConfig } from '@maas-ha/interfaces/cos_agent';
import type { Frontend } from '@maas-ha/interfaces/http';
import { TLS_SECRET } from '@maas-ha/interfaces/tls-certificates';
import { active, blocked, waiting, type Plan, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { securePort } from './frontends.ts';
import { awaitDrained, awaitServing } from './haproxy.ts';
import { observability } from './observability.ts';
import { CERTIFICATE, CONFIG, descriptionOf, renderHaproxyCfg } from './render/haproxy-cfg.ts';
import type { State } from './state.ts';

const DRAIN_MARK = drainMark('haproxy');

type HaproxyPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): HaproxyPlan {
  if (state.isLeaving) return farewell(state);
  const { web, options, tls, statsPort } = state;
  const ports = [
    options.port,
    ...web.frontends.map(({ port }) => port),
    ...(tls.certificate ? [options['tls-port']] : []),
  ];
  return {
    machine: state.taken.length > 0 || statsPort === options.port ? [] : machine(state),
    secrets: secrets(state),
    databags: databags(state),
    ports: [...new Set(ports)].map((port) => `${port}/tcp`),
    status: status(state),
  };
}

/** A unit that is being removed serves as before, whoever else leaves, until its clients have been sent elsewhere. */
function farewell({ websites }: State): HaproxyPlan {
  return {
    machine: [DRAINING],
    databags: websites.map((relation) => ({ endpoint: 'website', relation, unit: {} }) as const),
    status: [waiting('to be removed')],
  };
}

const DRAINING: Resource = { kind: 'file', path: DRAIN_MARK, content: '', mode: 0o644 };

/**
 * What is left when the unit goes: nothing that runs, and nothing that starts with the machine.
 * @param leavingFor how long ago an earlier hook learnt that the unit goes, in seconds
 */
export function leave(isServing: boolean, leavingFor = 0): readonly Resource[] {
  return [
    ...(isServing
      ? [DRAINING, { kind: 'step', id: 'drain', run: () => awaitDrained(leavingFor) } satisfies Resource]
      : []),
    { kind: 'service', name: 'haproxy', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: ['haproxy'] },
    { kind: 'absent-file', path: CERTIFICATE },
    { kind: 'absent-file', path: DRAIN_MARK },
  ];
}

/** The key of the certificate that a CA signs. */
function secrets({ tls }: State): NonNullable<HaproxyPlan['secrets']> {
  if (tls.request) return [tls.request.secret];
  return tls.isForgotten ? [{ secret: TLS_SECRET, owner: 'unit', content: 'absent', grants: [] }] : [];
}

function machine({ options, web, maxConnections, hasIpv6, tls, statsPort }: State): readonly Resource[] {
  const { certificate } = tls;
  // Where nothing is related yet the port is listened on all the same: it answers 503.
  const frontends =
    web.frontends.length > 0 ? web.frontends : [{ port: options.port, mode: 'http', services: [] } as const];
  const content = renderHaproxyCfg({
    frontends,
    balance: options.balance,
    serverTimeout: options['server-timeout'],
    tunnelTimeout: options['tunnel-timeout'],
    healthCheck: options['health-check'],
    statsPort,
    maxConnections,
    hasIpv6,
    ...(certificate && {
      tls: {
        port: options['tls-port'],
        httpPort: securePort(frontends, options.port),
        digest: certificate.pem.digest(),
      },
    }),
    extraConfig: options['extra-config'],
  });
  const description = descriptionOf(content) ?? '';
  return [
    { kind: 'packages', names: ['haproxy'] },
    ...(certificate
      ? [{ kind: 'file', path: CERTIFICATE, content: certificate.pem, mode: 0o600 } as const]
      : []),
    {
      kind: 'file',
      path: CONFIG,
      content,
      mode: 0o644,
      // A warning counts as well: it says that HAProxy does something else than what is written.
      validate: ['haproxy', '-c', '-dW', '-f', '{}'],
    },
    ...(certificate ? [] : [{ kind: 'absent-file', path: CERTIFICATE } as const]),
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
  ];
}

function databags(state: State): NonNullable<HaproxyPlan['databags']> {
  const { options, web, reverseproxy, websites, observers, tls, app, model, address } = state;
  const [first] = web.frontends.find(({ port }) => port === options.port)?.services ?? [];
  return [
    ...reverseproxy.map(
      ({ id }) =>
        ({ endpoint: 'reverseproxy', relation: id, app: { frontend: frontendOf(id, state) } }) as const,
    ),
    ...websites.map(
      (relation) =>
        ({
          endpoint: 'website',
          relation,
          unit: {
            hostname: address,
            port: options.port,
            'health-check': options['health-check'] || first?.healthCheck || undefined,
          },
        }) as const,
    ),
    ...(tls.request
      ? [{ endpoint: 'certificates', relation: tls.request.relation, unit: tls.request.bag } as const]
      : []),
    // A CA is asked for nothing while the option counts.
    ...(tls.unused ? [{ endpoint: 'certificates', relation: tls.unused.relation, unit: {} } as const] : []),
    ...observers.map(
      (relation) =>
        ({
          endpoint: 'cos-agent',
          relation,
          unit: {
            config: cosAgentConfig({ charm: charmcraft.name, app, model }, observability(state.statsPort)),
          },
        }) as const,
    ),
  ];
}

/** Where the servers of a relation are reached. */
function frontendOf(relation: number, { services, web, tls, options }: State): Frontend {
  const service = services.find(({ mode, relations }) => mode === 'http' && relations.includes(relation));
  const port = service?.port ?? options.port;
  if (tls.certificate && (!service || port === securePort(web.frontends, options.port)))
    return { scheme: 'https', port: options['tls-port'] };
  return { scheme: 'http', port };
}

function status(state: State): readonly Status[] {
  const { options, taken, web, reverseproxy, services, statsPort } = state;
  const [holder] = taken;
  if (holder) {
    const option = [
      [statsPort, 'stats-port='],
      [options['tls-port'], 'tls-port='],
    ].find(([port]) => port === holder.port)?.[1];
    return [
      blocked(
        `port ${holder.port} is held by ${holder.by}: stop that (systemctl disable --now ${holder.by}), or set another ${option ?? 'port='}`,
      ),
    ];
  }
  if (reverseproxy.length === 0)
    return [blocked(`no servers: juju integrate ${state.app}:reverseproxy <application>`)];
  const [conflict] = web.conflicts;
  if (options['stats-port'] === options.port)
    return [blocked(`stats-port=${statsPort} is port= as well: set another`)];
  if (conflict !== undefined)
    return [blocked(`${conflict}: set another option, or juju remove-relation one of them`)];
  const silent = reverseproxy.filter(
    ({ id }) => !services.some(({ relations, servers }) => servers.length > 0 && relations.includes(id)),
  );
  return [
    ...(silent.length > 0
      ? [waiting(`${silent.map(({ app }) => app).join(', ')} to say where it serves${misread(silent)}`)]
      : []),
    ...https(state),
    serving(state),
  ];
}

/** What is in the databags and cannot be read; of several the first. */
function misread(relations: State['reverseproxy']): string {
  const [first, ...more] = relations.flatMap(({ problems }) => problems);
  if (first === undefined) return '';
  return `; not understood: ${first}${more.length > 0 ? `, and ${more.length} more` : ''}`;
}

function https({ tls: { request, unused }, app }: State): readonly Status[] {
  if (unused)
    return [
      blocked(
        `certificate= is served, and ${unused.app} is related to certificates as well: juju config ${app} --reset certificate, or juju remove-relation ${app}:certificates ${unused.app}`,
      ),
    ];
  if (!request || request.answer.kind === 'issued') return [];
  const { kind, reason } = request.answer;
  return [
    kind === 'waiting' ? waiting(reason) : blocked(`${reason}: set other tls-names=, or relate another CA`),
  ];
}

/** What HAProxy itself says: `3 of 4 backends up: maas-region/2 down for 40 s`. */
function serving({ running, isCurrent, web, reverseproxy }: State): Status {
  if (!running) return waiting('HAProxy to answer: it does not run, or hangs');
  if (!isCurrent) return waiting('HAProxy to take the new configuration; it serves the one of before');
  const ports = web.frontends.map(({ port }) => port).join(', ');
  const units = new Map(
    web.frontends.flatMap(({ services }) =>
      services.flatMap(({ name, servers }) =>
        servers.map((server) => [`${name}/${server.name}`, server.unit ?? server.name] as const),
      ),
    ),
  );
  const known = running.servers.filter(({ backend, server }) => units.has(`${backend}/${server}`));
  const down = known.filter(({ status: now }) => !/^(UP|no check)/.test(now));
  const counts = `${known.length - down.length} of ${known.length} backends up behind port ${ports}`;
  if (down.length === 0) return active(`${counts}${misread(reverseproxy)}`);
  const names = down.map(
    ({ backend, server, since }) => `${units.get(`${backend}/${server}`)} down for ${duration(since)}`,
  );
  const text = `${counts}: ${names.join(', ')}${misread(reverseproxy)}`;
  return down.length < known.length ? active(text) : waiting(text);
}

/** Seconds → `40 s`, `12 min`, `3 h`. */
function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
