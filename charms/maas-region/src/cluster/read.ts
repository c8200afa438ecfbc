import { left, type Hostnames, type Left } from '../endpoints.ts';
import type { RegionJuju } from '../juju.ts';
import type { State } from '../state.ts';
import { departedUnits } from './controllers.ts';
import type { Cluster } from './state.ts';

export async function readCluster(juju: RegionJuju): Promise<Cluster> {
  const [relation] = await juju.relations('region-cluster');
  if (!relation) return { peers: [] };
  const { id, appData, units } = relation;
  return {
    ...appData,
    relation: id,
    peers: units.map(({ name, data }) => ({ unit: name, ...data })),
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
  const before = own['left'] === undefined ? { regions: {}, racks: {} } : left.decode(own['left']);
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

/** The leader sees to all that it has named. */
function unnamed(
  { regions, racks }: Left,
  named: { readonly regions?: Hostnames; readonly racks?: Hostnames },
): Left {
  const without = (all: Hostnames, known: Hostnames = {}): Hostnames =>
    Object.fromEntries(Object.entries(all).filter(([unit]) => !(unit in known)));
  return { regions: without(regions, named.regions), racks: without(racks, named.racks) };
}

/**
 * Who is gone, and what MAAS still knows of them; `undefined` while it cannot be asked. The leader looks after all that
 * it has named, and every unit after those that it saw leave before.
 */
export async function readDeparted({
  unit,
  isLeader,
  region,
  cluster,
  racks,
}: State): Promise<Cluster['departed']> {
  const { maas, hostname } = region;
  const units = [unit, ...cluster.peers.map((peer) => peer.unit)];
  const hostnames = [hostname, ...cluster.peers.flatMap((peer) => peer.hostname ?? [])];
  const remembered = (kind: 'regions' | 'racks'): Hostnames => ({
    ...(isLeader && cluster[kind]),
    ...cluster.left?.[kind],
  });
  const [goneRegions, goneRacks] = await Promise.all([
    departedUnits(maas, 'region', gone(remembered('regions'), units, hostnames)),
    departedUnits(
      maas,
      'rack',
      gone(remembered('racks'), Object.keys(racks.hostnames), Object.values(racks.hostnames)),
    ),
  ]);
  return goneRegions && goneRacks && { regions: goneRegions, racks: goneRacks };
}

/** Who is remembered and not present, unless another unit is on the same machine now. */
function gone(
  remembered: Hostnames,
  units: readonly string[],
  hostnames: readonly string[],
): readonly { readonly unit: string; readonly hostname: string }[] {
  return Object.entries(remembered)
    .map(([unit, hostname]) => ({ unit, hostname }))
    .filter((entry) => !units.includes(entry.unit) && !hostnames.includes(entry.hostname));
}
