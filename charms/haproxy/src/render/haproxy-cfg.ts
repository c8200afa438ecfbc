import { createHash } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { dirname, join } from 'node:path';
import type { Frontend } from '../frontends.ts';
import type { HttpCheck } from '../legacy.ts';
import type { Balance, Server, Service } from '../services.ts';
import { milliseconds } from '../time.ts';

/** What haproxy.cfg depends on. */
export interface HaproxyConfig {
  readonly frontends: readonly Frontend[];
  readonly balance: Balance;
  readonly serverTimeout: string;
  readonly tunnelTimeout: string;
  readonly hardStopAfter: string;
  /** Path of a GET that answers 200, for every HTTP service; empty for what the servers say. */
  readonly healthCheck: string;
  readonly statsPort: number;
  readonly maxConnections: number;
  /** Whether the kernel knows IPv6: where it does not, HAProxy could not listen on both. */
  readonly hasIpv6: boolean;
  /** HTTPS on one port, for what is served over HTTP on another. */
  readonly tls?: {
    readonly port: number;
    readonly httpPort: number;
    /** Path of the certificate with its chain, and its key. */
    readonly certificate: string;
  };
  /** Where servers that have names are asked for, in the order of resolv.conf. */
  readonly nameServers: readonly string[];
  readonly extraConfig: string;
}

/** What the first line of the file begins with. */
export const SIGNATURE = '# Written by the haproxy charm';
export const CONFIG = '/etc/haproxy/haproxy.cfg';
/**
 * Where a certificate is, with its chain and its key: a path of its own for each, so that HAProxy reads a new one
 * only once it has taken the configuration that names it.
 * @param digest of its content, in hexadecimal digits
 */
export function certificatePath(digest: string): string {
  return join(dirname(CONFIG), `charm-${digest.slice(0, 16)}.pem`);
}

/** Names of files that are or were certificates, and of what a killed hook left of them; `charm.pem` is of older revisions. */
export const CERTIFICATE_NAME = /^(charm(?:-[0-9a-f]{16})?\.pem)(?:\.new)?$/;

/** The certificate that a configuration of this charm names. */
export function certificateOf(cfg: string): string | undefined {
  return /^ *bind \S.* ssl crt (\/etc\/haproxy\/charm\S*\.pem) /m.exec(cfg)?.[1];
}
/** Where HAProxy answers questions about itself, as Debian's own configuration has it. */
export const ADMIN_SOCKET = '/run/haproxy/admin.sock';

/** Ends the name of what serves a backend while none of its servers is up; no service has a colon in its name. */
export const UNCHECKED = ':unchecked';

/** Methods that may be sent a second time without harm. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
const SAFE = 'METH_GET';

/**
 * haproxy.cfg. The servers stand in one order on every unit, so that `balance source` sends a client to the same
 * server whichever unit holds the virtual address. https://docs.haproxy.org/2.4/configuration.html
 */
export function renderHaproxyCfg(config: HaproxyConfig): string {
  const services = config.frontends.flatMap((frontend) => frontend.services);
  const body = [
    section('defaults', [
      'log global',
      'mode http',
      'option httplog',
      'option dontlognull',
      // At every try, because the server that a connection failed to will most likely fail the next one too.
      'option redispatch 1',
      'retries 3',
      // A machine that is gone does not even refuse: its clients wait this long, until the checks have seen it.
      'timeout connect 500ms',
      // Of a client that is to say something; one that waits for an answer is not meant. A silent handshake of TLS is.
      'timeout client 30s',
      `timeout server ${config.serverTimeout}`,
      `timeout tunnel ${config.tunnelTimeout}`,
      'timeout http-request 10s',
      'timeout http-keep-alive 60s',
      'timeout queue 30s',
      'timeout check 1s',
    ]),
    ...config.frontends.map((frontend) => renderFrontend(frontend, config)),
    ...services.flatMap((service) => [renderBackend(service, config), renderUnchecked(service, config)]),
    ...(config.nameServers.length > 0 &&
    services.some(({ servers }) => servers.some(({ host }) => isIP(host) === 0))
      ? [
          section(
            'resolvers machine',
            config.nameServers.map(
              (address, index) =>
                `nameserver dns${index + 1} ${isIPv6(address) ? `[${address}]` : address}:53`,
            ),
          ),
        ]
      : []),
    ...(config.statsPort === 0 ? [] : [renderStatistics(config.statsPort)]),
    ...(config.extraConfig.trim() === '' ? [] : [`${config.extraConfig.trim()}\n`]),
  ];
  const global = [
    'log /dev/log local0',
    `stats socket ${ADMIN_SOCKET} mode 660 level admin expose-fd listeners`,
    'stats timeout 30s',
    'user haproxy',
    'group haproxy',
    'chroot /var/lib/haproxy',
    `maxconn ${config.maxConnections}`,
    // Each reload leaves a process that serves the connections of before: for so long, and no more than so many.
    `hard-stop-after ${config.hardStopAfter}`,
    `mworker-max-reloads ${MOST_RELOADS}`,
    // With fewer open files than that takes it still serves, and says so in the log.
    'no strict-limits',
    'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    'ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20',
    'ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  ];
  const digest = createHash('sha256')
    .update(JSON.stringify([global, body]))
    .digest('hex')
    .slice(0, 16);
  return [
    `${SIGNATURE}; change it with juju config.`,
    section('global', [`description ${DESCRIPTION}${digest}`, ...global]),
    ...body,
  ].join('\n');
}

/** How many reloads a process outlives. */
const MOST_RELOADS = 10;

/** How HAProxy says, over its admin socket, which configuration it runs. */
const DESCRIPTION = 'charm-';

/** The description of a file that `renderHaproxyCfg` made. */
export function descriptionOf(cfg: string): string | undefined {
  return /^ *description (\S+)$/m.exec(cfg)?.[1];
}

function renderFrontend(
  { port, mode, services }: Frontend,
  { frontends, tls, hasIpv6, maxConnections }: HaproxyConfig,
): string {
  // No port takes so many connections that none is left for the others.
  const most = `maxconn ${Math.floor(maxConnections * 0.75)}`;
  const bind = (number: number): string =>
    hasIpv6 ? `bind :::${number} v4v6 ${most}` : `bind :${number} ${most}`;
  const name = `frontend port-${port}`;
  const [only] = services;
  if (mode === 'tcp') {
    return section(name, [
      'mode tcp',
      'option tcplog',
      bind(port),
      ...(only?.isClientFirst
        ? [
            'tcp-request inspect-delay 30s',
            'tcp-request content accept if { req.len gt 0 }',
            'tcp-request content reject',
          ]
        : []),
      ...(only ? routesTo(only) : []),
    ]);
  }
  const fallback = services.find(({ siteNames }) => siteNames.length === 0);
  return section(name, [
    bind(port),
    ...(tls?.httpPort === port ? [`${bind(tls.port)} ssl crt ${tls.certificate} alpn h2,http/1.1`] : []),
    // What a client says of itself is no word of a proxy: servers believe it. Some take `_` for `-`.
    'http-request del-header ^(x[-_]forwarded[-_]|forwarded$|x[-_]real[-_]ip$) -m reg',
    ...(tls?.httpPort === port ? ['http-request set-header X-Forwarded-Proto https if { ssl_fc }'] : []),
    'http-request set-header X-Forwarded-Proto http unless { ssl_fc }',
    // One socket serves both families, and has IPv4 in IPv6: MAAS finds no subnet of such an address.
    'http-request set-header X-Forwarded-For %[src,regsub(^::ffff:,)]',
    // At a reload: a request that comes at this very moment over a connection that was idle would be lost.
    'option idle-close-on-response',
    ...frontends.flatMap(redirects),
    ...services
      .filter(({ siteNames }) => siteNames.length > 0)
      .flatMap((service) =>
        chunks(service.siteNames).flatMap((names) =>
          routesTo(service, `{ hdr(host),field(1,:) -i ${names.join(' ')} }`),
        ),
      ),
    ...(fallback ? routesTo(fallback) : []),
  ]);
}

/**
 * A server that redirects to another port of the host which its client has asked means that port of its own: the
 * balancer has it on another one.
 */
function redirects({ port, mode, services }: Frontend): readonly string[] {
  const [own, ...others] = new Set(services.flatMap(({ servers }) => servers.map((server) => server.port)));
  if (own === undefined || others.length > 0 || own === port) return [];
  const [scheme, usual] = mode === 'tcp' ? ['https', 443] : ['http', 80];
  const here = port === usual ? '' : `:${port}`;
  const name = `txn.port_${own}`;
  return [
    `http-request set-var(${name}) req.hdr(host),lower,regsub(:[0-9]*$,),concat(:${own})`,
    `http-response replace-header Location '^(${scheme}://[^/]+):${own}(/.*)?$' '\\1${here}\\2' if { res.fhdr(location),lower,field(3,/),strcmp(${name}) eq 0 }`,
  ];
}

/**
 * Where none of its servers is up a service is tried all the same.
 * @param isMeant whether a request is for it; without it, what nobody else has is
 */
function routesTo({ name }: Service, isMeant?: string): readonly string[] {
  const areAllDown = `{ nbsrv(${name}) eq 0 }`;
  return isMeant === undefined
    ? [`use_backend ${name}${UNCHECKED} if ${areAllDown}`, `default_backend ${name}`]
    : [`use_backend ${name}${UNCHECKED} if ${isMeant} ${areAllDown}`, `use_backend ${name} if ${isMeant}`];
}

/** HAProxy takes 64 words and 2048 characters a line. https://docs.haproxy.org/2.4/configuration.html#2.2 */
function chunks(names: readonly string[]): readonly (readonly string[])[] {
  const lines: string[][] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last && last.length < 40 && last.join(' ').length + name.length < 1500) last.push(name);
    else lines.push([name]);
  }
  return lines;
}

function renderBackend(service: Service, config: HaproxyConfig): string {
  const { mode, servers } = service;
  const check = checkLines((mode === 'http' && config.healthCheck) || service.healthCheck, service.httpCheck);
  return section(`backend ${service.name}`, [
    ...balancing(service, config, 90),
    ...(mode === 'tcp' && check.length === 0 ? ['option tcp-check'] : check),
    // Three times, the last two faster: MAAS answers a few single errors after the network was cut. A server that
    // hangs is out after four and a half seconds, one that refuses after one and a half.
    'default-server inter 1s fastinter 250ms fall 3 rise 2',
    ...servers.map((server) => `server ${server.name} ${serverArguments(server, servers, config, true)}`),
  ]);
}

/** None for a TCP connection. @param path what answers 200; empty for the other */
function checkLines(path: string, httpCheck: HttpCheck | undefined): readonly string[] {
  if (path !== '')
    return ['option httpchk', `http-check send meth GET uri ${path}`, 'http-check expect status 200'];
  if (!httpCheck) return [];
  const { method, uri, version, headers, expect } = httpCheck;
  return [
    'option httpchk',
    [
      `http-check send meth ${method} uri ${uri} ver ${version}`,
      ...headers.map(([name, value]) => `hdr ${name} "${value}"`),
    ].join(' '),
    ...(expect === undefined ? [] : [`http-check expect ${expect}`]),
  ];
}

/**
 * The same servers without checks. After a reload HAProxy takes a server down at the first check that fails, be it only
 * slow: where that is every server, clients would get 503 of servers that serve.
 */
function renderUnchecked(service: Service, config: HaproxyConfig): string {
  const { servers } = service;
  return section(`backend ${service.name}${UNCHECKED}`, [
    // Where they hang, clients should not wait for long to hear of it.
    ...balancing(service, config, 5),
    ...servers.map((server) => `server ${server.name} ${serverArguments(server, servers, config, false)}`),
  ]);
}

/** @param timeout seconds that a server may take for an answer that another may give as well */
function balancing(
  { mode, balance: own }: Service,
  config: HaproxyConfig,
  timeout: number,
): readonly string[] {
  const balance = own ?? config.balance;
  return [
    `mode ${mode}`,
    `balance ${balance}`,
    ...(balance === 'source' ? ['hash-type consistent'] : []),
    ...(mode === 'http'
      ? [
          // A server that dies with a request in its hands: another gets it, where that is safe.
          'retry-on conn-failure empty-response junk-response response-timeout 502 503',
          `http-request disable-l7-retry if !${SAFE}`,
          ...(milliseconds(config.serverTimeout) > timeout * 1000
            ? [`http-request set-timeout server ${timeout}s if ${SAFE}`]
            : []),
        ]
      : []),
  ];
}

function serverArguments(
  { host, port, unit, checkPort, backup, weight }: Server,
  servers: readonly Server[],
  { nameServers }: HaproxyConfig,
  isChecked: boolean,
): string {
  // Consistent hashing goes by the id, and that by the place in the list unless it is given: so that a unit that
  // leaves takes no clients of the others along.
  const numbers = servers.map((server) => unitNumber(server.unit));
  const isNumbered = new Set(numbers).size === servers.length && !numbers.includes(undefined);
  return [
    `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    ...(isNumbered ? [`id ${1 + (unitNumber(unit) ?? 0)}`] : []),
    ...(isChecked ? ['check'] : []),
    ...(!isChecked || checkPort === undefined || checkPort === port ? [] : [`port ${checkPort}`]),
    ...(backup ? ['backup'] : []),
    ...(weight === undefined ? [] : [`weight ${weight}`]),
    // A name that nobody knows at the start must not keep the others from being served. Without name servers that
    // HAProxy can ask itself, the machine is asked at each start.
    ...(isIP(host) === 0
      ? nameServers.length > 0
        ? ['resolvers machine', 'init-addr last,none']
        : ['init-addr libc,none']
      : []),
  ].join(' ');
}

function unitNumber(unit: string | undefined): number | undefined {
  return unit === undefined ? undefined : Number(unit.slice(unit.lastIndexOf('/') + 1));
}

function renderStatistics(port: number): string {
  return section('frontend statistics', [
    `bind 127.0.0.1:${port}`,
    'option dontlog-normal',
    'http-request use-service prometheus-exporter if { path /metrics }',
    'stats enable',
    'stats uri /',
    'stats refresh 10s',
    'monitor-uri /health',
  ]);
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines.map((line) => `    ${line}`), ''].join('\n');
}
