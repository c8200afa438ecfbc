import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfExists, type Resource } from 'juju-ts-host';
import { inWords, oldestPostgresql, majorMinor, withoutEpoch } from '@maas-ha/maas';
import { blocked, isAtLeast, unitNumber, UserError, type HookContext, type Status } from 'juju-ts-ops';
import { extensionObstacle } from '../database/extensions.ts';
import type { Region } from '../region/state.ts';
import type { State } from '../state.ts';
import type { RegionJuju } from '../juju.ts';
import { readCluster } from './read.ts';

/** What is known of an upgrade that is to come, or under way. */
export interface Upgrade {
  /** The versions of the packages. */
  readonly from: string;
  readonly to: string;
  /** Whether this region has still to stop and install them. */
  readonly isBehind: boolean;
  /**
   * Whether it installs them in this hook. The regions that the leader waits for say first that they stand still: then it
   * migrates while they install.
   */
  readonly mayInstall: boolean;
  /** The other regions that may still run the old version. */
  readonly lagging: readonly string[];
}

/** The upgrade that the regions are in, or enter now because the leader says so; `undefined` where there is none. */
export function upgradeOf(state: State): Upgrade | undefined {
  const { cluster, region, isLeader } = state;
  const { packageVersion, preparation } = region;
  const from = cluster.schema?.version;
  const to = targetOf(state);
  if (from === undefined || packageVersion === undefined) return undefined;
  if (to === undefined || to === from) {
    // One that was being installed while the others were upgraded goes after them by itself: it serves nobody yet.
    const isLate = packageVersion !== from && isAtLeast(withoutEpoch(from), withoutEpoch(packageVersion));
    return isLate && preparation.version === from
      ? { from: packageVersion, to: from, isBehind: true, mayInstall: true, lagging: [] }
      : undefined;
  }
  return {
    from,
    to,
    isBehind: packageVersion !== to,
    mayInstall: isLeader || cluster.stopped === to,
    // One that has said nothing at all has not installed anything yet.
    lagging: [
      ...cluster.peers
        .filter(({ hostname, version }) => hostname !== undefined && version !== to)
        // What one said before the leader did is of an earlier upgrade that was called off, and it may be starting again.
        .filter(({ stopped }) => stopped !== to || cluster.target !== to)
        .map(({ unit }) => unit),
      ...(cluster.unmet ?? []),
    ].toSorted((a, b) => unitNumber(a) - unitNumber(b)),
  };
}

/** The leader sets a target once every region could install it at once, and nothing is in the way. */
function targetOf(state: State): string | undefined {
  const { isLeader, cluster } = state;
  const ready = isLeader ? readyVersion(state) : undefined;
  return ready !== undefined && obstacleOf(state) === undefined ? ready : cluster.target;
}

/** The version that every region could install at once. */
function readyVersion({ region, cluster }: State): string | undefined {
  const { version } = region.preparation;
  // What others have, one that has not met them does not know.
  if (cluster.unmet) return undefined;
  return cluster.peers.every(({ hostname, ready }) => hostname === undefined || ready === version)
    ? version
    : undefined;
}

/** Why the leader does not let MAAS be installed, or upgraded: what the new version would refuse once it is there. */
export function obstacleOf({ region, cluster, database }: State): Status | undefined {
  const { version } = region.preparation;
  const { postgresqlVersion, hasMigrated } = database;
  const isDone = version === cluster.schema?.version && hasMigrated !== false;
  if (version === undefined || postgresqlVersion === undefined || isDone) return undefined;
  const oldest = oldestPostgresql(majorMinor(version));
  return postgresqlVersion >= oldest
    ? extensionObstacle(version, database)
    : blocked(
        `MAAS ${majorMinor(version)} needs PostgreSQL ${oldest} or newer, and the database has ${postgresqlVersion}`,
        'upgrade it, or set an older source=',
      );
}

/** For whoever waits to be upgraded: who is not ready for it. */
export function notReady({ region, cluster }: State): string | undefined {
  const { version } = region.preparation;
  const from = cluster.schema?.version;
  if (version === undefined || from === undefined || version === from) return undefined;
  const missing = cluster.peers.filter(({ hostname, ready }) => hostname !== undefined && ready !== version);
  if (missing.length === 0) return undefined;
  const [, to] = inWords(from, version);
  return `ready to be upgraded to ${to} once ${missing.map(({ unit }) => unit).join(', ')} can be as well`;
}

/** `upgrading from 3.4 to 3.7` */
export function upgradeInWords({ from, to }: Pick<Upgrade, 'from' | 'to'>): string {
  return `upgrading from ${inWords(from, to).join(' to ')}`;
}

/** What a region does that is to be upgraded: it stops, stays stopped whatever its packages start, and takes the new ones. */
export function upgradeResources(region: Region, { to, mayInstall }: Upgrade): readonly Resource[] {
  const { maas, packages, source, services, isHeld } = region;
  return [
    ...(isHeld
      ? []
      : [{ kind: 'step', id: 'hold-for-upgrade', run: () => maas.holdRegion() } satisfies Resource]),
    ...maas.standstill(services),
    ...(mayInstall ? maas.upgrade(packages, to, source) : []),
  ];
}

/** The target for which a region says that it stands still; what it says is known once it does. */
export function stoppedSaid({ isLeader }: State, upgrade: Upgrade | undefined): string | undefined {
  return !isLeader && upgrade?.isBehind ? upgrade.to : undefined;
}

/** The file by which the leader knows that it has been asked to look for newer packages. */
export function lookFile({ stateDirectory }: Pick<HookContext, 'stateDirectory'>): string {
  return join(stateDirectory, 'look');
}

/**
 * The later of two wishes to look for newer packages. They are numbered, because the clocks of two leaders need not agree; what an
 * earlier revision of the charm wrote, a time, comes before all numbers.
 */
export function latestWish(one = '', other = ''): string {
  if (one === '' || other === '') return one || other;
  return numberOf(one) >= numberOf(other) ? one : other;
}

function numberOf(wish: string): number {
  return /^\d+$/.test(wish) ? Number(wish) : 0;
}

/** Has every region look for newer packages in its source; what follows is for the hooks. @throws {UserError} */
export async function askForUpgrade(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { context } = juju;
  if (!(await juju.isLeader()))
    throw new UserError(`the leader sees to it: juju run ${context.app}/leader upgrade`);
  await mkdir(context.stateDirectory, { recursive: true });
  const { look } = await readCluster(juju);
  const last = latestWish(look, await readFileIfExists(lookFile(context)));
  await writeFile(lookFile(context), String(numberOf(last) + 1));
  return { asked: 'true' };
}
