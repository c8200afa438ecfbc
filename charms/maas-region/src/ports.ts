import { portHolders } from '@maas-ha/host';
import { REGION_HTTP_PORT } from '@maas-ha/maas';
import { isAtLeast } from 'juju-ts-ops';
import type { TlsServed } from './endpoints.ts';
import type { State } from './state.ts';
import { MAAS_TLS_PORT } from './tls.ts';

/** What a region is asked on from other machines. */
export function portsOf(state: State, tls: TlsServed | undefined): readonly string[] {
  return [
    ...[
      REGION_HTTP_PORT,
      ...(tls ? [MAAS_TLS_PORT] : []),
      ...extraPorts(state),
      '5250-5259',
      53,
      8000,
      ...clusterPorts(state),
    ].map((port) => `${port}/tcp`),
    '53/udp',
  ];
}

export function hasTemporal(version: string): boolean {
  return isAtLeast(version, '3.5');
}

/** What racks ask a region for beside its web server, at the host of their URL: MAAS' internal API and Temporal. */
export function extraPorts({ version }: State): readonly number[] {
  if (version === undefined) return [];
  return [...(isAtLeast(version, '3.6') ? [5242] : []), ...(hasTemporal(version) ? [5271] : [])];
}

/** What the parts of Temporal on the regions ask each other for. */
function clusterPorts({ version }: State): readonly string[] {
  return version !== undefined && hasTemporal(version) ? ['5272-5274', '5281-5284'] : [];
}

/** A program that listens where a part of MAAS would. */
export interface PortConflict {
  readonly port: number;
  readonly holder: string;
  /** What cannot work because of it. */
  readonly part: string;
}

/**
 * The ports without which a region is of no use, and the programs that are meant to listen there. The packages of MAAS
 * conflict with those of dnsmasq and of ntp, but not with every program that may be in the way.
 */
const PORTS = [
  {
    port: REGION_HTTP_PORT,
    part: "MAAS' web server",
    ours: ['nginx', 'maas-http', 'regiond', 'twistd', 'twistd3', 'python3'],
  },
  // systemd-resolved answers on the loopback interface only.
  { port: 53, part: 'named', ours: ['named', 'systemd-resolve'] },
] as const;

/** The first program that is in the way on this machine. */
export async function findPortConflict(): Promise<PortConflict | undefined> {
  const conflicts = await Promise.all(
    PORTS.map(async ({ port, part, ours }) => {
      const known: readonly string[] = ours;
      const holder = (await portHolders(port)).find((name) => !known.includes(name));
      return holder === undefined ? [] : [{ port, holder, part }];
    }),
  );
  return conflicts.flat()[0];
}
