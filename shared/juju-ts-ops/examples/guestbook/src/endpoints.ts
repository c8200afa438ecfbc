import { cosAgent } from 'juju-ts-interfaces/cos_agent';
import { http } from 'juju-ts-interfaces/http';
import { postgresqlClient } from 'juju-ts-interfaces/postgresql_client';
import { tlsCertificates } from 'juju-ts-interfaces/tls-certificates';
import { defineDatabags, defineEndpoints, defineOptions, definePeerInterface, type Juju } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

const port = z
  .int('a TCP port is 1 to 65535')
  .min(1, 'a TCP port is 1 to 65535')
  .max(65535, 'a TCP port is 1 to 65535');

export const options = defineOptions(charmcraft, {
  title: z.string(),
  port,
  'tls-port': port,
  hostname: z.string(),
});

export const endpoints = defineEndpoints(charmcraft, {
  database: postgresqlClient,
  certificates: tlsCertificates,
  website: http,
  'cos-agent': cosAgent,
  // The units say nothing to each other: with it, Juju 4 waits for the unit to clean up.
  cluster: definePeerInterface({ name: 'guestbook-cluster', app: {}, unit: {} }),
});

export const databag = defineDatabags(charmcraft, endpoints);

export type GuestbookJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;
