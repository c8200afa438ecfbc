import type { SoleDaemon } from 'juju-ts-host';
import { Redacted } from 'juju-ts-ops';
import type { Instance, PlacedVip, RenderedInstance } from '../state.ts';
import { CHECK_ADDRESS_SCRIPT } from './check-address.ts';
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
const SIGNATURE = '# Written by the keepalived-vip charm';

/** keepalived, as a machine has one of it. */
export const DAEMON: SoleDaemon = { package: 'keepalived', config: CONFIG, signature: SIGNATURE };

/**
 * keepalived.conf. Every unit starts as BACKUP, so that one that comes back does not take the addresses from
 * their holder. A tracked service that fails puts the instances into the state FAULT, whatever the priorities:
 * the holder says that it leaves, and another takes over without waiting. https://www.keepalived.org/manpage.html
 */
export function renderKeepalivedConf(config: KeepalivedConfig): Redacted {
  const scripts = config.track.map((service) => `check-${service}`);
  return new Redacted(
    [
      `${SIGNATURE}; change it with juju config.`,
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
      ...config.instances.flatMap((instance) => [
        ...block(`vrrp_script ${addressScript(instance)}`, [
          `script "${CHECK_ADDRESS_SCRIPT} ${instance.source}"`,
          'interval 1',
          'timeout 4',
          'fall 1',
          'rise 1',
        ]),
        ...renderInstance(instance, config, [addressScript(instance), ...scripts]),
      ]),
      '',
    ].join('\n'),
  );
}

function renderInstance(
  { name, interface: device, family, source, vips, peers, speaks }: Instance,
  { authPass, ...config }: KeepalivedConfig,
  scripts: readonly string[],
): readonly string[] {
  const isUnicast = config.unicast && peers.length > 0;
  const foreign = vips.filter(({ isSubnetForeign }) => isSubnetForeign && family === 'ipv4');
  return block(`vrrp_instance ${name}`, [
    `${SPEAKS}${speaks}`,
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
          // Of IPv4 that is so by itself. Who receives it knows that no router was on the way: see peers-nft.ts.
          ...(family === 'ipv6' ? ['unicast_ttl 255'] : []),
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
      vips.map((vip) => renderAddress(vip, device)),
    ),
    ...(foreign.length > 0
      ? block(
          'virtual_routes',
          foreign.map(
            ({ address, prefix }) =>
              `src ${source} to ${networkOf(address, prefix)} dev ${device} scope link no_track`,
          ),
        )
      : []),
    ...block('track_script', scripts),
    `notify ${NOTIFY_SCRIPT}`,
    'notify_deleted',
  ]);
}

/**
 * An address alone, without its subnet: as one of its subnet it could become the primary one there, which the machine's
 * own connections come from, and with which the kernel deletes the machine's own. The scope `host`, and of IPv6 no
 * preferred lifetime, keep those from it also where no other address fits better.
 */
function renderAddress({ address, family, prefix, isSubnetForeign }: PlacedVip, device: string): string {
  return family === 'ipv4'
    ? `${address}/32 dev ${device} scope host`
    : `${address}/${isSubnetForeign ? prefix : 128} dev ${device} preferred_lft 0`;
}

/** The network that an IPv4 address is in: 10.9.0.100, 24 → 10.9.0.0/24. */
function networkOf(address: string, prefix: number): string {
  const bytes = address.split('.').map((byte, index) => {
    const bits = Math.min(Math.max(prefix - 8 * index, 0), 8);
    return Number(byte) & (0xff << (8 - bits)) & 0xff;
  });
  return `${bytes.join('.')}/${prefix}`;
}

function addressScript({ name }: Instance): string {
  return `check-source-${name}`;
}

const SPEAKS = '# speaks ';
const INSTANCES = /^vrrp_instance (\S+) \{\n([\s\S]*?)^\}\n/gm;

/** The instances in a keepalived.conf of this charm's, by name. */
export function renderedInstances(conf: string): ReadonlyMap<string, RenderedInstance> {
  return new Map(
    [...conf.matchAll(INSTANCES)].map(([, name = '', text = '']) => {
      const source = /^\s*(?:unicast|mcast)_src_ip (\S+)$/m.exec(text)?.[1];
      const speaks = new RegExp(`^\\s*${SPEAKS}(.*)$`, 'm').exec(text)?.[1];
      return [
        name,
        { ...(source && { source }), ...(speaks && { speaks }), vips: managedAddresses(text) },
      ] as const;
    }),
  );
}

/** A keepalived.conf of this charm's without some of its instances; all else stays as it is. */
export function withoutInstances(conf: Redacted, names: readonly string[]): Redacted {
  return conf.map((text) =>
    text.replaceAll(INSTANCES, (block: string, name: string) => (names.includes(name) ? '' : block)),
  );
}

/** The virtual addresses that a keepalived.conf of this charm's names. */
export function managedAddresses(conf: string): readonly string[] {
  return [...conf.matchAll(/^\s*([0-9a-fA-F.:]+)\/\d+ dev \S+/gm)].flatMap(([, address]) => address ?? []);
}

function block(title: string, lines: readonly string[]): readonly string[] {
  return [`${title} {`, ...lines.map((line) => `    ${line}`), '}'];
}
