import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { shortName, tooOld } from '@maas-ha/maas';
import { unitNumber } from 'juju-ts-ops';
import type { Schema } from '../endpoints.ts';
import { passwordProblem } from '../database/password.ts';
import { urlOf } from '../network/url.ts';
import type { State } from '../state.ts';
import { obstacleOf, upgradeOf, type Upgrade } from './upgrade.ts';

/** Everything that is known before a region can be configured. */
export interface Known {
  readonly url: string;
  readonly database: DatabaseConnection;
  readonly version: string;
  readonly packageVersion: string;
  /** The relation over which the database was got. */
  readonly relation: number;
}

/** What a region may do, by what is known. */
export interface Standing {
  readonly url: string | undefined;
  readonly known: Known | undefined;
  /** The same where the region may serve: the database has the schema of its MAAS, or this unit is to migrate it. */
  readonly served: Known | undefined;
  readonly upgrade: Upgrade | undefined;
  /**
   * Whether the others have to know first that this region does not stand still any more: its upgrade was called off, and a
   * leader that believes it stopped may migrate the database at any time.
   */
  readonly isCalledOff: boolean;
  readonly hasSchema: boolean;
  readonly mayMigrate: boolean;
  /** Whether the database has lost what it was migrated to. */
  readonly isTakenBack: boolean;
}

export function standingOf(state: State): Standing {
  const url = urlOf(state);
  const known = knownOf(state, url);
  const upgrade = upgradeOf(state);
  const hasSchema = known !== undefined && isMigrated(state, known);
  const mayMigrate = known !== undefined && !hasSchema && canMigrate(state, known, upgrade);
  const { stopped } = state.cluster;
  const isCalledOff =
    upgrade === undefined && stopped !== undefined && stopped !== state.region.packageVersion;
  const mayServe = !upgrade?.isBehind && !isCalledOff && (hasSchema || mayMigrate);
  return {
    url,
    known,
    served: mayServe ? known : undefined,
    upgrade,
    isCalledOff,
    hasSchema,
    mayMigrate,
    isTakenBack: known !== undefined && isTakenBack(state, known),
  };
}

function knownOf(state: State, url: string | undefined): Known | undefined {
  const { database } = state;
  const { version, packageVersion } = state.region;
  // Nothing of this machine is changed: who serves by that name may be the other one.
  if (twinOf(state) !== undefined) return undefined;
  const [relation] = database.relations;
  if (database.kind !== 'ready' || url === undefined || version === undefined || relation === undefined)
    return undefined;
  if (packageVersion === undefined || tooOld(version) !== undefined) return undefined;
  if (passwordProblem(database.connection.password, version) !== undefined) return undefined;
  return { url, database: database.connection, version, packageVersion, relation: relation.id };
}

/** An earlier region of the same name, by which MAAS would take the two for one: it knows no domains. */
export function twinOf({ unit, region, cluster }: State): string | undefined {
  return cluster.peers.find(
    (peer) =>
      peer.hostname !== undefined &&
      shortName(peer.hostname) === shortName(region.hostname) &&
      unitNumber(peer.unit) < unitNumber(unit),
  )?.unit;
}

/** Whether this very database has the schema of the installed MAAS: another one may be empty, and it may have been restored. */
function isMigrated(state: State, known: Known): boolean {
  return isSaidToBe(state.cluster.schema, known) && !isTakenBack(state, known);
}

/** Whether the database is said to be migrated, and says itself that it is not: then it has been restored. */
function isTakenBack({ cluster, isLeader, database }: State, known: Known): boolean {
  return isLeader && database.hasMigrated === false && isSaidToBe(cluster.schema, known);
}

function isSaidToBe(schema: Schema | undefined, { packageVersion, relation }: Known): boolean {
  return schema?.version === packageVersion && schema.relation === relation;
}

/** The regions that may still serve another database, or this one as it was before it is migrated. */
export function notStopped({ cluster }: State): readonly string[] {
  const { peers, unmet = [] } = cluster;
  return [...peers.filter(({ database }) => database !== undefined).map(({ unit }) => unit), ...unmet];
}

/**
 * Whether the leader may migrate: a database that no region uses, nor another one, or one whose regions have all stopped
 * to be upgraded. What somebody has installed on one machine by hand is no reason to.
 */
function canMigrate(state: State, { relation }: Known, upgrade: Upgrade | undefined): boolean {
  // A server that was not asked, as before the service that follows the primary has begun, may have an obstacle.
  const wasAsked = state.database.postgresqlVersion !== undefined;
  if (!state.isLeader || !wasAsked || obstacleOf(state) !== undefined) return false;
  if (upgrade) return !upgrade.isBehind && upgrade.lagging.length === 0;
  // Never two databases behind the balancers: who serves the one of before has to stop first.
  return state.cluster.schema?.relation !== relation && notStopped(state).length === 0;
}

/** What the database is at once this unit serves. */
export function schemaOf({ cluster }: State, { packageVersion, relation, database }: Known): Schema {
  const before = cluster.schema;
  const named = { database: database.database };
  if (before?.version === packageVersion && before.relation === relation) return { ...before, ...named };
  return {
    version: packageVersion,
    relation,
    ...named,
    ...(before?.relation === relation && { from: before.version }),
  };
}
