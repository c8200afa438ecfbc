import { awaitDrained, draining, drainMark, type Resource } from 'juju-ts-host';
import { handMade, leaveBind, pausedStatus, type Installation, type Left } from '@maas-ha/maas';
import { blocked, waiting, type Plan } from 'juju-ts-ops';
import { restoration } from './backup/backup.ts';
import type { charmcraft } from './charmcraft.ts';
import { standingOf, type Standing } from './cluster/known.ts';
import { awaitsForgetting, clusterBags, forgetting, schemaSaid } from './cluster/plan.ts';
import { upgradeResources } from './cluster/upgrade.ts';
import { configuration, namedResources, settingSteps } from './config/plan.ts';
import { CLIENT_PACKAGE } from './database/database.ts';
import { databaseRequests, migration, stoppedByExtensions } from './database/plan.ts';
import {
  databaseProxyResources,
  PACKAGES as PROXY_PACKAGES,
  withoutDatabaseProxy,
} from './database/proxy/plan.ts';
import type { endpoints } from './endpoints.ts';
import { apiBags, emptyApiBags, portsOf } from './network/plan.ts';
import { observerBags } from './observability.ts';
import { rpcBags } from './racks/plan.ts';
import { atOnce, goodbye, installation, oneByOne, serving } from './region/plan.ts';
import type { HandMade, State } from './state.ts';
import { statusesOf } from './status.ts';
import { certificateRequests, servedTls, tlsSecrets, tlsSteps } from './tls/plan.ts';

type RegionPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State | HandMade): RegionPlan {
  if ('handMade' in state)
    return { machine: [], databags: databaseRequests(state.handMade), status: [blocked(handMade().message)] };
  if (state.isBeingRemoved) return farewell(state);
  if (state.region.isPaused) return pause(state);
  const standing = standingOf(state);
  const { url, known, served } = standing;
  const tls = servedTls(state, known?.relation);
  return {
    // What is restored changes what follows from it: the rest comes in the next round.
    ...(state.backup.isRestoring
      ? { machine: [...installation(state.region), restoration(state)] }
      : machine(state, standing)),
    secrets: tlsSecrets(state),
    databags: [
      ...databaseRequests(state),
      ...clusterBags(state, standing),
      ...(served ? apiBags(state, tls) : []),
      ...(state.region.secret && url !== undefined ? rpcBags(state, url, schemaSaid(state, standing)) : []),
      ...observerBags(state, tls),
      ...certificateRequests(state.tls),
    ],
    ports: portsOf(state.region, tls),
    ...(state.region.version !== undefined && { version: state.region.version }),
    ...reconcileIn(state, standing),
    status: statusesOf(state, standing),
  };
}

/** How soon a unit looks again at what it waits for, in seconds; and how soon it goes on once what it said is known. */
const RECONCILE_IN = 60;
const GO_ON_IN = 1;

function reconcileIn(state: State, standing: Standing): Pick<RegionPlan, 'reconcileIn'> {
  const { upgrade, isCalledOff } = standing;
  const isToInstall = upgrade !== undefined && upgrade.isBehind && !upgrade.mayInstall;
  if (isToInstall || isCalledOff) return { reconcileIn: GO_ON_IN };
  return isAwaiting(state, standing) ? { reconcileIn: RECONCILE_IN } : {};
}

/** Whether this unit waits for what no event announces. */
function isAwaiting(state: State, { served }: Standing): boolean {
  const { region, database } = state;
  const followsNobody = database.proxy?.report !== undefined && !database.proxy.report.current;
  return followsNobody || (served !== undefined && (!region.isServing || awaitsForgetting(state)));
}

function machine(
  state: State,
  { known, served, upgrade, hasSchema, mayMigrate }: Standing,
): Pick<RegionPlan, 'machine' | 'rolling' | 'afterRolling'> {
  const { region, database, isLeader } = state;
  const { maas, services, isServing } = region;
  const isBehind = upgrade?.isBehind ?? false;
  return {
    machine: [
      ...(maas.usesNamed ? [{ kind: 'absent-file', path: NAMED_DRAIN_MARK } satisfies Resource] : []),
      ...installation(region),
      ...(upgrade && isBehind ? upgradeResources(region, upgrade) : []),
      ...(database.proxy ? databaseProxyResources(database.proxy, stoppedByExtensions(state)) : []),
      ...(known && !isBehind ? [configuration(state, known)] : []),
      ...(known && !isBehind && !hasSchema
        ? [
            // Once this unit has migrated it serves, though the others are told only at the end of the hook.
            ...(mayMigrate && database.hasMigrated === true ? [] : maas.standstill(services)),
            ...(mayMigrate ? [migration(state, known)] : []),
          ]
        : []),
      // A region whose database has been taken away would serve it beside the next one.
      ...(database.kind === 'none' ? maas.standstill(services) : []),
      ...(served ? atOnce(state, served) : []),
    ],
    rolling: served ? oneByOne(state, served) : [],
    afterRolling: [
      ...(served && database.isProxyLeft ? withoutDatabaseProxy() : []),
      ...(served ? serving(state) : []),
      ...(isServing && database.kind !== 'none' ? [...namedResources(state), ...forgetting(state)] : []),
      ...(known && isServing && isLeader
        ? [...settingSteps(state, known), ...tlsSteps(state, known.relation)]
        : []),
    ],
  };
}

const NAMED_DRAIN_MARK = drainMark('named');

/** Whether the unit takes named with it: what sends clients to this machine for it has to know before. */
function takesNamed(maas: Installation, { services, isAdopted }: Pick<LeftRegion, 'services' | 'isAdopted'>) {
  return maas.usesNamed && services.length > 0 && !isAdopted;
}

/** A unit that is being removed turns the balancers away, then says goodbye to MAAS, and does nothing else any more. */
function farewell(state: State): RegionPlan {
  const { region, isOutOfBalancers } = state;
  return {
    machine: [
      ...(takesNamed(region.maas, region) ? [draining('named')] : []),
      ...(isOutOfBalancers && region.services.length > 0 ? [goodbye(region)] : []),
    ],
    databags: emptyApiBags(state),
    status: [waiting('to be removed')],
  };
}

/** A paused unit stays as it is, and balancers send it nobody. */
function pause(state: State): RegionPlan {
  return { machine: [], databags: emptyApiBags(state), status: [pausedStatus(state.unit)] };
}

/** What is left when the unit goes: a region that has said goodbye to the others, and runs no more. */
export function teardown(maas: Installation, left: LeftRegion): readonly Resource[] {
  const { services, hasDatabaseProxy, removalFor = 0 } = left;
  return [
    ...(takesNamed(maas, left)
      ? [
          draining('named'),
          { kind: 'step', id: 'drain', run: () => awaitDrained(removalFor) } satisfies Resource,
        ]
      : []),
    ...maas.standstill(services),
    // Until nothing of MAAS runs it needs its database.
    ...(hasDatabaseProxy ? withoutDatabaseProxy() : []),
    // Once the packages are gone nothing is left to do.
    ...(takesNamed(maas, left)
      ? [{ kind: 'step', id: 'leave-bind', run: () => leaveBind() } satisfies Resource]
      : []),
    ...maas.removeRegion(left, [CLIENT_PACKAGE, ...PROXY_PACKAGES]),
    ...(maas.usesNamed ? [{ kind: 'absent-file', path: NAMED_DRAIN_MARK } satisfies Resource] : []),
  ];
}

/** What a region that goes leaves behind. */
interface LeftRegion extends Left {
  readonly services: readonly string[];
  readonly hasDatabaseProxy: boolean;
  /** How long ago an earlier hook learnt that the unit goes, in seconds. */
  readonly removalFor?: number | undefined;
}
