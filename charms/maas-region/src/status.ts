import { tooOld } from '@maas-ha/maas';
import { active, waiting, blocked, type Status } from 'juju-ts-ops';
import type { Standing } from './cluster/known.ts';
import { departedNotes, dhcpLost, notServing, twinStatus } from './cluster/plan.ts';
import { notReady, obstacleOf } from './cluster/upgrade.ts';
import { namedStatus, portStatus } from './config/plan.ts';
import { connectionNotes, missingDatabase, renamedDatabase } from './database/plan.ts';
import { databaseProxyNotes, databaseProxyStatus } from './database/proxy/plan.ts';
import { addressNotes, missingUrl, sharedAddress } from './network/plan.ts';
import type { State } from './state.ts';
import { tlsStatus } from './tls/plan.ts';

export function statusesOf(state: State, standing: Standing): readonly Status[] {
  const { url, known, served } = standing;
  const { region, database, config, isLeader } = state;
  if (!known) return [missingForConfig(state, url) ?? waiting(region.maas.name)];
  const obstacle = isLeader ? obstacleOf(state) : undefined;
  if (obstacle) return [obstacle];
  if (!served) return [notServing(state, known, standing)];
  const problem =
    portStatus(config) ??
    (database.proxy && databaseProxyStatus(database.proxy)) ??
    (region.isServing ? undefined : waiting('regiond to serve')) ??
    sharedAddress(state) ??
    renamedDatabase(state, known) ??
    namedStatus(config) ??
    tlsStatus(state);
  if (problem) return [problem];
  const serves = `serves ${known.url}`;
  const notes = notesOf(state);
  const [lost, ...more] = isLeader ? dhcpLost(state) : [];
  if (!lost) return [active(serves, notes)];
  // What the user has to do comes first: `juju status` may have no room for more.
  return [active(lost, [...more.map((text) => text((names) => names.join(', '))), serves, ...notes])];
}

/** Why regiond cannot be configured yet; nothing if it can. */
function missingForConfig(state: State, url: string | undefined): Status | undefined {
  const { version } = state.region;
  const age = version === undefined ? undefined : tooOld(version);
  if (age !== undefined) return blocked(age);
  return missingDatabase(state) ?? twinStatus(state) ?? (url === undefined ? missingUrl(state) : undefined);
}

/** What the user should know, though MAAS serves. */
function notesOf(state: State): readonly string[] {
  const { region, database } = state;
  const own = [
    ...(region.sourceNote === undefined ? [] : [region.sourceNote]),
    ...(database.proxy ? databaseProxyNotes(database.proxy) : []),
  ];
  if (!state.isLeader) return own;
  return [
    ...own,
    ...[notReady(state)].filter((note) => note !== undefined),
    ...addressNotes(state),
    ...connectionNotes(state),
    ...departedNotes(state),
  ];
}
