import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { readFileIfExists } from 'juju-ts-host';
import { othersOf, type DatabaseServer } from 'juju-ts-interfaces/database';
import type { Path, Reached } from '../state.ts';
import { isSame } from './choose.ts';
import { Config } from './follow.ts';
import { readReport } from './report.ts';
import { LOCAL } from './route.ts';
import { CONFIG, FOLDER, REPORT } from './state.ts';

/** How many servers are remembered that the relation does not name any more. */
const MOST_FORMER = 16;

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
  found: Reached,
  relation: DatabaseRelation | undefined,
  isWanted: boolean,
): Promise<Reached & Path> {
  // While the relation says nothing, everything stays as it is.
  if (found.kind !== 'ready' || relation === undefined) return { ...found, isProxyLeft: false };
  if (!isWanted || !canFollow(found.connection)) return { ...found, isProxyLeft: isDatabaseProxyLeft() };
  const { connection: direct, standbys, authority } = found;
  const [before, report, program] = await Promise.all([readConfig(), readReport(REPORT), programHere()]);
  const earlier = before?.relation === relation.id ? [...before.named, ...before.former] : [];
  const former = othersOf(earlier, direct)
    .filter((server) => !standbys.some((standby) => isSame(standby, server)))
    .slice(0, MOST_FORMER);
  return {
    ...found,
    connection: { ...direct, ...LOCAL },
    proxy: {
      direct,
      standbys,
      former,
      ...(authority !== undefined && { authority }),
      relation: relation.id,
      program,
      unitsByAddress: unitsByAddress(relation),
      ...(report?.relation === relation.id && { report }),
    },
    isProxyLeft: false,
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
