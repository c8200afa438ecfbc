import type { Client, ClientConfig } from 'pg';
import { z } from 'zod';
import { OWN_SESSIONS } from '../sessions.ts';
import type { Answer, Server } from './choose.ts';

/** How MAAS logs in at any of the servers. */
export interface Login {
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** The CA that a server's certificate has to come from, in PEM; absent: TLS is used where it is offered, unchecked. */
  readonly authority?: string | undefined;
}

/** How long a server may take to let somebody in, and to answer, in milliseconds. */
const LOGIN_TIMEOUT = 2000;
const ANSWER_TIMEOUT = 1000;

/** Any role may ask this. The first eight digits of a WAL file's name are the timeline. */
const QUESTION = `SELECT pg_is_in_recovery() AS standby,
  CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline,
  (SELECT system_identifier::text FROM pg_control_system()) AS system,
  pg_postmaster_start_time()::text AS started,
  (SELECT json_agg(extname) FROM pg_extension) AS extensions`;

const Row = z.object({
  standby: z.boolean(),
  timeline: z
    .string()
    .regex(/^[\dA-F]{8}$/)
    .nullable(),
  system: z.string(),
  started: z.string(),
  extensions: z.array(z.string()).nullable(),
});

/** A server that is asked again and again, over one connection for as long as it lasts. */
export class Witness {
  readonly server: Server;
  #login: Login;
  #client: Client | undefined;

  constructor(server: Server, login: Login) {
    this.server = server;
    this.#login = login;
  }

  /** Logs in anew from the next time on. */
  set login(login: Login) {
    this.#login = login;
  }

  /** What the server says now. Never fails: one that does not answer says nothing. */
  async ask(): Promise<Answer> {
    try {
      const client = (this.#client ??= await this.#open());
      const { rows } = await client.query(QUESTION);
      const { standby, timeline, system, started, extensions } = Row.parse(rows[0]);
      return standby || timeline === null
        ? { kind: 'standby', system }
        : {
            kind: 'primary',
            timeline: Number.parseInt(timeline, 16),
            system,
            started,
            extensions: extensions ?? [],
          };
    } catch (error) {
      this.close();
      return { kind: 'silent', reason: reasonOf(error) };
    }
  }

  async #open(): Promise<Client> {
    const client = await connect(this.server, this.#login);
    // What ends between two questions is opened anew for the next.
    client.on('error', () => this.close());
    return client;
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    // Not with a goodbye: a server that hangs would not take it.
    client?.end().catch(() => undefined);
  }
}

async function connect(server: Server, login: Login): Promise<Client> {
  try {
    return await open(server, login, true);
  } catch (error) {
    if (login.authority !== undefined || !reasonOf(error).includes('does not support SSL')) throw error;
    return open(server, login, false);
  }
}

async function open(
  { host, port }: Server,
  { database, user, password, authority }: Login,
  withTls: boolean,
): Promise<Client> {
  // Only where it is used: a hook starts in less time without it.
  const { Client: PgClient } = (await import('pg')).default;
  const config: ClientConfig = {
    host,
    port,
    database,
    user,
    password,
    application_name: OWN_SESSIONS.checker,
    connectionTimeoutMillis: LOGIN_TIMEOUT,
    query_timeout: ANSWER_TIMEOUT,
    keepAlive: true,
    ssl: withTls && tlsOf(authority),
  };
  const client = new PgClient(config);
  // Without this, a connection that breaks would end the program.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
}

/** A certificate of this CA will do, whatever names it has: servers are reached by addresses, which few certificates name. */
function tlsOf(authority: string | undefined): ClientConfig['ssl'] {
  return authority === undefined
    ? { rejectUnauthorized: false }
    : { ca: authority, rejectUnauthorized: true, checkServerIdentity: () => undefined };
}

/** In few words, without the password: PostgreSQL never says it. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split('\n')[0]?.slice(0, 120) ?? '';
}
