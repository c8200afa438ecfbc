import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { inSubnet } from 'juju-ts-host';
import { defineOptions } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

/** An address as the user wrote it; IPv6 in its shortest form. */
export interface WantedVip {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  /** Absent: what fits the interface. */
  readonly prefix?: number;
}

/** Addresses that no machine can lend to another. */
const UNUSABLE = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fe80::/10',
  'ff00::/8',
];

const EXAMPLE = "a free address of the machines' subnet, for example vip=10.0.0.100";

function parseVip(item: string): WantedVip | string {
  const [address = '', prefix, ...rest] = item.split('/');
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) && !address.includes('%') ? 'ipv6' : undefined;
  if (family === undefined || rest.length > 0) return `${item} is not an IP address; set ${EXAMPLE}`;
  const shortest = family === 'ipv4' ? address : new SocketAddress({ address, family }).address;
  if (UNUSABLE.some((subnet) => inSubnet(shortest, subnet)) || shortest.startsWith('::ffff:'))
    return `${address} cannot be a virtual address; set ${EXAMPLE}`;
  if (prefix === undefined) return { address: shortest, family };
  const most = family === 'ipv4' ? 32 : 128;
  const length = /^\d{1,3}$/.test(prefix) ? Number(prefix) : 0;
  if (length < 1 || length > most) return `${item}: the prefix of an ${family} address is /1 to /${most}`;
  return { address: shortest, family, prefix: length };
}

const vips = z.string().transform((text, context): readonly WantedVip[] => {
  const found = new Map<string, WantedVip>();
  for (const item of words(text)) {
    const vip = parseVip(item);
    if (typeof vip === 'string') context.addIssue({ code: 'custom', message: vip });
    else if (!found.has(vip.address)) found.set(vip.address, vip);
  }
  return [...found.values()];
});

const number = (least: number, most: number) =>
  z.int().min(least, `${least} to ${most}`).max(most, `${least} to ${most}`);
const interval = 'seconds, 0.01 to 40 in steps of 0.01';

export const options = defineOptions(charmcraft, {
  vip: vips,
  // Of a label (`eth0:maas`) the device.
  interface: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{0,15}$/, 'the name of a network interface, for example eth0')
    .transform((text) => text.split(':')[0] ?? ''),
  'virtual-router-id': number(1, 255),
  priority: number(0, 254),
  'advert-interval': z
    .number()
    .min(0.01, interval)
    .max(40, interval)
    .refine((seconds) => Math.abs(seconds * 100 - Math.round(seconds * 100)) < 1e-6, interval),
  'vrrp-version': z.union([z.literal(2), z.literal(3)], '2 or 3'),
  preempt: z.boolean(),
  unicast: z.boolean(),
  track: z.string().transform((text, context): readonly string[] => {
    const services = [...new Set(words(text))];
    const wrong = services.find((name) => !/^[A-Za-z0-9][A-Za-z0-9@._-]*$/.test(name));
    if (wrong !== undefined)
      context.addIssue({ code: 'custom', message: `${wrong} is not the name of a systemd service` });
    return services;
  }),
});

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
