import { Redacted } from 'juju-ts-ops';

/** What keepalived.conf depends on. */
export interface KeepalivedConfig {
  readonly unit: string;
  readonly interface: string;
  readonly vips: readonly { readonly address: string; readonly prefix: number }[];
  readonly virtualRouterId: number;
  readonly priority: number;
  /** Seconds. */
  readonly advertInterval: number;
  readonly vrrpVersion: 2 | 3;
  readonly preempt: boolean;
  /** Own address and those of the peers; absent for multicast. */
  readonly unicast?: { readonly source: string; readonly peers: readonly string[] };
  readonly authPass?: Redacted;
  readonly track: readonly string[];
}

export const CHECK_SCRIPT = '/etc/keepalived/check-service';

/** Whether a service is as it should be on this machine: it runs, or is not installed. */
export const CHECK_SCRIPT_CONTENT = `#!/bin/sh
# Written by the keepalived-vip charm.
systemctl cat "$1.service" >/dev/null 2>&1 || exit 0
exec systemctl is-active --quiet "$1.service"
`;

/**
 * keepalived.conf. Every unit starts as BACKUP, so that one that comes back does not take the addresses from
 * their holder. https://www.keepalived.org/manpage.html
 */
export function renderKeepalivedConf(config: KeepalivedConfig): Redacted {
  const { unicast, authPass, track } = config;
  const sourced = unicast && unicast.peers.length > 0 ? unicast : undefined;
  return new Redacted(
    [
      '# Written by the keepalived-vip charm; change it with juju config.',
      ...block('global_defs', [
        `router_id ${config.unit.replace('/', '-')}`,
        `vrrp_version ${config.vrrpVersion}`,
        'enable_script_security',
        'script_user root',
      ]),
      ...track.flatMap((service) =>
        block(`vrrp_script ${service}`, [
          `script "${CHECK_SCRIPT} ${service}"`,
          'interval 2',
          'timeout 5',
          'fall 2',
          'rise 2',
        ]),
      ),
      ...block('vrrp_instance vip', [
        'state BACKUP',
        ...(config.preempt ? [] : ['nopreempt']),
        `interface ${config.interface}`,
        `virtual_router_id ${config.virtualRouterId}`,
        `priority ${config.priority}`,
        `advert_int ${config.advertInterval}`,
        ...(sourced ? [`unicast_src_ip ${sourced.source}`, ...block('unicast_peer', sourced.peers)] : []),
        ...(authPass ? block('authentication', ['auth_type PASS', `auth_pass ${authPass.reveal()}`]) : []),
        ...block(
          'virtual_ipaddress',
          config.vips.map(({ address, prefix }) => `${address}/${prefix} dev ${config.interface}`),
        ),
        ...(track.length > 0 ? block('track_script', track) : []),
      ]),
      '',
    ].join('\n'),
  );
}

function block(title: string, lines: readonly string[]): readonly string[] {
  return [`${title} {`, ...lines.map((line) => `    ${line}`), '}'];
}
