import { securePort, type Frontend } from './frontends.ts';
import type { HaproxyConfig } from './render/haproxy-cfg.ts';
import type { State } from './state.ts';

/** What haproxy.cfg follows from. */
export type Configured = Pick<
  State,
  'options' | 'web' | 'maxConnections' | 'hasIpv6' | 'nameServers' | 'statsPort' | 'taken'
>;

/**
 * What is in haproxy.cfg; `undefined` where no port is left to listen on.
 * @param certificate its path; absent: no HTTPS
 */
export function configOf(state: Configured, certificate: string | undefined): HaproxyConfig | undefined {
  const { options, web, maxConnections, hasIpv6, nameServers, statsPort, taken } = state;
  const isTaken = (port: number): boolean => taken.some((one) => one.port === port);
  // Where nothing is related yet the port is listened on all the same: it answers 503.
  const nothing: readonly Frontend[] = isTaken(options.port)
    ? []
    : [{ port: options.port, mode: 'http', services: [] }];
  const frontends = web.frontends.length > 0 ? web.frontends : nothing;
  if (frontends.length === 0) return undefined;
  return {
    frontends,
    balance: options.balance,
    serverTimeout: options['server-timeout'],
    tunnelTimeout: options['tunnel-timeout'],
    hardStopAfter: options['hard-stop-after'],
    healthCheck: options['health-check'],
    statsPort: isTaken(statsPort) ? 0 : statsPort,
    maxConnections,
    hasIpv6,
    ...(certificate !== undefined &&
      !isTaken(options['tls-port']) && {
        tls: {
          port: options['tls-port'],
          httpPort: securePort(frontends, options.port),
          certificate,
        },
      }),
    nameServers,
    extraConfig: options['extra-config'],
  };
}
