import { defineInterface, integer, json, raw, spaceList, yaml } from 'juju-ts-ops';
import { z } from 'zod';

const port = z.coerce.number().pipe(z.int().min(1).max(65535));

const portNumber = z.int().min(1).max(65535);

export const Frontend = z.object({ scheme: z.enum(['http', 'https']), port: z.int().min(1).max(65535) });
/** Where a balancer listens. */
export type Frontend = z.infer<typeof Frontend>;

/** A list, or one text with commas. */
const list = z
  .union([z.array(z.union([z.string(), z.number()]).transform(String)), z.string()])
  .nullish()
  .transform((value) =>
    (typeof value === 'string' ? value.split(',') : (value ?? [])).map((item) => item.trim()),
  );

const Server = z
  .tuple([z.coerce.string(), z.string(), port], z.unknown())
  .transform(([name, host, number, options]) => {
    const parsed = list.safeParse(options);
    return { name, host, port: number, options: parsed.success ? parsed.data : [] };
  });

/** A service as the haproxy charms of 2012 and later have it, in YAML. */
export const HttpService = z
  .looseObject({
    service_name: z.string(),
    service_port: port.optional(),
    service_options: list,
    servers: z.array(Server).nullish(),
  })
  .transform(({ service_name, service_port, service_options, servers }) => ({
    name: service_name,
    port: service_port,
    options: service_options,
    /** Absent: the unit that wrote it is the server, on the port of the service. */
    servers: servers ?? undefined,
  }));
export type HttpService = z.infer<typeof HttpService>;

const ExtendedServer = z.looseObject({
  hostname: z.string().optional(),
  'private-address': z.string().optional(),
  port,
});

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
      /** TCP ports beside `port` that clients of the balancer may need; a pair is the balancer's and the server's own. */
      'tcp-ports': json(
        z.array(z.union([portNumber, z.tuple([portNumber, portNumber]).readonly()])).readonly(),
      ),
      service_name: raw,
      /** Host names of virtual hosts. */
      sitenames: spaceList,
      extended_data: json(z.array(ExtendedServer).readonly()),
      services: yaml(z.array(HttpService).readonly()),
      all_services: yaml(z.array(HttpService).readonly()),
    },
  },
  requirer: { app: { frontend: json(Frontend) }, unit: {} },
});
