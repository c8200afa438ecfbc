import { commaList, defineInterface, hidden, json, raw, type Redacted, type Relation } from 'juju-ts-ops';
import { z } from 'zod';
import { othersOf, type DatabaseServer, type DatabaseState } from '../database.ts';

/** The contract of `postgresql:database`: charmed PostgreSQL 14 and 16, and pgbouncer. See README.md. */
export const postgresqlClient = defineInterface({
  name: 'postgresql_client',
  requirer: {
    app: {
      database: raw,
      'requested-secrets': json(z.array(z.string()).readonly()),
      'extra-user-roles': raw,
    },
    unit: {},
  },
  provider: {
    app: {
      database: raw,
      /** `host:port` of the primary; empty while there is none. */
      endpoints: commaList,
      'read-only-endpoints': commaList,
      version: raw,
      'secret-user': raw,
      'secret-tls': raw,
      username: raw,
      password: hidden,
    },
    unit: {},
  },
});

/** What to request so that the credentials come as a Juju secret. */
export const REQUESTED_SECRETS = ['username', 'password', 'tls', 'tls-ca', 'uris'] as const;

/**
 * The primary that a relation offers.
 * @param readSecret reads the Juju secret with the credentials
 */
export async function postgresqlConnection(
  relation: Relation<typeof postgresqlClient.provider>,
  readSecret: (uri: string) => Promise<Readonly<Record<string, Redacted>>>,
): Promise<DatabaseState> {
  const { database, endpoints = [], 'secret-user': secret, 'secret-tls': tls, ...clear } = relation.appData;
  const waiting = (reason: string): DatabaseState => ({
    kind: 'waiting',
    reason: `${relation.app} ${reason}`,
  });
  if (database === undefined) return waiting('to make the database');
  const [first] = endpoints;
  if (first === undefined) return waiting('to have a primary');
  const primary = serverOf(first);
  if (!primary) return waiting(`to give a host and a port instead of ${first}`);
  const content = secret === undefined ? undefined : await readSecret(secret);
  const user = content?.['username']?.reveal() ?? clear.username;
  const password = content?.['password'] ?? clear.password;
  if (user === undefined || password === undefined) return waiting('to give a user and a password');
  const { tls: isOn, 'tls-ca': authority } = tls === undefined ? {} : await readSecret(tls);
  const named = [...endpoints, ...(clear['read-only-endpoints'] ?? [])].flatMap((one) => serverOf(one) ?? []);
  return {
    kind: 'ready',
    connection: { ...primary, database, user, password },
    standbys: othersOf(named, primary),
    // The servers write it as Python does: True.
    ...(isOn?.reveal().toLowerCase() === 'true' &&
      authority !== undefined &&
      authority.reveal() !== '' && { authority: authority.reveal() }),
  };
}

/** `10.0.0.21:5432`, `[fd00::21]:5432` */
function serverOf(endpoint: string): DatabaseServer | undefined {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(endpoint) ?? [];
  return host === undefined ? undefined : { host, port: Number(port) };
}
