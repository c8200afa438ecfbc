import type { Resource } from '@maas-ha/host';
import { active, blocked, waiting, type Plan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { renderHaproxyCfg } from './render/haproxy-cfg.ts';
import type { State } from './state.ts';

const CONFIG = '/etc/haproxy/haproxy.cfg';

export function plan(state: State): Plan<typeof charmcraft, typeof endpoints, Resource> {
  const { options, servers, reverseproxy } = state;
  const { port } = options;
  return {
    machine: state.portTakenBy === undefined ? machine(state) : [],
    databags: [
      ...(reverseproxy === undefined
        ? []
        : [
            {
              endpoint: 'reverseproxy',
              relation: reverseproxy,
              app: { frontend: { scheme: 'http', port } },
            } as const,
          ]),
      ...state.websites.map(
        (relation) =>
          ({
            endpoint: 'website',
            relation,
            unit: { hostname: state.address, port, 'health-check': servers?.healthCheck },
          }) as const,
      ),
    ],
    ports: [`${port}/tcp`],
    status: [status(state)],
  };
}

/** What is left when the unit goes: nothing that runs, and nothing that starts with the machine. */
export function leave(): readonly Resource[] {
  return [
    { kind: 'service', name: 'haproxy', state: 'stopped', enabled: false },
    { kind: 'absent-packages', names: ['haproxy'] },
  ];
}

function machine({ options, servers }: State): readonly Resource[] {
  const content = renderHaproxyCfg({
    port: options.port,
    balance: options.balance,
    serverTimeout: options['server-timeout'],
    tunnelTimeout: options['tunnel-timeout'],
    healthCheck: options['health-check'] || (servers?.healthCheck ?? ''),
    statsPort: options['stats-port'],
    extraConfig: options['extra-config'],
    backends: servers?.backends ?? [],
  });
  return [
    { kind: 'packages', names: ['haproxy'] },
    { kind: 'file', path: CONFIG, content, mode: 0o644, validate: ['haproxy', '-c', '-q', '-f', '{}'] },
    {
      kind: 'service',
      name: 'haproxy',
      state: 'running',
      enabled: true,
      onChange: 'reload',
      after: [CONFIG],
    },
  ];
}

function status({ options, servers, portTakenBy }: State): Status {
  if (portTakenBy !== undefined) {
    return blocked(`port ${options.port} is held by ${portTakenBy}: stop that, or set another port=`);
  }
  if (!servers) return blocked('no servers: juju integrate haproxy:reverseproxy <application>');
  const { app, backends } = servers;
  if (backends.length === 0) return waiting(`${app} to say where it serves`);
  return active(
    `${backends.length} server${backends.length === 1 ? '' : 's'} of ${app} behind port ${options.port}`,
  );
}
