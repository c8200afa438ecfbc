import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { readFileIfExists } from '@maas-ha/host';
import {
  othersOf,
  type DatabaseConnection,
  type DatabaseServer,
  type DatabaseState,
} from '@maas-ha/interfaces/database';
import { z } from 'zod';
import { isSame } from './choose.ts';
import { Config } from './follow.ts';
import { readReport, type Report } from './report.ts';
import { LOCAL } from './route.ts';

/** What belongs to the service: its program, what it is told, and what it has written. */
export const FOLDER = '/var/lib/maas-database-proxy';
export const CONFIG = `${FOLDER}/config.json`;
export const REPORT = `${FOLDER}/report.json`;

/** How many servers are remembered that the relation does not name any more. */
const MOST_FORMER = 16;

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

/** Where a region reaches its database, and by what. */
export interface DatabasePath {
  readonly database: DatabaseState | { readonly kind: 'none' };
  /** Absent: the region reaches its database directly. */
  readonly databaseProxy?: DatabaseProxy;
  /** Whether the service is on the machine all the same. */
  readonly isDatabaseProxyLeft: boolean;
}

/** The relation over which the database was got. */
interface DatabaseRelation {
  readonly id: number;
  readonly units: readonly { readonly name: string; readonly egressSubnets: readonly string[] }[];
}

/**
 * Puts the service between a region and its database, unless the user wants none or it would be of no use.
 * @param relation over which the database was got
 */
export async function readDatabasePath(
  found: DatabasePath['database'],
  relation: DatabaseRelation | undefined,
  isWanted: boolean,
): Promise<DatabasePath> {
  // While the relation says nothing, everything stays as it is.
  if (found.kind !== 'ready' || relation === undefined)
    return { database: found, isDatabaseProxyLeft: false };
  if (!isWanted || !canFollow(found.connection))
    return { database: found, isDatabaseProxyLeft: isDatabaseProxyLeft() };
  const { connection: direct, standbys, authority } = found;
  const [before, report, program] = await Promise.all([readConfig(), readReport(REPORT), programHere()]);
  const earlier = before?.relation === relation.id ? [...before.named, ...before.former] : [];
  const former = othersOf(earlier, direct)
    .filter((server) => !standbys.some((standby) => isSame(standby, server)))
    .slice(0, MOST_FORMER);
  return {
    database: { ...found, connection: { ...direct, ...LOCAL } },
    databaseProxy: {
      direct,
      standbys,
      former,
      ...(authority !== undefined && { authority }),
      relation: relation.id,
      program,
      unitsByAddress: unitsByAddress(relation),
      ...(report?.relation === relation.id && { report }),
    },
    isDatabaseProxyLeft: false,
  };
}

function unitsByAddress({ units }: DatabaseRelation): Readonly<Record<string, string>> {
  return Object.fromEntries(
    units.flatMap(({ name, egressSubnets }) =>
      egressSubnets.map((subnet) => [subnet.split('/')[0] ?? '', name]),
    ),
  );
}

/**
 * A server on this machine's loopback is a proxy itself, PgBouncer for example, and stays where it is; the address of
 * IPv6 has none of IPv4 to be reached by.
 */
function canFollow({ host }: DatabaseServer): boolean {
  return !isIPv6(host) && host !== 'localhost' && !host.startsWith('127.');
}

async function readConfig(): Promise<Config | undefined> {
  const text = await readFileIfExists(CONFIG);
  const parsed = Config.safeParse(text === undefined ? undefined : parseJson(text));
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The program that runs this hook, which is the service's too. */
async function programHere(): Promise<string> {
  const { size, mtimeMs } = await stat('/proc/self/exe');
  return `${size} ${Math.trunc(mtimeMs)}`;
}

/** Whether something of the service is on this machine. */
export function isDatabaseProxyLeft(): boolean {
  return existsSync(FOLDER);
}
