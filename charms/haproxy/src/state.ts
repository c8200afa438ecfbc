import { createPrivateKey, X509Certificate } from 'node:crypto';
import { totalmem } from 'node:os';
import { addresses, portHolder, readFileIfExists } from '@maas-ha/host';
import { Redacted, SecretNotFoundError, UserError, type Juju, type Options } from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { frontendsOf, type Frontends } from './frontends.ts';
import { askHaproxy, type Running } from './haproxy.ts';
import { CONFIG, descriptionOf } from './render/haproxy-cfg.ts';
import { BALANCE, servicesOf, type Service } from './services.ts';
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
  'extra-config': z.string(),
};

export type HaproxyJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** What HTTPS is served with. */
export interface Certificate {
  /** PEM: the certificate, its chain and its key. */
  readonly pem: Redacted;
}

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  readonly options: Options<typeof options>;
  readonly services: readonly Service[];
  readonly web: Frontends;
  readonly reverseproxy: readonly { readonly id: number; readonly app: string }[];
  readonly websites: readonly number[];
  readonly address: string;
  readonly maxConnections: number;
  readonly certificate?: Certificate;
  /** Ports that HAProxy needs and another program has, with its name. */
  readonly taken: readonly { readonly port: number; readonly by: string }[];
  /** The HAProxy that serves now; absent where none does. */
  readonly running?: Running;
  /** Whether it runs the configuration that is in its file. */
  readonly isCurrent: boolean;
}

export async function read(juju: HaproxyJuju): Promise<State> {
  const [values, reverseproxy, websites, network, running, cfg] = await Promise.all([
    juju.options(),
    juju.relations('reverseproxy'),
    juju.relations('website'),
    juju.network('juju-info'),
    askHaproxy(),
    readFileIfExists(CONFIG),
  ]);
  const certificate = await readCertificate(juju, values.certificate);
  const services = servicesOf(reverseproxy, values.port);
  const web = frontendsOf(
    services,
    addresses().map(({ address }) => address),
    reservedPorts(values, certificate !== undefined),
  );
  const ports = new Set([
    values.port,
    ...web.frontends.map((frontend) => frontend.port),
    ...(certificate ? [values['tls-port']] : []),
    ...(values['stats-port'] === 0 ? [] : [values['stats-port']]),
  ]);
  const holders = await Promise.all(
    [...ports].map(async (number) => ({ port: number, by: await portHolder(number) })),
  );
  return {
    unit: juju.context.unit,
    options: values,
    services,
    web,
    reverseproxy: reverseproxy.map(({ id, app }) => ({ id, app })),
    websites: websites.map(({ id }) => id),
    address: network.bindAddresses[0] ?? '',
    maxConnections: maxConnections(totalmem(), await openFiles()),
    ...(certificate && { certificate }),
    taken: holders.flatMap(({ port: number, by }) =>
      by === undefined || by === 'haproxy' ? [] : [{ port: number, by }],
    ),
    ...(running && { running }),
    isCurrent: running !== undefined && running.description === descriptionOf(cfg ?? ''),
  };
}

/** Ports that no service can have. */
export function reservedPorts(
  { 'stats-port': stats, 'tls-port': tls }: Options<typeof options>,
  hasCertificate: boolean,
): ReadonlyMap<number, string> {
  return new Map([
    ...(stats === 0 ? [] : [[stats, 'stats-port'] as const]),
    ...(hasCertificate ? [[tls, 'tls-port'] as const] : []),
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

const HOW = 'a Juju secret with the keys certificate and key, both PEM';

async function readCertificate(juju: HaproxyJuju, uri: string | undefined): Promise<Certificate | undefined> {
  if (uri === undefined || uri === '') return undefined;
  try {
    const { certificate, key } = await juju.secret(uri);
    if (!certificate || !key) throw new UserError(`certificate=${uri} needs to be ${HOW}`);
    return parseCertificate(certificate, key);
  } catch (error) {
    if (!(error instanceof SecretNotFoundError)) throw error;
    throw new UserError(
      `certificate=${uri} cannot be read: juju grant-secret <its name> ${juju.context.app}`,
    );
  }
}

/** @throws {UserError} when they are not PEM, or do not belong together */
export function parseCertificate(certificate: Redacted, key: Redacted): Certificate {
  let fits: boolean;
  try {
    fits = new X509Certificate(certificate.reveal()).checkPrivateKey(createPrivateKey(key.reveal()));
  } catch {
    throw new UserError(`certificate= needs to be ${HOW}`);
  }
  if (!fits) throw new UserError('certificate= has a key that is not of its certificate: juju update-secret');
  const pem = [certificate, key].map((part) => part.reveal().trim()).join('\n');
  return { pem: new Redacted(`${pem}\n`) };
}
