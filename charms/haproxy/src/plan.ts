import type { Resource } from '@maas-ha/host';
import type { Frontend } from '@maas-ha/interfaces/http';
import { active, blocked, waiting, type Plan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { awaitServing } from './haproxy.ts';
import { CERTIFICATE, CONFIG, descriptionOf, renderHaproxyCfg } from './render/haproxy-cfg.ts';
import type { State } from './state.ts';

type HaproxyPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): HaproxyPlan {
  const { web, options, certificate } = state;
  const ports = [
    options.port,
    ...web.frontends.map(({ port }) => port),
    ...(certificate ? [options['tls-port']] : []),
  ];
  return {
    machine: state.taken.length > 0 || options['stats-port'] === options.port ? [] : machine(state),
    databags: databags(state),
    ports: [...new Set(ports)].map((port) => `${port}/tcp`),
    status: status(state),
  };
}

/** What is left when the unit goes: nothing that runs, and nothing that starts with the machine. */
export function leave(): readonly Resource[] {
  return [
    { kind: 'service', name: 'haproxy', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: ['haproxy'] },
    { kind: 'absent-file', path: CERTIFICATE },
  ];
}

function machine({ options, web, maxConnections, certificate }: State): readonly Resource[] {
  // Where nothing is related yet the port is listened on all the same: it answers 503.
  const frontends =
    web.frontends.length > 0 ? web.frontends : [{ port: options.port, mode: 'http', services: [] } as const];
  const content = renderHaproxyCfg({
    frontends,
    balance: options.balance,
    serverTimeout: options['server-timeout'],
    tunnelTimeout: options['tunnel-timeout'],
    healthCheck: options['health-check'],
    statsPort: options['stats-port'],
    maxConnections,
    ...(certificate && { tls: { port: options['tls-port'], digest: certificate.pem.digest() } }),
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
    { kind: 'step', id: 'serving', inputs: { description }, run: () => awaitServing(description) },
  ];
}

function databags(state: State): NonNullable<HaproxyPlan['databags']> {
  const { options, web, reverseproxy, websites, address } = state;
  const [first] = web.frontends.flatMap((frontend) => frontend.services);
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
  ];
}

/** Where the servers of a relation are reached. */
function frontendOf(relation: number, { services, certificate, options }: State): Frontend {
  if (certificate) return { scheme: 'https', port: options['tls-port'] };
  const service = services.find(({ mode, relations }) => mode === 'http' && relations.includes(relation));
  return { scheme: 'http', port: service?.port ?? options.port };
}

function status(state: State): readonly Status[] {
  const { options, taken, web, reverseproxy, services } = state;
  const [holder] = taken;
  if (holder) {
    const option = [
      [options['stats-port'], 'stats-port='],
      [options['tls-port'], 'tls-port='],
    ].find(([port]) => port === holder.port)?.[1];
    return [
      blocked(
        `port ${holder.port} is held by ${holder.by}: stop that (systemctl disable --now ${holder.by}), or set another ${option ?? 'port='}`,
      ),
    ];
  }
  if (reverseproxy.length === 0)
    return [blocked('no servers: juju integrate haproxy:reverseproxy <application>')];
  const [conflict] = web.conflicts;
  if (options['stats-port'] === options.port)
    return [blocked(`stats-port=${options.port} is port= as well: set another`)];
  if (conflict !== undefined)
    return [blocked(`${conflict}: set another option, or juju remove-relation one of them`)];
  const silent = reverseproxy.filter(
    ({ id }) => !services.some(({ relations, servers }) => servers.length > 0 && relations.includes(id)),
  );
  return [
    ...(silent.length > 0
      ? [waiting(`${silent.map(({ app }) => app).join(', ')} to say where it serves`)]
      : []),
    serving(state),
  ];
}

/** What HAProxy itself says: `3 of 4 backends up: maas-region/2 down for 40 s`. */
function serving({ running, isCurrent, web }: State): Status {
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
  if (down.length === 0) return active(counts);
  const names = down.map(
    ({ backend, server, since }) => `${units.get(`${backend}/${server}`)} down for ${duration(since)}`,
  );
  const text = `${counts}: ${names.join(', ')}`;
  return down.length < known.length ? active(text) : waiting(text);
}

/** Seconds → `40 s`, `12 min`, `3 h`. */
function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
