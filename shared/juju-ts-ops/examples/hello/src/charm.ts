import { machine } from 'juju-ts-host';
import {
  active,
  blocked,
  defineAction,
  defineCharm,
  defineDatabags,
  defineEndpoints,
  defineOptions,
  definePeerInterface,
  raw,
  type Juju,
} from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';

const options = defineOptions(charmcraft, { greeting: z.string() });
const endpoints = defineEndpoints(charmcraft, {
  // What the units tell each other, in their databags: each its name.
  others: definePeerInterface({ name: 'hello', app: {}, unit: { name: raw } }),
});
const databag = defineDatabags(charmcraft, endpoints);

type HelloJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

async function read(juju: HelloJuju) {
  const [values, [others]] = await Promise.all([juju.options(), juju.relations('others')]);
  return { unit: juju.context.unit, greeting: values.greeting, others };
}

export const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  machine,
  read,
  plan({ unit, greeting, others }) {
    if (greeting === '') {
      return { machine: [], status: [blocked('nothing to say', 'juju config hello greeting=Hello')] };
    }
    const names = (others?.units ?? []).map(({ data }) => data.name ?? 'somebody new');
    const content = `${greeting} from ${[unit, ...names].join(', ')}\n`;
    return {
      machine: [{ kind: 'file', path: '/etc/motd', content, mode: 0o644 }],
      databags: others ? [databag('others', others.id, { unit: { name: unit } })] : [],
      status: [active(`says ${greeting}`)],
    };
  },
  teardown: async () => [{ kind: 'file', path: '/etc/motd', content: '', mode: 0o644 }],
  on: {
    'others-relation-departed': ({ departingUnit }, juju) => juju.log('INFO', `goodbye ${departingUnit}`),
  },
  actions: {
    greet: defineAction(z.object({ name: z.string() }), async ({ name }, juju: HelloJuju) => {
      const { greeting } = await juju.options();
      return { greeting: `${greeting} ${name}` };
    }),
  },
});
