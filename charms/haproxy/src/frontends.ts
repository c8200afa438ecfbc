import type { Service } from './services.ts';

/** A port that HAProxy listens on, and what is behind it. */
export interface Frontend {
  readonly port: number;
  readonly mode: 'http' | 'tcp';
  /** For TCP exactly one; for HTTP at most one without site names. */
  readonly services: readonly Service[];
}

/** Ports with their services, and the services that have none, in words for a status. */
export interface Frontends {
  readonly frontends: readonly Frontend[];
  readonly conflicts: readonly Conflict[];
}

/** A service that has no port. */
export interface Conflict {
  readonly service: string;
  readonly port: number;
  /** For a status. */
  readonly text: string;
}

/** What has a say in who gets a port. */
export interface PortClaims {
  /** Addresses of this machine. */
  readonly ownAddresses: readonly string[];
  /** Relations over which a server on this machine tells of itself, also before it does. */
  readonly ownRelations: readonly number[];
  /** Ports that HAProxy needs for itself, with what for. */
  readonly reserved: ReadonlyMap<number, string>;
  /** Ports that another program listens on, with its name. */
  readonly holders: ReadonlyMap<number, string>;
}

/**
 * One frontend for each port. Of services that cannot share a port the first counts. A TCP port that a server on
 * this machine has itself, or is about to have, is left to it.
 */
export function frontendsOf(
  services: readonly Service[],
  { ownAddresses, ownRelations, reserved, holders }: PortClaims,
): Frontends {
  const byPort = new Map<number, Service[]>();
  const conflicts: Conflict[] = [];
  for (const service of services) {
    const { port, mode, servers, name, relations } = service;
    if (servers.length === 0) continue;
    const isRider = relations.some((relation) => ownRelations.includes(relation));
    const isOwn = (host: string): boolean => isRider || ownAddresses.includes(host);
    if (mode === 'tcp' && servers.some((server) => server.port === port && isOwn(server.host))) continue;
    const holder = holders.get(port);
    const sharing = byPort.get(port) ?? [];
    const rival = reserved.get(port) ?? sharing.find((other) => !canShare(other, service))?.name;
    const text =
      holder === undefined
        ? rival !== undefined &&
          `port ${port} is wanted for ${rival} and for ${name}: change an option, or remove a relation`
        : `port ${port}, which ${name} wants, is held by ${holder}: ${name} is left out`;
    if (text !== false) conflicts.push({ service: name, port, text });
    else byPort.set(port, [...sharing, service]);
  }
  const frontends = [...byPort]
    .map(([port, sharing]) => ({ port, mode: sharing[0]?.mode ?? 'http', services: sharing }))
    .toSorted((a, b) => a.port - b.port);
  return { frontends, conflicts };
}

/** Which port of HTTP is served over HTTPS as well: that of the option, or else the lowest. */
export function securePort(frontends: readonly Frontend[], port: number): number {
  const ports = frontends.filter(({ mode }) => mode === 'http').map((frontend) => frontend.port);
  return ports.includes(port) ? port : (ports[0] ?? port);
}

/** Two HTTP services can, if a request says by its host name which one it wants. */
function canShare(a: Service, b: Service): boolean {
  if (a.mode === 'tcp' || b.mode === 'tcp') return false;
  if (a.siteNames.length === 0 && b.siteNames.length === 0) return false;
  return !a.siteNames.some((name) => b.siteNames.includes(name));
}
