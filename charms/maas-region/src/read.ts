import { chooseInstallation, ownershipOf } from '@maas-ha/maas';
import { readBackup } from './backup/read.ts';
import { readCluster, readDeparted, readUnmet } from './cluster/read.ts';
import { readConfig } from './config/read.ts';
import { databaseRelations, readDatabase, readFacts } from './database/read.ts';
import type { RegionJuju } from './juju.ts';
import { readNetwork } from './network/read.ts';
import { readRacks, readSoleDhcp } from './racks/read.ts';
import { readRegion } from './region/read.ts';
import type { HandMade, State } from './state.ts';
import { readTls } from './tls/read.ts';

/** For hooks: they do something on a machine whose MAAS is a person's, too. */
export async function readForHook(juju: RegionJuju): Promise<State | HandMade> {
  if ((await ownershipOf('region', juju.context)) !== 'person') return read(juju);
  const [options, relations] = await Promise.all([juju.options(), databaseRelations(juju)]);
  return { handMade: { options, database: { relations }, cluster: {} } };
}

/** @throws {UserError} where the MAAS of this machine is a person's */
export async function read(juju: RegionJuju): Promise<State> {
  const { context } = juju;
  const { id: hook, unit, app, model, removal } = context;
  const options = await juju.options();
  const choice = await chooseInstallation(options.source, 'region', context);
  const [isLeader, region, database, cluster, network, racks, observers] = await Promise.all([
    juju.isLeader(),
    readRegion(juju, choice),
    readDatabase(juju),
    readCluster(juju),
    readNetwork(juju),
    readRacks(juju),
    juju.relations('cos-agent'),
  ]);
  const state: State = {
    hook,
    unit,
    app,
    model,
    isLeader,
    isBeingRemoved: removal !== undefined,
    isOutOfBalancers: removal?.isNew === false,
    options,
    region,
    database,
    cluster,
    network,
    config: await readConfig(context, region),
    tls: await readTls(juju, network),
    racks,
    backup: readBackup(context),
    observers: observers.map(({ id }) => id),
  };
  return removal ? state : withAnswers(state, juju);
}

/** With what MAAS answers about who is gone, and to the leader, which looks after the rest for all, with that too. */
async function withAnswers(state: State, juju: RegionJuju): Promise<State> {
  const { isLeader, region, database, cluster, racks } = state;
  const soleDhcp = isLeader && region.isServing ? await readSoleDhcp(state, juju.context) : undefined;
  const [departed, unmet, facts] = await Promise.all([
    region.isServing ? readDeparted(state, juju) : undefined,
    isLeader ? readUnmet(state, juju) : [],
    isLeader ? readFacts(database, region.packageVersion) : undefined,
  ]);
  return {
    ...state,
    database: { ...database, ...facts },
    cluster: { ...cluster, ...(departed && { departed }), ...(unmet.length > 0 && { unmet }) },
    racks: { ...racks, ...(soleDhcp && { soleDhcp }) },
  };
}
