import { REGION_HTTP_PORT } from '@maas-ha/maas';
import { portHolders } from 'juju-ts-host';

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
