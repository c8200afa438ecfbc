import { defineInterface, flag, json } from 'juju-ts-ops';
import { z } from 'zod';

export const Vip = z.object({
  address: z.string(),
  prefix: z.int().min(0).max(128),
  family: z.enum(['ipv4', 'ipv6']),
  hostname: z.string().optional(),
});
/** A virtual address. */
export type Vip = z.infer<typeof Vip>;

/** The contract between the charm that holds virtual addresses and a charm that is reached at them. See README.md. */
export const keepalivedVip = defineInterface({
  name: 'keepalived-vip',
  provider: {
    app: { vips: json(z.array(Vip).readonly()), ready: flag },
    unit: { owner: json(z.array(z.string()).readonly()) },
  },
  requirer: { app: {}, unit: {} },
});
