// Random options and relation data for the haproxy charm.
import * as fc from 'fast-check';
import type { State } from '../../../charms/haproxy/src/state.ts';
import { regions, relationOf, stateOf, type RawOptions } from './states.ts';

/** Mostly what is right, now and then anything. */
const mostly = <T>(usual: fc.Arbitrary<T>, rest: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: rest });
const port = mostly(fc.integer({ min: 1, max: 65_535 }), fc.integer());
const anyText = fc.string({ unit: 'binary', maxLength: 20 });
const word = fc.stringMatching(/^[a-z0-9_.-]{1,12}$/);
const host = fc.oneof(
  { weight: 6, arbitrary: fc.ipV4() },
  { weight: 2, arbitrary: fc.ipV6() },
  { weight: 2, arbitrary: fc.domain() },
  { weight: 1, arbitrary: anyText },
);
const time = mostly(
  fc
    .tuple(fc.integer({ min: 1, max: 10_000 }), fc.constantFrom('', 'us', 'ms', 's', 'm', 'h'))
    .map((parts) => parts.join('')),
  anyText,
);
const path = mostly(fc.webPath(), anyText);

const rawOptions: fc.Arbitrary<RawOptions> = fc.record({
  port: mostly(fc.constantFrom(80, 5240, 8080), port),
  balance: mostly(fc.constantFrom('source', 'roundrobin', 'leastconn'), anyText),
  'server-timeout': time,
  'tunnel-timeout': time,
  'hard-stop-after': time,
  'health-check': mostly(fc.constantFrom('', '/MAAS/rpc/'), path),
  'stats-port': mostly(fc.constantFrom(0, 8404), port),
  'tls-port': mostly(fc.constant(443), port),
  'tls-names': mostly(fc.constantFrom('', 'maas.example, 10.0.0.9', 'fd09::9'), anyText),
  'extra-config': fc.constantFrom('', '', 'listen more\n    bind :::9999\n    server a 10.0.0.1:1'),
});

const option = mostly(
  fc.constantFrom(
    'mode http',
    'mode tcp',
    'balance leastconn',
    'option httpchk GET /',
    'cookie SRVNAME insert',
  ),
  anyText,
);
const serverOptions = fc.array(
  mostly(fc.constantFrom('check', 'backup', 'weight 3', 'weight 999'), anyText),
  {
    maxLength: 3,
  },
);
const service = fc
  .record(
    {
      service_name: mostly(word, anyText),
      service_host: fc.constant('0.0.0.0'),
      service_port: mostly(fc.constantFrom(80, 81, 8443), port),
      service_options: fc.oneof(
        fc.array(option, { maxLength: 4 }),
        fc.array(option, { maxLength: 3 }).map((list) => list.join(', ')),
      ),
      servers: fc.array(fc.tuple(mostly(word, anyText), host, port, serverOptions), { maxLength: 4 }),
    },
    { requiredKeys: ['service_name'] },
  )
  .map((item) => item);

// JSON is YAML.
const yamlList = mostly(
  fc.array(service, { maxLength: 3 }).map((list) => JSON.stringify(list)),
  anyText,
);
const bag = fc.record(
  {
    hostname: host,
    port: port.map(String),
    'private-address': fc.ipV4(),
    'health-check': path,
    'tcp-ports': mostly(fc.constantFrom('[5242,5271]', '[[443,5443],5271]', '[]'), anyText),
    service_name: mostly(word, anyText),
    sitenames: mostly(
      fc.array(fc.domain(), { maxLength: 3 }).map((list) => list.join(' ')),
      anyText,
    ),
    extended_data: mostly(
      fc.array(fc.record({ hostname: host, port }), { maxLength: 2 }).map((list) => JSON.stringify(list)),
      anyText,
    ),
    services: yamlList,
    all_services: yamlList,
  },
  { requiredKeys: ['hostname', 'port'] },
);
const plainBag = fc.record({ hostname: fc.ipV4(), port: fc.constant('5240') });
const relation = fc
  .record({
    id: fc.integer({ min: 0, max: 9 }),
    app: fc.constantFrom('maas-region', 'web', 'blog'),
    bags: fc.array(mostly(fc.oneof(plainBag, bag), bag), { maxLength: 5 }),
  })
  .map(({ id, app, bags }) =>
    relationOf(id, app, Object.fromEntries(bags.map((values, index) => [`${app}/${index * 3}`, values]))),
  );

/** A state; where the options are refused, why. */
export const randomState: fc.Arbitrary<() => State | string> = fc
  .record({
    options: rawOptions,
    relations: fc.array(fc.oneof(relation, fc.constant(regions(0, 1, 2))), { maxLength: 4 }),
    maxConnections: fc.integer({ min: 500, max: 5000 }),
  })
  .map(({ options, relations, maxConnections }) => () => {
    try {
      return stateOf(relations, { options, maxConnections });
    } catch (error) {
      if (error instanceof Error && error.name === 'ZodError') return error.message;
      throw error;
    }
  });
