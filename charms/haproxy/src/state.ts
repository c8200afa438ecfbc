import { portHolder } from '@maas-ha/host';
import type { http } from '@maas-ha/interfaces/http';
import type { Juju, Options, Relation } from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';

const port = z.int().min(1, 'a TCP port is 1 to 65535').max(65535, 'a TCP port is 1 to 65535');
const duration = z
  .string()
  .regex(/^\d+(us|ms|s|m|h|d)?$/, 'a time is a number and a unit, for example 90s or 15m');

export const options = {
  port,
  balance: z.enum(['source', 'roundrobin', 'leastconn'], 'one of: source, roundrobin, leastconn'),
  'server-timeout': duration,
  'tunnel-timeout': duration,
  'health-check': z.string().regex(/^(\/[^\s"'\\#]*)?$/, 'a path that begins with /, for example /MAAS/rpc/'),
  'stats-port': z.union([z.literal(0), port], '0, or a TCP port of 1 to 65535'),
  'extra-config': z.string(),
};

export type HaproxyJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** A server to balance over. */
export interface Backend {
  /** As haproxy.cfg and the statistics have it: `maas-region-0`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  readonly options: Options<typeof options>;
  /** The related servers; absent when nothing is related. */
  readonly servers?: {
    readonly app: string;
    readonly healthCheck: string;
    readonly backends: readonly Backend[];
  };
  readonly reverseproxy?: number;
  readonly websites: readonly number[];
  readonly address: string;
  /** The program other than HAProxy that has the port. */
  readonly portTakenBy?: string;
}

export async function read(juju: HaproxyJuju): Promise<State> {
  const [values, reverseproxy, websites, network] = await Promise.all([
    juju.options(),
    juju.relations('reverseproxy'),
    juju.relations('website'),
    juju.network('juju-info'),
  ]);
  const [relation] = reverseproxy;
  const holder = await portHolder(values.port);
  return {
    unit: juju.context.unit,
    options: values,
    ...(relation && { servers: serversOf(relation), reverseproxy: relation.id }),
    websites: websites.map(({ id }) => id),
    address: network.bindAddresses[0] ?? '',
    ...(holder !== undefined && holder !== 'haproxy' && { portTakenBy: holder }),
  };
}

function serversOf({ app, units }: Relation<typeof http.provider>): NonNullable<State['servers']> {
  const backends = units.flatMap(({ name, data, address }) => {
    const host = data.hostname ?? address;
    if (host === undefined || data.port === undefined) return [];
    return [{ name: name.replace('/', '-'), host, port: data.port }];
  });
  const healthCheck = units.map(({ data }) => data['health-check']).find((path) => path !== undefined) ?? '';
  return { app, healthCheck, backends };
}
