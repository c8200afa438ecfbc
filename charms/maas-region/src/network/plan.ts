import { REGION_HTTP_PORT } from '@maas-ha/maas';
import { blocked, isAtLeast, waiting, type Status } from 'juju-ts-ops';
import { databag, type RegionDatabag, type TlsServed } from '../endpoints.ts';
import type { Region } from '../region/state.ts';
import type { State } from '../state.ts';
import { MAAS_TLS_PORT, tlsPorts, tlsStatus } from '../tls/plan.ts';

/** Where balancers find a region that serves. */
export function apiBags(state: State, tls: TlsServed | undefined): readonly RegionDatabag[] {
  const { network, region, config } = state;
  // Another program has MAAS' port: it would get requests that MAAS' users have signed with their keys.
  if (config.portConflict?.port === REGION_HTTP_PORT) return emptyApiBags(state);
  const ports = [...extraPorts(region), ...tlsPorts(tls)];
  return network.api.map((relation) =>
    databag('api', relation, {
      unit: {
        hostname: network.webAddress,
        port: REGION_HTTP_PORT,
        'health-check': '/MAAS/rpc/',
        ...(ports.length > 0 && { 'tcp-ports': ports }),
      },
    }),
  );
}

/** Balancers send nobody to this region. */
export function emptyApiBags({ network }: State): readonly RegionDatabag[] {
  return network.api.map((relation) => databag('api', relation, { unit: {} }));
}

/** What a region is asked on from other machines. */
export function portsOf(region: Region, tls: TlsServed | undefined): readonly string[] {
  return [
    ...[
      REGION_HTTP_PORT,
      ...(tls ? [MAAS_TLS_PORT] : []),
      ...extraPorts(region),
      '5250-5259',
      53,
      8000,
      ...clusterPorts(region),
    ].map((port) => `${port}/tcp`),
    '53/udp',
  ];
}

export function hasTemporal(version: string): boolean {
  return isAtLeast(version, '3.5');
}

/** What racks ask a region for beside its web server, at the host of their URL: MAAS' internal API and Temporal. */
export function extraPorts({ version }: Region): readonly number[] {
  if (version === undefined) return [];
  return [...(isAtLeast(version, '3.6') ? [5242] : []), ...(hasTemporal(version) ? [5271] : [])];
}

/** What the parts of Temporal on the regions ask each other for. */
function clusterPorts({ version }: Region): readonly string[] {
  return version !== undefined && hasTemporal(version) ? ['5272-5274', '5281-5284'] : [];
}

/** What a region waits for that does not know where MAAS is reached. */
export function missingUrl(state: State): Status | undefined {
  const { vip, balancer } = state.network;
  if (state.options['tls-mode'] === 'termination') return tlsStatus(state);
  if (vip && vip.address === undefined) return waiting(`${vip.app} to have a virtual address`);
  if (balancer && !balancer.frontend) return waiting(`${balancer.app} to say where it listens`);
  return waiting(state.isLeader ? 'this unit to have an address' : 'the leader to say where MAAS is reached');
}

/** Two units at one address are one to balancers and to other regions. */
export function sharedAddress({ network: { address }, cluster, app }: State): Status | undefined {
  const same = address === '' ? undefined : cluster.peers.find((peer) => peer.address === address);
  return (
    same &&
    blocked(`${same.unit} has the address ${address} too`, `juju bind ${app} <the space of the machines>`)
  );
}

export function addressNotes({ options, network, cluster }: State): readonly string[] {
  return options['maas-url'] === '' && !network.vip && cluster.peers.length > 0
    ? ['this is the address of one region: relate keepalived-vip for one that outlives it']
    : [];
}
