import { HookToolError, undefinedOn, type GoalState } from 'juju-ts-ops';
import { left as leftCodec, type Hostnames, type Left } from '../endpoints.ts';
import type { RegionJuju } from '../juju.ts';
import type { State } from '../state.ts';
import { departedUnits } from './controllers.ts';
import type { Cluster } from './state.ts';

export async function readCluster(juju: RegionJuju): Promise<Cluster> {
  const [relation] = await juju.relations('region-cluster');
  if (!relation) return { peers: [] };
  const { id, appData, units } = relation;
  const { stopped } = await juju.databag(id, juju.context.unit);
  return {
    ...appData,
    relation: id,
    peers: units.map(({ name, data }) => ({ unit: name, ...data })),
    ...(stopped !== undefined && { stopped }),
    left: unnamed(await readLeft(juju, id), appData),
  };
}

/** Who left while this unit watched: what it said in earlier hooks, and who leaves in this one. */
async function readLeft(juju: RegionJuju, relation: number): Promise<Left> {
  const [own, region, rack] = await Promise.all([
    juju.databag(relation, juju.context.unit),
    juju.departingUnit('region-cluster'),
    juju.departingUnit('rpc'),
  ]);
  const before = own['left'] === undefined ? { regions: {}, racks: {} } : leftCodec.decode(own['left']);
  return {
    regions: { ...before.regions, ...hostnameOf(region) },
    racks: { ...before.racks, ...hostnameOf(rack) },
  };
}

function hostnameOf(
  unit: { readonly name: string; readonly data: { readonly hostname?: string } } | undefined,
): Hostnames {
  return unit?.data.hostname === undefined ? {} : { [unit.name]: unit.data.hostname };
}

/** The leader sees to all that it has named, and a host that it has named has another unit by now. */
function unnamed({ regions, racks }: Left, named: Partial<Left>): Left {
  const without = (all: Hostnames, known: Hostnames = {}): Hostnames =>
    Object.fromEntries(
      Object.entries(all).filter(
        ([unit, hostname]) => !(unit in known) && !Object.values(known).includes(hostname),
      ),
    );
  return { regions: without(regions, named.regions), racks: without(racks, named.racks) };
}

/** Writes down who leaves, at once: how the hook ends is not known yet, and no other tells of it again. */
export async function rememberLeft(juju: RegionJuju): Promise<void> {
  const { relation, left } = await readCluster(juju);
  if (relation === undefined || !left || Object.keys({ ...left.regions, ...left.racks }).length === 0) return;
  const said = (await juju.databag(relation, juju.context.unit))['left'];
  const text = leftCodec.encode(left);
  if (text !== said) await juju.tools.relationSet(relation, 'unit', { left: text });
}

/**
 * Who is gone, and what MAAS still knows of them; `undefined` while that cannot be asked. The leader looks after all that
 * it has named, and every unit after those that it saw leave before.
 */
export async function readDeparted(
  { unit, isLeader, region: { maas, hostname }, cluster, racks }: State,
  juju: Pick<RegionJuju, 'goalState'>,
): Promise<Cluster['departed']> {
  const remembered = (kind: 'regions' | 'racks'): Hostnames => ({
    ...(isLeader && cluster[kind]),
    ...cluster.left?.[kind],
  });
  const missing = {
    regions: absentees(
      remembered('regions'),
      [unit, ...cluster.peers.map((peer) => peer.unit)],
      [hostname, ...cluster.peers.flatMap((peer) => peer.hostname ?? [])],
    ),
    racks: absentees(remembered('racks'), Object.keys(racks.hostnames), Object.values(racks.hostnames)),
  };
  if (missing.regions.length + missing.racks.length === 0) return { regions: [], racks: [] };
  const goal = await undefinedOn(HookToolError, juju.goalState());
  if (!goal) return undefined;
  const [regions, departedRacks] = await Promise.all([
    departedUnits(
      maas,
      'region',
      missing.regions.filter((region) => isGone(region.unit, goal.units)),
    ),
    departedUnits(
      maas,
      'rack',
      missing.racks.filter((rack) => isGone(rack.unit, goal.relations['rpc'])),
    ),
  ]);
  return regions && departedRacks && { regions, racks: departedRacks };
}

/** The regions that the leader has named, that are there, and that this unit has not met. */
export async function readUnmet(
  { unit, cluster }: State,
  juju: Pick<RegionJuju, 'goalState'>,
): Promise<readonly string[]> {
  const met = new Set([unit, ...cluster.peers.map((peer) => peer.unit)]);
  const missing = Object.keys(cluster.regions ?? {}).filter((name) => !met.has(name));
  if (missing.length === 0) return [];
  const goal = await undefinedOn(HookToolError, juju.goalState());
  return goal ? missing.filter((name) => !isGone(name, goal.units)) : missing;
}

/**
 * Whether a unit that this one does not see is gone, or about to go. Juju tells a new unit of the others one by one: one
 * that it has not met yet is planned to be there.
 */
function isGone(unit: string, planned: GoalState['units'] = {}): boolean {
  return (planned[unit]?.status ?? 'dying') === 'dying';
}

/** Who is remembered and not present, unless another unit is on the same machine now. */
function absentees(
  remembered: Hostnames,
  units: readonly string[],
  hostnames: readonly string[],
): readonly { readonly unit: string; readonly hostname: string }[] {
  return Object.entries(remembered)
    .map(([unit, hostname]) => ({ unit, hostname }))
    .filter((entry) => !units.includes(entry.unit) && !hostnames.includes(entry.hostname));
}
