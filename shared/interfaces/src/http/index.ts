import { defineInterface, integer, json, raw } from 'juju-ts-ops';
import { z } from 'zod';

export const Frontend = z.object({ scheme: z.enum(['http', 'https']), port: z.int().min(1).max(65535) });
/** Where a balancer listens. */
export type Frontend = z.infer<typeof Frontend>;

/** The contract between a web server and its balancer. See README.md. */
export const http = defineInterface({
  name: 'http',
  provider: {
    app: {},
    unit: {
      hostname: raw,
      port: integer,
      /** Path of a GET that answers 200 while the server can serve. */
      'health-check': raw,
    },
  },
  requirer: { app: { frontend: json(Frontend) }, unit: {} },
});
