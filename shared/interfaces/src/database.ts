import type { Redacted } from 'juju-ts-ops';

/** How to reach a PostgreSQL primary. */
export interface DatabaseConnection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Redacted;
}

/** What a database relation has come to: a connection, or what is still missing, in words for a status. */
export type DatabaseState =
  | { readonly kind: 'ready'; readonly connection: DatabaseConnection }
  | { readonly kind: 'waiting'; readonly reason: string };
