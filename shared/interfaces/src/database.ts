import type { Redacted } from 'juju-ts-ops';

/** The address and port of a PostgreSQL server. */
export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
}

/** How to reach a PostgreSQL primary. */
export interface DatabaseConnection extends DatabaseServer {
  readonly database: string;
  readonly user: string;
  readonly password: Redacted;
}

/** The state of a database relation: a connection, or what is still missing, as text for a status. */
export type DatabaseState =
  | {
      readonly kind: 'ready';
      readonly connection: DatabaseConnection;
      /** Every other server that the relation names: one of them may have become the primary. */
      readonly standbys: readonly DatabaseServer[];
      /** The CA of the servers' certificates, in PEM; absent if the relation names none. */
      readonly authority?: string;
    }
  | { readonly kind: 'waiting'; readonly reason: string };

/** The servers without one of them, each once, in the order of their first mention. */
export function othersOf(servers: readonly DatabaseServer[], one: DatabaseServer): readonly DatabaseServer[] {
  const seen = new Set([keyOf(one)]);
  return servers.flatMap((server) => {
    if (seen.has(keyOf(server))) return [];
    seen.add(keyOf(server));
    return [{ host: server.host, port: server.port }];
  });
}

function keyOf({ host, port }: DatabaseServer): string {
  return `${host} ${port}`;
}
