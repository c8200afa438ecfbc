import { isIP, isIPv6 } from 'node:net';
import type { http, HttpService } from 'juju-ts-interfaces/http';
import type { Relation } from 'juju-ts-ops';
import { checkOf, readServer, unreadOf, type HttpCheck } from './legacy.ts';

export type HttpRelation = Relation<typeof http.provider>;

/** A server to balance over. */
export interface Server {
  /** As haproxy.cfg and the statistics have it: `maas-region-0`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** The unit that it is; absent for one that a unit only speaks of. */
  readonly unit?: string;
  /** Where its health is asked for; absent: at its port. */
  readonly checkPort?: number;
  /** Used only while no other server is up. */
  readonly backup: boolean;
  /** Share of the requests, 1 to 256. */
  readonly weight?: number;
}

/** What is balanced over the same servers. */
export interface Service {
  readonly name: string;
  /** Port that HAProxy listens on. */
  readonly port: number;
  readonly mode: 'http' | 'tcp';
  /** Whether clients speak first: who does not is sent away. */
  readonly isClientFirst: boolean;
  /** What the servers ask for; absent: as the option says. */
  readonly balance?: Balance;
  /** Path of a GET that answers 200; empty for `httpCheck`, or else a TCP connection. */
  readonly healthCheck: string;
  /** What the servers ask for in HAProxy's own words. */
  readonly httpCheck?: HttpCheck;
  /** Host names that it alone answers to; none: to every other. */
  readonly siteNames: readonly string[];
  /** Ordered by name, on every unit the same. */
  readonly servers: readonly Server[];
  /** The relations it comes from, the oldest first. */
  readonly relations: readonly number[];
}

/** What the related units offer. */
export interface Offered {
  /** The oldest first: by relation, and by name within it. */
  readonly services: readonly Service[];
  /** What they ask for and do not get, in words, by relation. */
  readonly unread: readonly { readonly relation: number; readonly text: string }[];
  /** The units that name one place as theirs, which is then one server. */
  readonly doubles: readonly Double[];
}

/** Units that name one place as theirs. */
export interface Double {
  readonly units: readonly string[];
  /** `10.0.0.1:80` */
  readonly place: string;
}

export const BALANCE = ['source', 'roundrobin', 'leastconn'] as const;
export type Balance = (typeof BALANCE)[number];

const PATH = /^\/[^\s"'\\#]*$/;
const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** One unit's share of a service. */
interface Offer extends Omit<Service, 'relations'> {
  readonly relation: number;
  readonly unread?: string;
}

/**
 * The services that the related units offer. Those of one name are one service: its servers are all of theirs, and for
 * everything else the oldest relation counts, and in it the first unit.
 * @param defaultPort for those that name none
 */
export function servicesOf(relations: readonly HttpRelation[], defaultPort: number): Offered {
  const merged = new Map<string, Service>();
  const offers = relations.toSorted((a, b) => a.id - b.id).flatMap((from) => offersOf(from, defaultPort));
  for (const { relation, unread: _unread, ...offer } of offers) {
    const before = merged.get(offer.name);
    merged.set(offer.name, {
      ...(before ?? offer),
      healthCheck: before?.healthCheck || offer.healthCheck,
      siteNames: [...new Set([...(before?.siteNames ?? []), ...offer.siteNames])].toSorted(),
      servers: [...(before?.servers ?? []), ...offer.servers],
      relations: [...new Set([...(before?.relations ?? []), relation])],
    });
  }
  const all = [...merged.values()];
  return {
    services: all
      .map((service) => ({ ...service, servers: distinct(service.servers) }))
      .toSorted((a, b) => age(a) - age(b) || order(a.name, b.name)),
    unread: offers.flatMap(({ relation, unread }) =>
      unread === undefined ? [] : [{ relation, text: unread }],
    ),
    doubles: distinctDoubles(all.flatMap(({ servers }) => doublesOf(servers))),
  };
}

/** The number of its oldest relation: Juju counts them upwards. */
function age({ relations: [oldest = 0] }: Service): number {
  return oldest;
}

function offersOf({ id, app, units }: HttpRelation, defaultPort: number): readonly Offer[] {
  return units.flatMap(({ name: unit, data, address }): readonly Offer[] => {
    const named = [...(data.services ?? []), ...(data.all_services ?? [])];
    const own =
      data.hostname !== undefined && isIP(data.hostname) ? data.hostname : (address ?? data.hostname);
    if (named.length > 0) {
      return named.map((service) => {
        const unread = unreadOf(service);
        return {
          relation: id,
          ...offerOf(service, unit, own, defaultPort),
          ...(unread !== '' && { unread: `reverseproxy:${id}, services of ${unit}: ${unread}` }),
        };
      });
    }
    const mine = data.port === undefined ? [] : serverAt(nameOf(unit), own, data.port, { unit });
    const more = (data.extended_data ?? []).flatMap((extended) => {
      const host = extended['private-address'] ?? extended.hostname;
      return serverAt(`${nameOf(unit)}-${extended.port}`, host, extended.port, {});
    });
    const web = {
      relation: id,
      mode: 'http',
      isClientFirst: true,
      siteNames: (data.sitenames ?? []).filter((name) => HOST_NAME.test(name)),
    } as const;
    const check = data['health-check'] ?? '';
    const checkPort = PATH.test(check) ? data.port : undefined;
    const name = nameOf(data.service_name ?? app);
    return [
      {
        ...web,
        name,
        port: defaultPort,
        healthCheck: PATH.test(check) ? check : '',
        servers: [...mine, ...more],
      },
      ...(data['tcp-ports'] ?? [])
        .map((entry) => (typeof entry === 'number' ? ([entry, entry] as const) : entry))
        .map(
          ([port, serverPort]) =>
            ({
              relation: id,
              name: `${name}-${port}`,
              port,
              mode: 'tcp',
              isClientFirst: true,
              healthCheck: checkPort === undefined ? '' : check,
              siteNames: [],
              servers: serverAt(nameOf(unit), own, serverPort, {
                unit,
                ...(checkPort !== undefined && { checkPort }),
              }),
            }) as const,
        ),
    ];
  });
}

/** A service of the YAML form. Of its options those count that have their counterpart here. */
function offerOf(
  service: HttpService,
  unit: string,
  ownHost: string | undefined,
  defaultPort: number,
): Omit<Offer, 'relation'> {
  const { name, port, options, servers, others } = service;
  const value = (pattern: RegExp): string | undefined =>
    options.map((option) => pattern.exec(option)?.[1]).find((found) => found !== undefined);
  const balance = BALANCE.find((known) => known === value(/^balance (\S+)$/));
  const httpCheck = checkOf(options);
  const listed = servers
    ? servers.flatMap((server) => {
        const { isReadable, ...more } = readServer(server.options);
        return isReadable ? serverAt(nameOf(server.name), server.host, server.port, more) : [];
      })
    : serverAt(nameOf(unit), ownHost, port ?? defaultPort, { unit });
  return {
    name: nameOf(name),
    port: port ?? defaultPort,
    mode: value(/^mode (\S+)$/) === 'tcp' ? 'tcp' : 'http',
    isClientFirst: false,
    ...(balance && { balance }),
    healthCheck: '',
    ...(httpCheck && { httpCheck }),
    siteNames: [],
    // Who wants TLS is not served without.
    servers: others.includes('crts') ? [] : listed,
  };
}

/** None where HAProxy could not use the host. */
function serverAt(
  name: string,
  host: string | undefined,
  port: number,
  more: { unit?: string; checkPort?: number; backup?: boolean; weight?: number },
): readonly Server[] {
  if (host === undefined || port < 1 || port > 65535) return [];
  if (isIPv6(host) ? host.includes('%') : !HOST_NAME.test(host)) return [];
  return [{ name, host, port, backup: false, ...more }];
}

/** Each server once, by name, and each name once. */
function distinct(servers: readonly Server[]): readonly Server[] {
  const byPlace = new Map<string, Server>();
  for (const server of servers.toSorted((a, b) => order(a.name, b.name) || order(placeOf(a), placeOf(b)))) {
    if (!byPlace.has(placeOf(server))) byPlace.set(placeOf(server), server);
  }
  const names = new Set<string>();
  return [...byPlace.values()].map((server) => {
    let { name } = server;
    for (let count = 2; names.has(name); count += 1) name = `${server.name}-${count}`;
    names.add(name);
    return { ...server, name };
  });
}

/** Units that say of one place that it is theirs: all but one of them have no server. */
function doublesOf(servers: readonly Server[]): readonly Double[] {
  const byHost = new Map<string, Set<string>>();
  for (const { host, port, unit } of servers) {
    if (unit === undefined) continue;
    const place = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
    byHost.set(place, (byHost.get(place) ?? new Set()).add(unit));
  }
  return [...byHost].flatMap(([place, units]) =>
    units.size > 1 ? [{ units: [...units].toSorted(order), place }] : [],
  );
}

function distinctDoubles(doubles: readonly Double[]): readonly Double[] {
  return [...new Map(doubles.map((one) => [[one.place, ...one.units].join(' '), one])).values()];
}

const placeOf = ({ host, port }: Server): string => `${host} ${port}`;

/** A name that HAProxy takes: `maas-region/0` → `maas-region-0`. */
function nameOf(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]/g, '-').slice(0, 60) || '-';
}

/** `unit-2` before `unit-10`. */
function order(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : a > b ? 1 : 0);
}
