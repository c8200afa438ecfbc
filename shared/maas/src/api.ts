import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { WaitingError, UserError, type Redacted } from 'juju-ts-ops';
import { z } from 'zod';

/** How long MAAS may take for one answer, in milliseconds: it retries what PostgreSQL could not serialize for 90 seconds. */
const TIMEOUT = 100_000;

const Vlan = z.object({
  id: z.int(),
  name: z.string(),
  vid: z.int(),
  fabric: z.string(),
  fabric_id: z.int(),
  dhcp_on: z.boolean(),
  primary_rack: z.string().nullable(),
  secondary_rack: z.string().nullable(),
});
/** A network of machines, as far as DHCP goes. Racks are named by their system ids. */
export type Vlan = z.infer<typeof Vlan>;

const Controller = z.object({
  system_id: z.string(),
  hostname: z.string(),
  version: z.string().nullish(),
  ip_addresses: z.array(z.string()).default([]),
  interface_set: z
    .array(
      z.object({
        name: z.string(),
        vlan: z.object({ id: z.int() }).nullish(),
        links: z.array(z.object({ mode: z.string() })).default([]),
      }),
    )
    .default([]),
  service_set: z
    .array(z.object({ name: z.string(), status: z.string(), status_info: z.string().default('') }))
    .default([]),
});
/** A region or rack controller. */
export type Controller = z.infer<typeof Controller>;

const IpRange = z.object({
  type: z.string(),
  subnet: z.object({ vlan: z.object({ id: z.int() }) }),
});
const Fabric = z.object({ id: z.int(), name: z.string(), vlans: z.array(Vlan) });

/** Where regiond answers: a TCP port, or a socket of this machine, which its web server and that one's TLS stand before. */
export type ApiPlace =
  | { readonly host: string; readonly port: number }
  | {
      readonly socketPath: string;
    };

/**
 * The REST API 2.0 of MAAS, as far as the charms need it. https://maas.io/docs/api
 * Every method throws {@link UserError} with MAAS' own words where MAAS refuses, and {@link WaitingError} while it
 * does not answer.
 */
export class MaasApi {
  readonly #place: ApiPlace;
  readonly #key: Redacted;

  /** @param key API key of an administrator: `consumer:token:secret` */
  constructor(place: ApiPlace, key: Redacted) {
    this.#place = place;
    this.#key = key;
  }

  regionControllers(): Promise<readonly Controller[]> {
    return this.#get('regioncontrollers/', z.array(Controller));
  }

  rackControllers(): Promise<readonly Controller[]> {
    return this.#get('rackcontrollers/', z.array(Controller));
  }

  fabrics(): Promise<readonly z.infer<typeof Fabric>[]> {
    return this.#get('fabrics/', z.array(Fabric));
  }

  async vlans(): Promise<readonly Vlan[]> {
    return (await this.fabrics()).flatMap(({ vlans }) => vlans);
  }

  ipRanges(): Promise<readonly z.infer<typeof IpRange>[]> {
    return this.#get('ipranges/', z.array(IpRange));
  }

  /** Changes a VLAN; a rack `""` is none. */
  async updateVlan(
    { fabric_id, vid }: Pick<Vlan, 'fabric_id' | 'vid'>,
    changes: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#ask('PUT', `fabrics/${fabric_id}/vlans/${vid}/`, changes);
  }

  /** Sets one of MAAS' own settings, `http_proxy` for example. */
  async setConfig(name: string, value: string): Promise<void> {
    await this.#ask('POST', 'maas/?op=set_config', { name, value });
  }

  /** One of MAAS' own settings; `null` where it has no value. */
  getConfig(name: string): Promise<string | number | boolean | null> {
    return this.#get(
      `maas/?op=get_config&name=${encodeURIComponent(name)}`,
      z.union([z.string(), z.number(), z.boolean(), z.null()]),
    );
  }

  /** Forgets a controller; one that MAAS does not know is forgotten already. */
  async deleteController(kind: 'region' | 'rack', systemId: string): Promise<void> {
    await this.#ask('DELETE', `${kind}controllers/${encodeURIComponent(systemId)}/`, undefined, [404]);
  }

  async #get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const text = await this.#ask('GET', path);
    const parsed = schema.safeParse(JSON.parse(text));
    if (!parsed.success)
      throw new UserError(
        `MAAS answers ${path} in a form that is not known here: ${z.prettifyError(parsed.error)}`,
      );
    return parsed.data;
  }

  async #ask(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    form?: Readonly<Record<string, string>>,
    accepted: readonly number[] = [],
  ): Promise<string> {
    const { status, isPassing, text } = await send(
      this.#place,
      method,
      `/MAAS/api/2.0/${path}`,
      this.#key,
      form,
    ).catch((cause: unknown) => {
      throw new WaitingError('waiting for MAAS to answer', { cause });
    });
    if ((status >= 200 && status < 300) || accepted.includes(status)) return text;
    if (isPassing) throw new WaitingError(`waiting for MAAS to answer ${path}: it says ${status}`);
    throw new UserError(refusal(text) || `MAAS answers ${path} with ${status}`);
  }
}

interface Answer {
  readonly status: number;
  /** Whether it is worth asking again: MAAS answers 409 where PostgreSQL could not serialize, and says when to come back. */
  readonly isPassing: boolean;
  readonly text: string;
}

async function send(
  place: ApiPlace,
  method: string,
  path: string,
  key: Redacted,
  form?: Readonly<Record<string, string>>,
): Promise<Answer> {
  const body = form && new URLSearchParams(form).toString();
  // Only now: Node cannot load it into the snapshot that a charm starts from.
  const { request } = process.getBuiltinModule('node:http');
  const outgoing = request({
    ...place,
    method,
    path,
    headers: {
      Authorization: authorization(key, randomUUID(), Math.floor(Date.now() / 1000)),
      ...(body !== undefined && {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Content-Length': Buffer.byteLength(body),
      }),
    },
    signal: AbortSignal.timeout(TIMEOUT),
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(body);
  });
  const { statusCode: status = 0, headers } = response;
  const isPassing = status >= 500 || headers['retry-after'] !== undefined;
  return { status, isPassing, text: await textOf(response) };
}

/**
 * The header of OAuth 1.0a with the method PLAINTEXT (RFC 5849, section 3.4.4).
 * @param nonce never used before with the same timestamp
 * @param timestamp seconds since 1970
 */
export function authorization(key: Redacted, nonce: string, timestamp: number): string {
  const [consumer = '', token = '', secret = ''] = key.reveal().split(':');
  const fields = {
    oauth_version: '1.0',
    oauth_signature_method: 'PLAINTEXT',
    oauth_consumer_key: consumer,
    oauth_token: token,
    oauth_signature: `&${secret}`,
    oauth_nonce: nonce,
    oauth_timestamp: String(timestamp),
  };
  const pairs = Object.entries(fields).map(([name, value]) => `${name}="${encodeURIComponent(value)}"`);
  return `OAuth ${pairs.join(', ')}`;
}

const Refusal = z.record(z.string(), z.array(z.string()));

/** What MAAS says in plain text, or about each field in JSON, on one line. */
export function refusal(text: string): string {
  try {
    const fields = Refusal.parse(JSON.parse(text));
    return Object.entries(fields)
      .map(([name, problems]) => (name === '__all__' ? '' : `${name}: `) + problems.join(' '))
      .join('; ');
  } catch {
    return text
      .trim()
      .replaceAll(/\s*\n\s*/g, ' ')
      .slice(0, 500);
  }
}
