import { run, type Resource } from 'juju-ts-host';
import { installing, preparing } from '@maas-ha/maas';
import { schemaOf, type Known } from '../cluster/known.ts';
import { rotation } from '../cluster/secret.ts';
import { configuration, regiondConf } from '../config/plan.ts';
import { CLIENT_PACKAGE } from '../database/database.ts';
import { LOCAL } from '../database/proxy/route.ts';
import type { State } from '../state.ts';
import { awaitServing, restartInTurn } from './regiond.ts';
import type { Region } from './state.ts';

export function installation({ maas, source, isAdopted, preparation }: Region): readonly Resource[] {
  return [
    ...installing(maas, 'region', { source, tools: [CLIENT_PACKAGE], isAdopted }),
    ...preparing(maas, 'region', preparation),
  ];
}

/** What a region may do without asking the others: no region that does not serve is missed. */
export function atOnce(state: State, known: Known): readonly Resource[] {
  return [
    ...ownFiles(state.region),
    ...(restartsInTurn(state, known) ? [] : [restart(state, known)]),
    ...(state.region.isInitialised ? [] : initialisation(state, known)),
    ...(isUpgraded(state, known) ? [] : release(state.region)),
  ];
}

/** MAAS keeps the owner of a file that is there, so this lasts. */
function ownFiles({ maas, foreignFiles }: Region): readonly Resource[] {
  if (foreignFiles.length === 0) return [];
  const owner = `${maas.user}:${maas.group}`;
  return [
    {
      kind: 'step',
      id: 'own-files',
      run: async () => void (await run(['chown', '--no-dereference', owner, ...foreignFiles])),
    },
  ];
}

/** MAAS writes the file in its own way then, and ours comes after it. */
function initialisation(state: State, known: Known): readonly Resource[] {
  const { maas } = state.region;
  return [
    { kind: 'step', id: 'initialise', run: () => maas.initialiseRegion(known.url, known.database) },
    configuration(state, known),
  ];
}

/** What interrupts a region, or brings it back: one after the other, so that others serve meanwhile. */
export function oneByOne(state: State, known: Known): readonly Resource[] {
  return [
    ...(restartsInTurn(state, known) ? [restart(state, known)] : []),
    ...(isUpgraded(state, known) ? [...release(state.region), startUpgraded(state.region, known)] : []),
    ...(state.region.isServing ? rotation(state) : []),
  ];
}

export function serving({ region, config: { portConflict } }: State): readonly Resource[] {
  const { services, isServing } = region;
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
      : [{ kind: 'step', id: 'await-serving', run: () => awaitServing(region) } satisfies Resource]),
    // They need what regiond writes when it first starts.
    ...others,
  ];
}

/** Once: later hooks of a unit that is being removed have nothing left to stop. */
export function goodbye({ maas }: Region): Resource {
  return { kind: 'step', id: 'goodbye', inputs: {}, run: () => maas.stopRegion() };
}

function release({ maas, isHeld }: Region): readonly Resource[] {
  return isHeld ? [{ kind: 'step', id: 'release-region', run: () => maas.releaseRegion() }] : [];
}

/** Whether the database had another MAAS before. */
function isUpgraded(state: State, known: Known): boolean {
  return schemaOf(state, known).from !== undefined;
}

/** After an upgrade no region runs: the leader starts first, and the others one after the other. */
function startUpgraded(region: Region, { packageVersion }: Known): Resource {
  return {
    kind: 'step',
    id: 'start-upgraded',
    inputs: { version: packageVersion },
    run: async () => {
      await region.maas.startRegion(region.services);
      await awaitServing(region);
    },
  };
}

/**
 * In turn, but for a new place of the database, because no region that looks for the old one serves anyway. The address
 * that follows the primary is another way to the same place.
 */
function restartsInTurn({ region }: State, { database: { host, port } }: Known): boolean {
  const { currentConf, isServing } = region;
  const before = currentConf['database_host'];
  if (!isServing) return false;
  if (before !== host && (before === LOCAL.host || host === LOCAL.host)) return true;
  return before === host && currentConf['database_port'] === port;
}

/** Everything that has read regiond.conf restarts when it changes. */
function restart(state: State, known: Known): Resource {
  const { region, cluster } = state;
  const others = restartsInTurn(state, known) ? cluster.peers.flatMap((peer) => peer.address ?? []) : [];
  return {
    kind: 'step',
    id: 'restart-regiond',
    inputs: { conf: regiondConf(state, known).digest() },
    run: async () => {
      await restartInTurn(region, others);
    },
  };
}
