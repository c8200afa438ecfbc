// States of the haproxy charm for tests, from options and databags as Juju has them.
import { http } from 'juju-ts-interfaces/http';
import { options } from '../../../charms/haproxy/src/options.ts';
import { plan } from '../../../charms/haproxy/src/plan.ts';
import { configuredFor } from '../../../charms/haproxy/src/read.ts';
import { CONFIG } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import type { HttpRelation } from '../../../charms/haproxy/src/services.ts';
import type { State } from '../../../charms/haproxy/src/state.ts';
import { decodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';

/** As charmcraft.yaml has them. */
export const DEFAULTS = {
  port: 80,
  balance: 'source',
  'server-timeout': '15m',
  'tunnel-timeout': '1h',
  'hard-stop-after': '30m',
  'health-check': '',
  'stats-port': 0,
  'tls-port': 443,
  'tls-names': '',
  'extra-config': '',
};
export type RawOptions = { [K in keyof typeof DEFAULTS]: (typeof DEFAULTS)[K] };

/** What the option schemas make of texts and numbers. @throws {ZodError} */
export function parseOptions(raw: Partial<RawOptions> = {}): State['options'] {
  const given = { ...DEFAULTS, ...raw };
  return {
    port: options.port.parse(given.port),
    balance: options.balance.parse(given.balance),
    'server-timeout': options['server-timeout'].parse(given['server-timeout']),
    'tunnel-timeout': options['tunnel-timeout'].parse(given['tunnel-timeout']),
    'hard-stop-after': options['hard-stop-after'].parse(given['hard-stop-after']),
    'health-check': options['health-check'].parse(given['health-check']),
    'stats-port': options['stats-port'].parse(given['stats-port']),
    certificate: undefined,
    'tls-port': options['tls-port'].parse(given['tls-port']),
    'tls-names': options['tls-names'].parse(given['tls-names']),
    'extra-config': options['extra-config'].parse(given['extra-config']),
  };
}

type Bags = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A relation with what each unit wrote; Juju gives unit N the address 10.9.0.1N unless its bag has one. */
export function relationOf(id: number, app: string, bags: Bags): HttpRelation {
  const units = Object.entries(bags).map(([name, bag]) => ({
    name,
    data: decodeBag(http.provider.unit, bag).data,
    address: bag['private-address'] ?? `10.9.0.1${name.split('/')[1]}`,
    egressSubnets: [],
  }));
  const problems = Object.entries(bags).flatMap(([name, bag]) =>
    decodeBag(http.provider.unit, bag).problems.map(
      ({ key, message }) => `reverseproxy:${id}, ${key} of ${name}: ${message}`,
    ),
  );
  return { id, endpoint: 'reverseproxy', phase: 'active', app, appData: {}, units, problems };
}

export function stateOf(
  relations: readonly HttpRelation[],
  {
    options: raw,
    own = [],
    ownRelations = [],
    holders = {},
    ...more
  }: Partial<Omit<State, 'options'>> & {
    options?: Partial<RawOptions>;
    own?: readonly string[];
    ownRelations?: readonly number[];
    /** Programs by the port that they listen on. */
    holders?: Readonly<Record<number, string>>;
  } = {},
): State {
  const tls = more.tls ?? { isForgotten: false };
  const {
    offered,
    clashes: _clashes,
    ...configured
  } = configuredFor(
    {
      reverseproxy: relations,
      isObserved: (more.observers ?? []).length > 0,
      ownAddresses: own,
      ownRelations,
      holders: new Map(Object.entries(holders).map(([port, by]) => [Number(port), by])),
      maxConnections: 5000,
      hasIpv6: true,
      nameServers: ['10.9.0.53', 'fd09::53'],
    },
    { options: parseOptions(raw), ...(tls.certificate && { certificate: tls.certificate }) },
  );
  return {
    ...configured,
    unit: 'haproxy/0',
    home: '/var/lib/juju/agents/unit-haproxy-0/charm',
    isBeingRemoved: false,
    given: { ...DEFAULTS, ...raw },
    refused: [],
    services: offered.services,
    reverseproxy: relations.map(({ id, app, problems }) => ({
      id,
      app,
      problems: [
        ...problems,
        ...offered.unread.flatMap(({ relation, text }) => (relation === id ? [text] : [])),
      ],
    })),
    doubles: offered.doubles,
    websites: [],
    address: '10.9.0.10',
    tls,
    certificateFiles: [],
    observers: [],
    app: 'haproxy',
    model: { name: 'maas', uuid: '12345678-aaaa-bbbb-cccc-0123456789ab' },
    isCurrent: true,
    ...more,
  };
}

/** Three regions as maas-region offers them. */
export function regions(...numbers: readonly number[]): HttpRelation {
  return regionsWith('[5242, 5271]', ...numbers);
}

/** @param tcpPorts as regions write them */
export function regionsWith(tcpPorts: string, ...numbers: readonly number[]): HttpRelation {
  const bags = numbers.map((number) => [
    `maas-region/${number}`,
    {
      hostname: `10.9.0.1${number}`,
      port: '5240',
      'health-check': '/MAAS/rpc/',
      'tcp-ports': tcpPorts,
    },
  ]);
  return relationOf(3, 'maas-region', Object.fromEntries(bags));
}

/** haproxy.cfg as the plan has it; empty where it writes none. */
export function cfgOf(state: State): string {
  for (const resource of plan(state).machine) {
    if (resource.kind === 'file' && resource.path === CONFIG && typeof resource.content === 'string')
      return resource.content;
  }
  return '';
}
