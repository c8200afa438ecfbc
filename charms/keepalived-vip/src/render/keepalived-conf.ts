import { Redacted } from 'juju-ts-ops';
import type { Instance } from '../instances.ts';
import { CHECK_SCRIPT } from './check-service.ts';
import { NOTIFY_SCRIPT } from './notify.ts';

/** What keepalived.conf depends on. */
export interface KeepalivedConfig {
  readonly unit: string;
  readonly instances: readonly Instance[];
  readonly virtualRouterId: number;
  readonly priority: number;
  /** Seconds. */
  readonly advertInterval: number;
  readonly vrrpVersion: 2 | 3;
  readonly preempt: boolean;
  readonly unicast: boolean;
  readonly authPass?: Redacted;
  readonly track: readonly string[];
}

export const CONFIG = '/etc/keepalived/keepalived.conf';

/**
 * keepalived.conf. Every unit starts as BACKUP, so that one that comes back does not take the addresses from
 * their holder. A tracked service that fails puts the instances into the state FAULT, whatever the priorities:
 * the holder says that it leaves, and another takes over without waiting. https://www.keepalived.org/manpage.html
 */
export function renderKeepalivedConf(config: KeepalivedConfig): Redacted {
  const scripts = config.track.map((service) => `check-${service}`);
  return new Redacted(
    [
      '# Written by the keepalived-vip charm; change it with juju config.',
      ...block('global_defs', [
        `router_id ${config.unit.replace('/', '-')}`,
        `vrrp_version ${config.vrrpVersion}`,
        'enable_script_security',
        'script_user root',
        // keepalived's own realtime settings have it killed at the first reload where a container may not raise
        // limits; see realtime.ts.
        'max_auto_priority -1',
        'vrrp_priority -20',
        'vrrp_no_swap',
        // Some switches and machines miss or forget the first word of where the addresses are now.
        'vrrp_garp_master_delay 1',
        'vrrp_garp_master_repeat 3',
        'vrrp_garp_master_refresh 10',
        'vrrp_garp_master_refresh_repeat 1',
        'vrrp_higher_prio_send_advert true',
      ]),
      ...config.track.flatMap((service, index) =>
        block(`vrrp_script ${scripts[index]}`, [
          `script "${CHECK_SCRIPT} ${service}"`,
          'interval 1',
          // The script gives a service less; the rest is for a machine so busy that the script itself starts late.
          'timeout 4',
          'fall 1',
          'rise 2',
        ]),
      ),
      ...config.instances.flatMap((instance) => renderInstance(instance, config, scripts)),
      '',
    ].join('\n'),
  );
}

function renderInstance(
  { name, interface: device, family, source, vips, peers }: Instance,
  { authPass, ...config }: KeepalivedConfig,
  scripts: readonly string[],
): readonly string[] {
  const isUnicast = config.unicast && peers.length > 0;
  return block(`vrrp_instance ${name}`, [
    'state BACKUP',
    ...(config.preempt ? [] : ['nopreempt']),
    `interface ${device}`,
    `virtual_router_id ${config.virtualRouterId}`,
    `priority ${config.priority}`,
    `advert_int ${config.advertInterval}`,
    ...(isUnicast
      ? [
          `unicast_src_ip ${source}`,
          'check_unicast_src',
          ...block(
            'unicast_peer',
            peers.map(({ address }) => address),
          ),
        ]
      : // IPv6 multicast has to come from a link-local address, which keepalived finds.
        family === 'ipv4'
        ? [`mcast_src_ip ${source}`]
        : []),
    ...(authPass && family === 'ipv4'
      ? block('authentication', ['auth_type PASS', `auth_pass ${authPass.reveal()}`])
      : []),
    ...block(
      'virtual_ipaddress',
      vips.map(({ address, prefix }) =>
        [`${address}/${prefix} dev ${device}`, ...(family === 'ipv6' ? ['preferred_lft 0'] : [])].join(' '),
      ),
    ),
    ...(scripts.length > 0 ? block('track_script', scripts) : []),
    `notify ${NOTIFY_SCRIPT}`,
    'notify_deleted',
  ]);
}

/** The virtual addresses that a keepalived.conf of this charm's names. */
export function managedAddresses(conf: string): readonly string[] {
  return [...conf.matchAll(/^\s*([0-9a-fA-F.:]+)\/\d+ dev \S+/gm)].flatMap(([, address]) => address ?? []);
}

function block(title: string, lines: readonly string[]): readonly string[] {
  return [`${title} {`, ...lines.map((line) => `    ${line}`), '}'];
}
