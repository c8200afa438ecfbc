import { run, machine, type Resource } from 'juju-ts-host';
import { http } from 'juju-ts-interfaces/http';
import {
  active,
  defineCharm,
  defineDatabags,
  defineEndpoints,
  definePeerInterface,
  type Plan,
} from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';
import { renderServer, SERVER, UNIT, UNIT_CONTENT } from './server.ts';

const SERVICE = 'web';

const endpoints = defineEndpoints(charmcraft, {
  api: http,
  'web-cluster': definePeerInterface({ name: 'web-cluster', app: {}, unit: {} }),
});
const databag = defineDatabags(charmcraft, endpoints);

export const charm = defineCharm(charmcraft, {
  options: { port: z.int().min(1).max(65535) },
  endpoints,
  async read(juju) {
    const [{ port }, relations, network] = await Promise.all([
      juju.options(),
      juju.relations('api'),
      juju.network('api'),
    ]);
    return {
      unit: juju.context.unit,
      port,
      relations: relations.map(({ id }) => id),
      address: network.bindAddresses[0] ?? '',
    };
  },
  plan: ({ unit, port, relations, address }): Plan<typeof charmcraft, typeof endpoints, Resource> => ({
    machine: [
      { kind: 'file', path: SERVER, content: renderServer(unit, port), mode: 0o755 },
      { kind: 'file', path: UNIT, content: UNIT_CONTENT, mode: 0o644 },
      {
        kind: 'step',
        id: 'daemon-reload',
        inputs: { content: UNIT_CONTENT },
        run: async () => {
          await run(['systemctl', 'daemon-reload']);
        },
      },
      { kind: 'service', name: SERVICE, state: 'running', enabled: true, after: [SERVER, UNIT] },
    ],
    databags: relations.map((relation) =>
      databag('api', relation, { unit: { hostname: address, port, 'health-check': '/ok' } }),
    ),
    status: [active()],
  }),
  teardown: (): Promise<readonly Resource[]> =>
    Promise.resolve([
      { kind: 'service', name: SERVICE, state: 'stopped', enabled: false },
      { kind: 'absent-file', path: UNIT },
      { kind: 'absent-file', path: SERVER },
    ]),
  machine,
  actions: {},
});
