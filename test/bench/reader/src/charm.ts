import { active, defineCharm, defineInterface, integer, raw } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

const side = { app: { host: raw }, unit: { port: integer } };
const nothing = { app: {}, unit: {} };

export const charm = defineCharm(charmcraft, {
  options: { port: z.int(), title: z.string() },
  endpoints: {
    db: defineInterface({ name: 'sql', provider: side, requirer: nothing }),
    proxy: defineInterface({ name: 'http', provider: side, requirer: nothing }),
  },
  machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
  async read(juju) {
    const [options, isLeader, databases, proxies] = await Promise.all([
      juju.options(),
      juju.isLeader(),
      juju.relations('db'),
      juju.relations('proxy'),
    ]);
    const ports = [...databases, ...proxies].flatMap(({ units }) => units.map(({ data }) => data.port ?? 0));
    return { options, isLeader, hosts: [...databases, ...proxies].map(({ appData }) => appData.host), ports };
  },
  plan: ({ options, isLeader, hosts, ports }) => ({
    machine: [],
    status: [
      active(
        `${options.title} ${options.port} ${isLeader ? 'leads' : 'follows'} ${hosts.join(' ')} ${ports.reduce((a, b) => a + b, 0)}`,
      ),
    ],
  }),
  actions: {},
});
