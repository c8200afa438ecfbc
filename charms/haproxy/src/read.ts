import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { totalmem } from 'node:os';
import { addresses, heldAddresses, listeners, occupantOf, ownAddress, readFileIfExists } from 'juju-ts-host';
import { certificateFiles, readTls, servedCertificate } from './certificate.ts';
import { configOf, type Configured } from './config.ts';
import { frontendsOf } from './frontends.ts';
import { askHaproxy, HAPROXY, refusalOf } from './haproxy.ts';
import type { HaproxyJuju } from './juju.ts';
import { certificatePath, CONFIG, descriptionOf, renderHaproxyCfg } from './render/haproxy-cfg.ts';
import { servicesOf, type HttpRelation, type Offered } from './services.ts';
import { boundPorts, portClashes, settle, type Clash, type Settings } from './settings.ts';
import { maxConnections, portUses, type State } from './state.ts';

/** Where Prometheus and others look for HAProxy's metrics, by custom. */
const METRICS_PORT = 8404;

export async function read(juju: HaproxyJuju): Promise<State> {
  const { context } = juju;
  const { unit, app, model, principalUnit, charmDirectory, stateDirectory } = context;
  const home = charmDirectory;
  const [
    stored,
    reverseproxy,
    websites,
    observers,
    vips,
    network,
    held,
    ports,
    running,
    files,
    cfg,
    occupant,
  ] = await Promise.all([
    juju.stored(),
    juju.relations('reverseproxy'),
    juju.relations('website'),
    juju.relations('cos-agent'),
    juju.relations('vip'),
    juju.network('juju-info'),
    heldAddresses(),
    listeners(),
    askHaproxy(),
    certificateFiles(),
    readFileIfExists(CONFIG),
    occupantOf(HAPROXY, { name: unit, home }),
  ]);
  const [checked, served] = await Promise.all([
    juju.optionsOr(stored.options ?? {}),
    servedCertificate(cfg ?? ''),
  ]);
  const virtual = vips.flatMap(({ appData }) => appData.vips ?? []);
  const known = virtual.map(({ address }) => address);
  const names = {
    wanted: checked.values['tls-names'],
    network,
    virtual: { known, held },
    hostnames: virtual.flatMap(({ hostname }) => hostname ?? []),
  };
  const tls = await readTls(juju, names, served);
  const [principal] = principalUnit?.split('/') ?? [];
  const machine = {
    reverseproxy,
    isObserved: observers.length > 0,
    ownAddresses: addresses().map(({ address }) => address),
    ownRelations: reverseproxy.filter((relation) => relation.app === principal).map(({ id }) => id),
    holders: holdersIn(ports),
    maxConnections: maxConnections(totalmem(), await openFiles()),
    hasIpv6: existsSync('/proc/net/if_inet6'),
    nameServers: nameServersIn((await readFileIfExists('/etc/resolv.conf')) ?? ''),
  };
  const { certificate } = tls;
  const { settings, refused } = await settle(
    {
      options: checked.before.values,
      given: checked.before.given,
      ...(served && { certificate: served }),
    },
    { options: checked.values, given: checked.given, ...(certificate && { certificate }) },
    async (tried) => {
      const configured = configuredFor(machine, tried);
      const digest = tried.certificate?.pem.digest();
      const isLive = cfg !== undefined && cfg === cfgOf(configured, digest && certificatePath(digest));
      const refusal = isLive
        ? undefined
        : await refusalOf(
            (path) => cfgOf(configured, digest && path) ?? '',
            tried.certificate?.pem,
            stateDirectory,
          );
      return { clashes: configured.clashes, ...(refusal !== undefined && { refusal }) };
    },
  );
  const { clashes: _clashes, offered, ...configured } = configuredFor(machine, settings);
  const { certificate: _wanted, ...tlsRest } = tls;
  return {
    ...configured,
    unit,
    app,
    model,
    home,
    isBeingRemoved: context.removal !== undefined,
    ...(occupant && { occupant }),
    given: settings.given,
    refused: [...checked.problems, ...(tls.problem === undefined ? [] : [tls.problem]), ...refused],
    services: offered.services,
    reverseproxy: reverseproxy.map(({ id, app: other, problems }) => ({
      id,
      app: other,
      problems: [
        ...problems,
        ...offered.unread.flatMap(({ relation, text }) => (relation === id ? [text] : [])),
      ],
    })),
    doubles: offered.doubles,
    websites: websites.map(({ id }) => id),
    address: ownAddress(network, { known, held }) ?? '',
    tls: { ...tlsRest, ...(settings.certificate && { certificate: settings.certificate }) },
    certificateFiles: files,
    observers: observers.map(({ id }) => id),
    ...(running && { running }),
    isCurrent: running !== undefined && running.description === descriptionOf(cfg ?? ''),
  };
}

/** What decides, beside the settings, what HAProxy listens on. */
interface MachineFacts extends Pick<State, 'maxConnections' | 'hasIpv6' | 'nameServers'> {
  readonly reverseproxy: readonly HttpRelation[];
  readonly isObserved: boolean;
  readonly ownAddresses: readonly string[];
  readonly ownRelations: readonly number[];
  readonly holders: ReadonlyMap<number, string>;
}

/** What follows from settings. */
export function configuredFor(
  machine: MachineFacts,
  { options, certificate }: Pick<Settings, 'options' | 'certificate'>,
): Configured & { readonly offered: Offered; readonly clashes: readonly Clash[] } {
  const { reverseproxy, holders, maxConnections: most, hasIpv6, nameServers, ...own } = machine;
  const offered = servicesOf(reverseproxy, options.port);
  const bound = boundPorts(options['extra-config']);
  const isBound = (port: number): boolean => bound.some(([from, to]) => from <= port && port <= to);
  const wanted = offered.services.map(({ port }) => port);
  const isFree = (port: number): boolean =>
    !wanted.includes(port) &&
    !holders.has(port) &&
    !isBound(port) &&
    !portUses(options, certificate !== undefined, 0).some(([, other]) => other === port);
  let statsPort = options['stats-port'];
  // Nobody has asked for this very port: whoever collects is told which it is.
  if (statsPort === 0 && own.isObserved) {
    statsPort = METRICS_PORT;
    while (!isFree(statsPort)) statsPort += 1;
  }
  const uses = portUses(options, certificate !== undefined, statsPort);
  const web = frontendsOf(offered.services, {
    ...own,
    holders,
    reserved: new Map(uses.flatMap(([option, port]) => (option === 'port' ? [] : [[port, option]]))),
  });
  const isPortUsed = web.frontends.length === 0 || wanted.includes(options.port);
  const taken = uses.flatMap(([option, port]) => {
    const by = holders.get(port);
    return by === undefined || (option === 'port' && !isPortUsed) ? [] : [{ port, option, by }];
  });
  const clashes = [
    ...portClashes(uses),
    ...taken.map(({ port, option, by }) => ({ who: option, text: `port ${port} is held by ${by}` })),
    ...web.conflicts.map(({ service, text }) => ({ who: `service ${service}`, text })),
    ...[...new Set([...uses, ...web.frontends.map(({ port }) => ['', port] as const)])]
      .filter(([, port]) => isBound(port))
      .map(([, port]) => ({ who: `extra-config ${port}`, text: `extra-config= binds port ${port} as well` })),
  ];
  return { options, web, maxConnections: most, hasIpv6, nameServers, statsPort, taken, offered, clashes };
}

function cfgOf(configured: Configured, certificate: string | undefined): string | undefined {
  const config = configOf(configured, certificate);
  return config && renderHaproxyCfg(config);
}

/** Of each port the first program that is not HAProxy. */
function holdersIn(ports: ReadonlyMap<number, readonly string[]>): ReadonlyMap<number, string> {
  return new Map(
    [...ports].flatMap(([port, programs]) => {
      const other = programs.find((program) => program !== 'haproxy');
      return other === undefined ? [] : [[port, other] as const];
    }),
  );
}

/** The name servers that HAProxy can ask, each once: it takes no address with a zone. */
export function nameServersIn(resolvConf: string): readonly string[] {
  const found = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  return [...new Set(found)].filter((address) => isIP(address) !== 0 && !address.includes('%'));
}

/** What services of this machine may have open at most. */
async function openFiles(): Promise<number> {
  const limits = (await readFileIfExists('/proc/1/limits')) ?? '';
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Infinity : Number(hard);
}
