import { isIP } from 'node:net';
import { defineOptions } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';
import { BALANCE } from './services.ts';
import { milliseconds } from './time.ts';

const port = z.int().min(1, 'a TCP port is 1 to 65535').max(65535, 'a TCP port is 1 to 65535');
const duration = z
  .string()
  .regex(/^\d{1,7}(us|ms|s|m|h|d)?$/, 'a time is a number and a unit, for example 90s or 15m')
  .refine((text) => {
    const most = 2 ** 31 - 1;
    return milliseconds(text) >= 1 && milliseconds(text) <= most;
  }, 'a time is 1 ms to 24 days');

const DNS_NAME = /^(\*\.)?(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** DNS names and addresses, separated by commas or blanks. */
const tlsNames = z.string().transform((text, context): readonly string[] => {
  const names = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
  const wrong = names.find((name) => isIP(name) === 0 && !DNS_NAME.test(name));
  if (wrong !== undefined)
    context.addIssue({ code: 'custom', message: `${wrong} is neither a host name nor an address` });
  return names;
});

export const options = defineOptions(charmcraft, {
  port,
  balance: z.enum(BALANCE, `one of: ${BALANCE.join(', ')}`),
  'server-timeout': duration,
  'tunnel-timeout': duration,
  'hard-stop-after': duration,
  'health-check': z.string().regex(/^(\/[^\s"'\\#]*)?$/, 'a path that begins with /, for example /MAAS/rpc/'),
  'stats-port': z.union([z.literal(0), port], '0, or a TCP port of 1 to 65535'),
  certificate: z.string().optional(),
  'tls-port': port,
  'tls-names': tlsNames,
  'extra-config': z.string(),
});
