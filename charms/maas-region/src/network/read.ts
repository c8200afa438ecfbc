import { heldAddresses, ownAddress } from 'juju-ts-host';
import type { RegionJuju } from '../juju.ts';
import type { Network } from './state.ts';

export async function readNetwork(juju: RegionJuju): Promise<Network> {
  const [vips, api, network, held] = await Promise.all([
    juju.relations('vip'),
    juju.relations('api'),
    juju.network('region-cluster'),
    heldAddresses(),
  ]);
  const [vip] = vips;
  const [balancer] = api;
  const known = vips.flatMap(({ appData }) => appData.vips ?? []).map((one) => one.address);
  const webNetwork = balancer && (await juju.network('api', balancer.id));
  const address = ownAddress(network, { known, held }) ?? '';
  const [virtual] = vip?.appData.vips ?? [];
  return {
    address,
    webAddress: (webNetwork && ownAddress(webNetwork, { known, held })) ?? address,
    ...(vip && { vip: { app: vip.app, ...(virtual && { address: virtual.address }) } }),
    ...(balancer && {
      balancer: {
        app: balancer.app,
        ...(balancer.appData.frontend && { frontend: balancer.appData.frontend }),
      },
    }),
    api: api.map(({ id }) => id),
  };
}
