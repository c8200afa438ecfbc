import type { DatabaseConnection, DatabaseServer } from 'juju-ts-interfaces/database';
import { z } from 'zod';
import type { Report } from './report.ts';

/** What belongs to the service: its program, what it is told, and what it has written. */
export const FOLDER = '/var/lib/maas-database-proxy';
export const CONFIG = `${FOLDER}/config.json`;
export const REPORT = `${FOLDER}/report.json`;

export const databaseProxyOptions = { 'database-proxy': z.boolean() };

/** The service by which MAAS reaches its database wherever the primary is. */
export interface DatabaseProxy {
  /** The primary according to the relation, and who is written to it. */
  readonly direct: DatabaseConnection;
  readonly standbys: readonly DatabaseServer[];
  /** Servers that the relation named earlier, and not now: one of them may be the primary all the same. */
  readonly former: readonly DatabaseServer[];
  readonly authority?: string;
  /** The relation over which the database was got. */
  readonly relation: number;
  /** Which program this is: another build of the charm has another. */
  readonly program: string;
  /** What Juju calls the units of PostgreSQL, by their addresses. */
  readonly unitsByAddress: Readonly<Record<string, string>>;
  /** What the service says; absent until it runs. */
  readonly report?: Report;
}
