import { maasUrl, REGION_HTTP_PORT } from '@maas-ha/maas';
import { unitNumber } from 'juju-ts-ops';
import type { State } from '../state.ts';

/**
 * Where regions and racks reach MAAS: what the user says, or the virtual address behind the balancer's port, or
 * without one the first region. The leader decides, for a unit that has just come does not know the others yet;
 * while it cannot, what it decided before stays.
 */
export function urlOf(state: State): string | undefined {
  const { isLeader, cluster } = state;
  return (isLeader ? decideUrl(state) : undefined) ?? cluster.url;
}

function decideUrl({ options, network, unit, cluster }: State): string | undefined {
  const { vip, balancer, address } = network;
  if (options['maas-url'] !== '') return options['maas-url'];
  if (vip) {
    if (vip.address === undefined || (balancer && !balancer.frontend)) return undefined;
    // What is yet to have a certificate says http until then.
    if (options['tls-mode'] === 'termination' && balancer?.frontend?.scheme !== 'https') return undefined;
    const { scheme, port } = balancer?.frontend ?? { scheme: 'http', port: REGION_HTTP_PORT };
    return maasUrl(scheme, vip.address, port);
  }
  // The first may be one that this unit has not met.
  if (cluster.unmet) return undefined;
  const [first] = [...cluster.peers, { unit, address }].toSorted(
    (a, b) => unitNumber(a.unit) - unitNumber(b.unit),
  );
  return first?.address === undefined || first.address === ''
    ? undefined
    : maasUrl('http', first.address, REGION_HTTP_PORT);
}
