import { isIPv6 } from 'node:net';
import type { Backend } from '../state.ts';

/** What haproxy.cfg depends on. */
export interface HaproxyConfig {
  readonly port: number;
  readonly balance: string;
  readonly serverTimeout: string;
  readonly tunnelTimeout: string;
  /** Path of a GET that answers 200; empty for a TCP connection. */
  readonly healthCheck: string;
  readonly statsPort: number;
  readonly extraConfig: string;
  readonly backends: readonly Backend[];
}

/** Where HAProxy answers questions about itself, as Debian's own configuration has it. */
export const ADMIN_SOCKET = '/run/haproxy/admin.sock';

/**
 * haproxy.cfg. The servers stand in one order on every unit, so that `balance source` sends a client to the same
 * server whichever unit holds the virtual address.
 * https://docs.haproxy.org/2.8/configuration.html
 */
export function renderHaproxyCfg(config: HaproxyConfig): string {
  return [
    `# Written by the haproxy charm; change it with juju config.`,
    section('global', [
      'log /dev/log local0',
      `stats socket ${ADMIN_SOCKET} mode 660 level admin expose-fd listeners`,
      'stats timeout 30s',
      'user haproxy',
      'group haproxy',
      // HAProxy itself makes of it, and of what systemd lets it have, the number of connections it takes.
      'fd-hard-limit 65536',
    ]),
    section('defaults', [
      'log global',
      'mode http',
      'option httplog',
      'option dontlognull',
      'option redispatch',
      'retries 3',
      'timeout connect 5s',
      `timeout client ${config.serverTimeout}`,
      `timeout server ${config.serverTimeout}`,
      `timeout tunnel ${config.tunnelTimeout}`,
      'timeout http-request 30s',
    ]),
    section('frontend web', [`bind :::${config.port} v4v6`, 'option forwardfor', 'default_backend servers']),
    section('backend servers', [
      `balance ${config.balance}`,
      ...(config.balance === 'source' ? ['hash-type consistent'] : []),
      ...(config.healthCheck === ''
        ? []
        : [`option httpchk GET ${config.healthCheck}`, 'http-check expect status 200']),
      // Two seconds, three times: MAAS answers a few single errors after the network was cut and healed.
      'default-server inter 2s fall 3 rise 2',
      ...config.backends.map(
        ({ name, host, port }) => `server ${name} ${isIPv6(host) ? `[${host}]` : host}:${port} check`,
      ),
    ]),
    ...(config.statsPort === 0
      ? []
      : [
          section('frontend statistics', [
            `bind 127.0.0.1:${config.statsPort}`,
            'stats enable',
            'stats uri /',
          ]),
        ]),
    ...(config.extraConfig.trim() === '' ? [] : [`${config.extraConfig.trim()}\n`]),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines.map((line) => `    ${line}`), ''].join('\n');
}
