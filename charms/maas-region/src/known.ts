import type { DatabaseConnection } from '@maas-ha/interfaces/database';
import { maasUrl, REGION_HTTP_PORT, shortName, tooOld } from '@maas-ha/maas';
import { unitNumber } from 'juju-ts-ops';
import type { Schema } from './endpoints.ts';
import type { State } from './state.ts';
import { passwordProblem } from './password.ts';
import { obstacleOf, type Upgrade } from './upgrade.ts';

/** Everything that is known before a region can be configured. */
export interface Known {
  readonly url: string;
  readonly database: DatabaseConnection;
  readonly version: string;
  readonly packageVersion: string;
  /** The relation over which the database was got. */
  readonly relation: number;
}

/**
 * Where regions and racks reach MAAS: what the user says, or the virtual address behind the balancer's port, or
 * without one the first region. The leader decides, for a unit that has just come does not know the others yet;
 * while it cannot, what it decided before stays.
 */
export function urlOf(state: State): string | undefined {
  const { isLeader, cluster } = state;
  return (isLeader ? decideUrl(state) : undefined) ?? cluster?.url;
}

function decideUrl({ options, vip, balancer, unit, address, peers }: State): string | undefined {
  if (options['maas-url'] !== '') return options['maas-url'];
  if (vip) {
    if (vip.address === undefined || (balancer && !balancer.frontend)) return undefined;
    // What is yet to have a certificate says http until then.
    if (options['tls-mode'] === 'termination' && balancer?.frontend?.scheme !== 'https') return undefined;
    const { scheme, port } = balancer?.frontend ?? { scheme: 'http', port: REGION_HTTP_PORT };
    return maasUrl(scheme, vip.address, port);
  }
  const [first] = [...peers, { unit, address }].toSorted((a, b) => unitNumber(a.unit) - unitNumber(b.unit));
  return first?.address === undefined || first.address === ''
    ? undefined
    : maasUrl('http', first.address, REGION_HTTP_PORT);
}

export function knownOf(state: State, url: string | undefined): Known | undefined {
  const { database, databaseRelations, version, packageVersion } = state;
  // Nothing of this machine is changed: who serves by that name may be the other one.
  if (twinOf(state) !== undefined) return undefined;
  const [relation] = [...databaseRelations.database, ...databaseRelations.db];
  if (database.kind !== 'ready' || url === undefined || version === undefined || relation === undefined)
    return undefined;
  if (packageVersion === undefined || tooOld(version) !== undefined) return undefined;
  if (passwordProblem(database.connection.password, version) !== undefined) return undefined;
  return { url, database: database.connection, version, packageVersion, relation };
}

/** An earlier region of the same name, by which MAAS would take the two for one: it knows no domains. */
export function twinOf({ unit, hostname, peers }: State): string | undefined {
  return peers.find(
    (peer) =>
      peer.hostname !== undefined &&
      shortName(peer.hostname) === shortName(hostname) &&
      unitNumber(peer.unit) < unitNumber(unit),
  )?.unit;
}

/** Whether this very database has the schema of the installed MAAS: another one may be empty, and it may have been restored. */
export function isMigrated(state: State, known: Known): boolean {
  return isSaidToBe(state.cluster?.schema, known) && !isTakenBack(state, known);
}

/** Whether the database is said to be migrated, and says itself that it is not: then it has been restored. */
export function isTakenBack({ cluster, isLeader, hasMigrated }: State, known: Known): boolean {
  return isLeader && hasMigrated === false && isSaidToBe(cluster?.schema, known);
}

function isSaidToBe(schema: Schema | undefined, { packageVersion, relation }: Known): boolean {
  return schema?.version === packageVersion && schema.relation === relation;
}

/** The regions that may still serve another database, or this one as it was before it is migrated. */
export function notStopped({ peers }: State): readonly string[] {
  return peers.filter(({ database }) => database !== undefined).map(({ unit }) => unit);
}

/**
 * Whether the leader may migrate: a database that no region uses, nor another one, or one whose regions have all stopped
 * to be upgraded. What somebody has installed on one machine by hand is no reason to.
 */
export function canMigrate(state: State, { relation }: Known, upgrade: Upgrade | undefined): boolean {
  if (!state.isLeader || obstacleOf(state) !== undefined) return false;
  if (upgrade) return !upgrade.isBehind && upgrade.lagging.length === 0;
  // Never two databases behind the balancers: who serves the one of before has to stop first.
  return state.cluster?.schema?.relation !== relation && notStopped(state).length === 0;
}

/** What the database is at once this unit serves. */
export function schemaOf({ cluster }: State, { packageVersion, relation, database }: Known): Schema {
  const before = cluster?.schema;
  const named = { database: database.database };
  if (before?.version === packageVersion && before.relation === relation) return { ...before, ...named };
  return {
    version: packageVersion,
    relation,
    ...named,
    ...(before?.relation === relation && { from: before.version }),
  };
}
