import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { addresses, portHolder, readFileIfExists } from '@maas-ha/host';
import type { HookContext, Juju, Options } from 'juju-ts-ops';
import { z } from 'zod';
import { readTls, tlsNames, type Tls } from './certificate.ts';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { frontendsOf, type Frontends } from './frontends.ts';
import { askHaproxy, type Running } from './haproxy.ts';
import { CONFIG, descriptionOf } from './render/haproxy-cfg.ts';
import { BALANCE, servicesOf, type HttpRelation, type Service } from './services.ts';
import { milliseconds } from './time.ts';

const port = z.int().min(1, 'a TCP port is 1 to 65535').max(65535, 'a TCP port is 1 to 65535');
const duration = z
  .string()
  .regex(/^\d{1,7}(us|ms|s|m|h|d)?$/, 'a time is a number and a unit, for example 90s or 15m')
  .refine((text) => {
    const most = 2 ** 31 - 1;
    return milliseconds(text) >= 1 && milliseconds(text) <= most;
  }, 'a time is 1 ms to 24 days');

export const options = {
  port,
  balance: z.enum(BALANCE, `one of: ${BALANCE.join(', ')}`),
  'server-timeout': duration,
  'tunnel-timeout': duration,
  'health-check': z.string().regex(/^(\/[^\s"'\\#]*)?$/, 'a path that begins with /, for example /MAAS/rpc/'),
  'stats-port': z.union([z.literal(0), port], '0, or a TCP port of 1 to 65535'),
  certificate: z.string().optional(),
  'tls-port': port,
  'tls-names': tlsNames,
  'extra-config': z.string(),
};

export type HaproxyJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** Where Prometheus and others look for HAProxy's metrics, by custom. */
const METRICS_PORT = 8404;

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  /** Whether this unit is being removed. */
  readonly isLeaving: boolean;
  readonly options: Options<typeof options>;
  readonly services: readonly Service[];
  readonly web: Frontends;
  readonly reverseproxy: readonly Pick<HttpRelation, 'id' | 'app' | 'problems'>[];
  readonly websites: readonly number[];
  readonly address: string;
  readonly maxConnections: number;
  readonly hasIpv6: boolean;
  readonly tls: Tls;
  /** Port of the statistics and metrics; 0 for none. */
  readonly statsPort: number;
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
  readonly app: string;
  readonly model: HookContext['model'];
  /** Ports that HAProxy needs and another program has, with its name. */
  readonly taken: readonly { readonly port: number; readonly by: string }[];
  /** The HAProxy that serves now; absent where none does. */
  readonly running?: Running;
  /** Whether it runs the configuration that is in its file. */
  readonly isCurrent: boolean;
}

export async function read(juju: HaproxyJuju): Promise<State> {
  const [values, reverseproxy, websites, observers, network, tls, running, cfg] = await Promise.all([
    juju.options(),
    juju.relations('reverseproxy'),
    juju.relations('website'),
    juju.relations('cos-agent'),
    juju.network('juju-info'),
    readTls(juju),
    askHaproxy(),
    readFileIfExists(CONFIG),
  ]);
  const { unit, app, model, principalUnit } = juju.context;
  const [principal] = principalUnit?.split('/') ?? [];
  const statsPort = values['stats-port'] || (observers.length > 0 ? METRICS_PORT : 0);
  const services = servicesOf(reverseproxy, values.port);
  const web = frontendsOf(
    services,
    addresses().map(({ address }) => address),
    reverseproxy.filter((relation) => relation.app === principal).map(({ id }) => id),
    reservedPorts(statsPort, tls.certificate && values['tls-port']),
  );
  const ports = new Set([
    values.port,
    ...web.frontends.map((frontend) => frontend.port),
    ...(tls.certificate ? [values['tls-port']] : []),
    ...(statsPort === 0 ? [] : [statsPort]),
  ]);
  const holders = await Promise.all(
    [...ports].map(async (number) => ({ port: number, by: await portHolder(number) })),
  );
  return {
    unit,
    app,
    model,
    isLeaving: juju.context.leaving !== undefined,
    options: values,
    services,
    web,
    reverseproxy: reverseproxy.map(({ id, app, problems }) => ({ id, app, problems })),
    websites: websites.map(({ id }) => id),
    address: network.bindAddresses[0] ?? '',
    maxConnections: maxConnections(totalmem(), await openFiles()),
    hasIpv6: existsSync('/proc/net/if_inet6'),
    tls,
    statsPort,
    observers: observers.map(({ id }) => id),
    taken: holders.flatMap(({ port: number, by }) =>
      by === undefined || by === 'haproxy' ? [] : [{ port: number, by }],
    ),
    ...(running && { running }),
    isCurrent: running !== undefined && running.description === descriptionOf(cfg ?? ''),
  };
}

/**
 * Ports that no service can have, with what for.
 * @param stats 0 for none
 */
export function reservedPorts(stats: number, tls: number | undefined): ReadonlyMap<number, string> {
  return new Map([
    ...(stats === 0 ? [] : [[stats, 'stats-port'] as const]),
    ...(tls === undefined ? [] : [[tls, 'tls-port'] as const]),
  ]);
}

/**
 * How many connections fit the machine: a quarter of its memory at 100 KB each, with the kernel's part, and two
 * open files each. At least 500, at most 20 000.
 * @param memory bytes
 * @param files the most that a process may have open
 */
export function maxConnections(memory: number, files: number): number {
  // In whole GiB, because machines do not tell the very same number after every boot.
  const gibibytes = Math.max(1, Math.round(memory / 2 ** 30));
  return Math.max(500, Math.min(20_000, 2500 * gibibytes, Math.floor((files - 500) / 2)));
}

/** What services of this machine may have open at most. */
async function openFiles(): Promise<number> {
  const limits = (await readFileIfExists('/proc/1/limits')) ?? '';
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Infinity : Number(hard);
}
