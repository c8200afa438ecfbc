import type { Hostnames } from '../endpoints.ts';
import type { RegionJuju } from '../juju.ts';
import type { State } from '../state.ts';
import { departedUnits } from './controllers.ts';
import type { Cluster } from './state.ts';

export async function readCluster(juju: RegionJuju): Promise<Cluster> {
  const [relation] = await juju.relations('region-cluster');
  if (!relation) return { peers: [] };
  const { id, appData, units } = relation;
  return { ...appData, relation: id, peers: units.map(({ name, data }) => ({ unit: name, ...data })) };
}

/** Who is gone, and what MAAS still knows of them; `undefined` while it cannot be asked. */
export async function readDeparted({ unit, region, cluster, racks }: State): Promise<Cluster['departed']> {
  const { maas, hostname } = region;
  const units = [unit, ...cluster.peers.map((peer) => peer.unit)];
  const hostnames = [hostname, ...cluster.peers.flatMap((peer) => peer.hostname ?? [])];
  const [goneRegions, goneRacks] = await Promise.all([
    departedUnits(maas, 'region', gone(cluster.regions, units, hostnames)),
    departedUnits(
      maas,
      'rack',
      gone(cluster.racks, Object.keys(racks.hostnames), Object.values(racks.hostnames)),
    ),
  ]);
  return goneRegions && goneRacks && { regions: goneRegions, racks: goneRacks };
}

/** Who is remembered and not present, unless another unit is on the same machine now. */
function gone(
  remembered: Hostnames = {},
  units: readonly string[],
  hostnames: readonly string[],
): readonly { readonly unit: string; readonly hostname: string }[] {
  return Object.entries(remembered)
    .map(([unit, hostname]) => ({ unit, hostname }))
    .filter((entry) => !units.includes(entry.unit) && !hostnames.includes(entry.hostname));
}
