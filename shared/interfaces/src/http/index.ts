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

/** A service in the YAML format of the haproxy charms since 2012. */
export const HttpService = z
  .looseObject({
    service_name: z.string(),
    service_port: port.optional(),
    service_options: list,
    servers: z.array(Server).nullish(),
  })
  .transform(({ service_name, service_host, service_port, service_options, servers, ...others }) => ({
    name: service_name,
    port: service_port,
    options: service_options,
    /** If absent, the unit that wrote it is the server, on the service's port. */
    servers: servers ?? undefined,
    /** Names of other keys, which are not read: `crts`, `backends`. */
    others: [
      ...(isEverywhere(service_host) ? [] : ['service_host']),
      ...Object.keys(others).filter((key) => !isNothing(others[key])),
    ],
  }));
export type HttpService = z.infer<typeof HttpService>;

/** Whether a balancer that listens on every address does what this says. */
function isEverywhere(host: unknown): boolean {
  return isNothing(host) || host === '0.0.0.0' || host === '::' || host === '*';
}

function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === '' ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

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
      /** More TCP ports that clients of the balancer may need; a pair has the balancer's port and the server's port. */
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
