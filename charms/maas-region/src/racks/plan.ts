import { majorMinor } from '@maas-ha/maas';
import { rpcSecret } from '../cluster/secret.ts';
import { databag, type RegionDatabag, type Schema, type SoleDhcp } from '../endpoints.ts';
import type { State } from '../state.ts';

/** As MAAS has it now, or had it when it was last asked; nothing where there is no such rack. */
export function soleDhcpOf({ racks, cluster }: State): SoleDhcp | undefined {
  const sole = racks.soleDhcp ?? cluster.soleDhcp ?? {};
  return Object.keys(sole).length > 0 ? sole : undefined;
}

/**
 * What racks need to connect.
 * @param schema as it is said to the other regions
 */
export function rpcBags(state: State, url: string, schema: Schema | undefined): readonly RegionDatabag[] {
  const { region, racks, cluster } = state;
  const secret = rpcSecret(state);
  const regions = [region.hostname, ...cluster.peers.flatMap((peer) => peer.hostname ?? [])].toSorted();
  return racks.relations.map(({ id }) =>
    databag('rpc', id, {
      app: {
        'maas-url': url,
        'maas-secret-id': secret,
        'maas-version': schema && majorMinor(schema.version),
        regions,
        'sole-dhcp': soleDhcpOf(state),
      },
      unit: { maas_url: url },
    }),
  );
}
