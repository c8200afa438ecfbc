import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';

/** An address as the user wrote it. */
export interface WantedVip {
  readonly address: string;
  /** Absent: the prefix of the interface's own address. */
  readonly prefix?: number;
}

const vips = z.string().transform((text, context): readonly WantedVip[] => {
  const items = text.split(/[\s,]+/).filter((item) => item !== '');
  return items.flatMap((item) => {
    const [address = '', prefix, ...rest] = item.split('/');
    const length = prefix === undefined ? undefined : Number(prefix);
    const wrong = (message: string): never[] => {
      context.addIssue({ code: 'custom', message });
      return [];
    };
    if (isIPv6(address)) return wrong(`${address}: only IPv4 addresses can be held so far`);
    if (!isIPv4(address) || rest.length > 0) {
      return wrong(
        `${item} is not an IPv4 address; set a free one of the machines' subnet, for example vip=10.0.0.100`,
      );
    }
    if (length === undefined) return [{ address }];
    if (!Number.isInteger(length) || length < 1 || length > 32)
      return wrong(`${item}: a prefix is /1 to /32`);
    return [{ address, prefix: length }];
  });
});

const number = (least: number, most: number) =>
  z.int().min(least, `${least} to ${most}`).max(most, `${least} to ${most}`);
const service = /^[A-Za-z0-9@._-]+$/;

export const options = {
  vip: vips,
  interface: z.string().regex(/^[^\s/"]{0,15}$/, 'the name of a network interface, for example eth0'),
  'virtual-router-id': number(1, 255),
  priority: number(0, 254),
  'advert-interval': z.number().min(0.01, '0.01 to 40 seconds').max(40, '0.01 to 40 seconds'),
  'vrrp-version': z.union([z.literal(2), z.literal(3)], '2 or 3'),
  preempt: z.boolean(),
  unicast: z.boolean(),
  track: z.string().transform((text, context): readonly string[] => {
    const services = text.split(/[\s,]+/).filter((name) => name !== '');
    const wrong = services.find((name) => !service.test(name));
    if (wrong !== undefined)
      context.addIssue({ code: 'custom', message: `${wrong} is not the name of a systemd service` });
    return services;
  }),
};
