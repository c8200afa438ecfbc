import type { Redacted } from 'juju-ts-ops';

/** Where a PostgreSQL listens. */
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

/** What a database relation has come to: a connection, or what is still missing, in words for a status. */
export type DatabaseState =
  | {
      readonly kind: 'ready';
      readonly connection: DatabaseConnection;
      /** Every server that the relation names beside the primary: one of them may have taken its place. */
      readonly standbys: readonly DatabaseServer[];
      /** The CA that the servers' certificates come from, in PEM; absent: the relation names none. */
      readonly authority?: string;
    }
  | { readonly kind: 'waiting'; readonly reason: string };

/** Servers in the order in which they are first named, each once, without one of them. */
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
