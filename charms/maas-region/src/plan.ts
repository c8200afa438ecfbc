import type { Resource } from '@maas-ha/host';
import { pausedStatus, preparing, renderMaasConfig, type Installation } from '@maas-ha/maas';
import { waiting, type Plan, type Redacted } from 'juju-ts-ops';
import { restore } from './backup.ts';
import type { charmcraft } from './charmcraft.ts';
import { forgetController, localApi, type Departed } from './controllers.ts';
import { CLIENT_PACKAGE, migrateDatabase } from './database.ts';
import {
  databaseProxyResources,
  PACKAGES as PROXY_PACKAGES,
  withoutDatabaseProxy,
} from './database-proxy/plan.ts';
import { LOCAL } from './database-proxy/route.ts';
import { databagsOf } from './databags.ts';
import { migrateDnsOptions, startNamed } from './dns.ts';
import type { endpoints } from './endpoints.ts';
import { extensionsToDrop } from './extensions.ts';
import { canMigrate, isMigrated, isTakenBack, knownOf, schemaOf, urlOf, type Known } from './known.ts';
import { hasTemporal, portsOf } from './ports.ts';
import { awaitAnother, awaitServing, restartRegion } from './regiond.ts';
import { rotation } from './secret.ts';
import { changeSettings, settingChanges, wantedSettings, type Settings } from './settings.ts';
import type { State } from './state.ts';
import { statusesOf } from './status.ts';
import { servedTls, tlsSteps, tlsSecrets } from './tls.ts';
import { upgradeOf, upgradeResources } from './upgrade.ts';

type RegionPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): RegionPlan {
  if (state.isLeaving) return farewell(state);
  if (state.isPaused) return pause(state);
  const url = urlOf(state);
  const known = knownOf(state, url);
  const upgrade = upgradeOf(state);
  const isBehind = upgrade?.isBehind ?? false;
  const hasSchema = known !== undefined && isMigrated(state, known);
  const mayMigrate = known !== undefined && !hasSchema && canMigrate(state, known, upgrade);
  const mayServe = !isBehind && (hasSchema || mayMigrate);
  const tls = servedTls(state, known?.relation);
  return {
    // What is restored changes what follows from it: the rest comes in the next round.
    ...(state.isRestoring
      ? { machine: [...installation(state), restoration(state)] }
      : {
          machine: [
            ...installation(state),
            ...(upgrade && isBehind ? upgradeResources(state, upgrade) : []),
            ...(state.databaseProxy ? databaseProxyResources(state.databaseProxy) : []),
            ...(known && !isBehind ? [configuration(state, known)] : []),
            ...(known && !isBehind && !hasSchema
              ? [
                  // Once this unit has migrated it serves, though the others are told only at the end of the hook.
                  ...(mayMigrate && state.hasMigrated === true ? [] : state.maas.standstill(state.services)),
                  ...(mayMigrate ? [migration(state, known)] : []),
                ]
              : []),
            // A region whose database has been taken away would serve it beside the next one.
            ...(state.database.kind === 'none' ? state.maas.standstill(state.services) : []),
            ...(known && mayServe ? atOnce(state, known) : []),
          ],
          inTurn: known && mayServe ? oneByOne(state, known) : [],
          afterTurn: [
            ...(known && mayServe && state.isDatabaseProxyLeft ? withoutDatabaseProxy() : []),
            ...(known && mayServe ? serving(state) : []),
            ...(state.isServing && state.database.kind !== 'none' ? dutiesOf(state) : []),
            ...(known && state.isServing && state.isLeader
              ? [...settingSteps(state, known), ...tlsSteps(state, known.relation)]
              : []),
          ],
        }),
    secrets: tlsSecrets(state),
    databags: databagsOf(state, {
      url,
      known: mayServe ? known : undefined,
      upgrade,
      isTakenBack: known !== undefined && isTakenBack(state, known),
      tls,
    }),
    ports: portsOf(state, tls),
    ...(state.version !== undefined && { version: state.version }),
    status: statusesOf(state, url, known, { mayServe, upgrade }),
  };
}

/** A unit that is being removed turns the balancers away, then says goodbye to MAAS, and does nothing else any more. */
function farewell({ maas, isOutOfBalancers, services, api }: State): RegionPlan {
  return {
    machine: isOutOfBalancers && services.length > 0 ? [goodbye(maas)] : [],
    databags: api.map((relation) => ({ endpoint: 'api', relation, unit: {} }) as const),
    status: [waiting('to be removed')],
  };
}

/** A paused unit stays as it is, and balancers send it nobody. */
function pause({ unit, api }: State): RegionPlan {
  return {
    machine: [],
    databags: api.map((relation) => ({ endpoint: 'api', relation, unit: {} }) as const),
    status: [pausedStatus(unit)],
  };
}

/** What is left when the unit goes: a region that has said goodbye to the others, and runs no more. */
export function leave(
  maas: Installation,
  services: readonly string[],
  hasRack: boolean,
  hasDatabaseProxy: boolean,
): readonly Resource[] {
  return [
    ...(services.length > 0 ? [goodbye(maas)] : []),
    ...maas.removeRegion(services, hasRack, [CLIENT_PACKAGE]),
    ...(hasDatabaseProxy ? withoutDatabaseProxy() : []),
    { kind: 'absent-packages', names: PROXY_PACKAGES },
  ];
}

function goodbye(maas: Installation): Resource {
  // Once: later hooks of a unit that is being removed have nothing left to stop.
  return { kind: 'step', id: 'goodbye', inputs: {}, run: () => maas.stopRegion() };
}

function installation({ maas, source, preparation }: State): readonly Resource[] {
  return [...maas.install('region', source, [CLIENT_PACKAGE]), ...preparing(maas, 'region', preparation)];
}

function restoration({ maas, restoreFile, hostname }: State): Resource {
  return { kind: 'step', id: 'restore-backup', run: () => restore(maas, restoreFile, hostname) };
}

function configuration(state: State, known: Known): Resource {
  const { maas } = state;
  return {
    kind: 'file',
    path: maas.conf.region,
    content: regiondConf(state, known),
    mode: 0o640,
    owner: 'root',
    group: maas.group,
    // MAAS checks every value whenever it reads the file; this makes it do so before the file counts. Its own
    // `local_config_set` would take the password in its arguments, where every user of the machine could read it.
    ...(maas.validateRegion && { validate: maas.validateRegion() }),
  };
}

function regiondConf({ options, currentConf, address }: State, { url, database, version }: Known): Redacted {
  return renderMaasConfig(currentConf, {
    maas_url: url,
    database_host: database.host,
    database_port: database.port,
    database_name: database.database,
    database_user: database.user,
    database_pass: database.password.reveal(),
    num_workers: options['num-workers'],
    debug: options.debug,
    // Else MAAS takes the address that it reaches the URL from, which is the virtual one on the machine that holds it.
    ...(hasTemporal(version) && { broadcast_address: address }),
  });
}

function migration(state: State, { database, packageVersion, relation }: Known): Resource {
  const { maas, unit, cluster } = state;
  const dropped = extensionsToDrop(packageVersion, state);
  return {
    kind: 'step',
    id: 'migrate-database',
    inputs: {
      version: packageVersion,
      relation,
      database: database.database,
      before: cluster?.schema?.version ?? '',
    },
    run: () => migrateDatabase(maas, database, packageVersion, unit, { dropped }),
  };
}

/** What a region may do without asking the others: no region that does not serve is missed. */
function atOnce(state: State, known: Known): readonly Resource[] {
  return [
    ...(restartsInTurn(state, known) ? [] : [restart(state, known)]),
    ...(state.isInitialised ? [] : initialisation(state, known)),
    ...(isUpgraded(state, known) ? [] : release(state)),
  ];
}

/** MAAS writes the file in its own way then, and ours comes after it. */
function initialisation(state: State, known: Known): readonly Resource[] {
  const { maas } = state;
  return [
    { kind: 'step', id: 'initialise', run: () => maas.initialiseRegion(known.url, known.database) },
    configuration(state, known),
  ];
}

/** What interrupts a region, or brings it back: one after the other, so that others serve meanwhile. */
function oneByOne(state: State, known: Known): readonly Resource[] {
  return [
    ...(restartsInTurn(state, known) ? [restart(state, known)] : []),
    ...(isUpgraded(state, known) ? [...release(state), startUpgraded(state, known)] : []),
    ...(state.isServing ? rotation(state) : []),
  ];
}

function serving(state: State): readonly Resource[] {
  const { services, isServing, portConflict } = state;
  const [regiond, ...others] = services.map((name): Resource => ({
    kind: 'service',
    name,
    state: 'running',
    enabled: true,
  }));
  return [
    ...(regiond ? [regiond] : []),
    ...(isServing || portConflict
      ? []
      : [{ kind: 'step', id: 'await-serving', run: () => awaitServing(state) } satisfies Resource]),
    // They need what regiond writes when it first starts.
    ...others,
  ];
}

function release({ maas, isHeld }: State): readonly Resource[] {
  return isHeld ? [{ kind: 'step', id: 'release-region', run: () => maas.releaseRegion() }] : [];
}

/** Whether the database had another MAAS before. */
function isUpgraded(state: State, known: Known): boolean {
  return schemaOf(state, known).from !== undefined;
}

/** After an upgrade no region runs: the leader starts first, and the others one after the other. */
function startUpgraded(state: State, { packageVersion }: Known): Resource {
  return {
    kind: 'step',
    id: 'start-upgraded',
    inputs: { version: packageVersion },
    run: async () => {
      await state.maas.startRegion(state.services);
      await awaitServing(state);
    },
  };
}

/**
 * In turn, but for a new place of the database, because no region that looks for the old one serves anyway. The address
 * that follows the primary is another way to the same place.
 */
function restartsInTurn({ currentConf, isServing }: State, { database: { host, port } }: Known): boolean {
  const before = currentConf['database_host'];
  if (!isServing) return false;
  if (before !== host && (before === LOCAL.host || host === LOCAL.host)) return true;
  return before === host && currentConf['database_port'] === port;
}

/** Everything that has read regiond.conf restarts when it changes. */
function restart(state: State, known: Known): Resource {
  const { peers } = state;
  const others = restartsInTurn(state, known) ? peers.flatMap((peer) => peer.address ?? []) : [];
  return {
    kind: 'step',
    id: 'restart-regiond',
    inputs: { conf: regiondConf(state, known).digest() },
    run: async () => {
      await awaitAnother(others);
      await restartRegion(state);
    },
  };
}

/** What a region that serves does beside: named can answer, and MAAS forgets the controllers that are gone. */
function dutiesOf({ maas, hook, departed, dnsProblem, isNamedDown }: State): readonly Resource[] {
  return [
    ...(dnsProblem === undefined ? [] : [repairDns(maas, dnsProblem)]),
    ...(dnsProblem === undefined && isNamedDown
      ? [{ kind: 'step', id: 'start-named', inputs: { hook }, run: startNamed } satisfies Resource]
      : []),
    ...(departed?.regions ?? []).flatMap((gone) => forget(maas, 'region', gone)),
    ...(departed?.racks ?? []).flatMap((gone) => forget(maas, 'rack', gone)),
  ];
}

/** The leader has MAAS set what options say, and what is changed in MAAS itself stays until the option changes. */
function settingSteps({ maas, hook, options, cluster }: State, known: Known): readonly Resource[] {
  const changes = settingChanges(wantedSettings(options), settingsBefore(cluster, known));
  if (changes.length === 0) return [];
  return [
    {
      kind: 'step',
      id: 'change-settings',
      inputs: { hook },
      run: async () => changeSettings(changes, await localApi(maas)),
    },
  ];
}

/** What MAAS was told to set; nothing of it is in another database. */
function settingsBefore(cluster: State['cluster'], { relation }: Known): Settings {
  return cluster?.settings?.relation === relation ? cluster.settings.values : {};
}

function repairDns(maas: Installation, problem: string): Resource {
  return { kind: 'step', id: 'migrate-dns-options', inputs: { problem }, run: () => migrateDnsOptions(maas) };
}

function forget(
  maas: Installation,
  kind: 'region' | 'rack',
  { unit, systemId, isRunning, soleDhcpOf }: Departed,
): readonly Resource[] {
  if (systemId === undefined || isRunning || soleDhcpOf.length > 0) return [];
  return [{ kind: 'step', id: `forget-${kind}:${unit}`, run: () => forgetController(maas, kind, systemId) }];
}
