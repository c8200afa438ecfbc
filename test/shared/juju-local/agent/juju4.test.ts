// What Juju 4 does otherwise than 3.6, its bugs included: charms have to live with them.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { verbs } from '../../../../shared/juju-local/src/daemon/verbs.ts';
import { charmInfo, World } from '../world.ts';
import { destroyApplication, destroyUnit } from '../../../../shared/juju-local/src/model/removal.ts';

const DB = charmInfo('db', { provides: { server: 'sql' }, peers: { cluster: 'db-cluster' } });
const WEB = charmInfo('web', { requires: { db: 'sql' } });

/** Two units of `db`, which has peers, and two of `web`, which has none, related to it. */
async function related(juju: 3 | 4): Promise<World> {
  const world = new World(juju);
  await world.add(DB, 2);
  await world.add(WEB, 2);
  world.model.application('db').leader = 'db/0';
  world.model.relate('web', 'db');
  await world.start();
  await world.settle();
  return world;
}

async function say(world: World, unit: string, words: string): Promise<string> {
  let said = '';
  await world.inside(unit, async ({ call }) => {
    const [tool = '', ...args] = words.split(' ');
    const { exitCode, stdout, stderr } = await call(tool, ...args);
    said = `${exitCode} ${stdout}${stderr}`.trim();
  });
  return said;
}

test('Juju 3.6 tells peers of a unit that was removed', async () => {
  await using world = await related(3);
  destroyUnit(world.model, world.unit('db/1'));
  expect(await world.settle()).toContain('db/0 cluster-relation-departed 0 db db/1 departing=db/1');
  expect(await say(world, 'db/0', 'relation-list -r 0')).toBe('0');
});

test('Juju 4 tells nobody of a removed peer until the agent starts again, and goes on naming it', async () => {
  await using world = await related(4);
  await world.inside('db/1', async ({ tool }) => void (await tool('relation-set', '-r', '0', 'a=b')));
  await world.settle();
  destroyUnit(world.model, world.unit('db/1'));
  const trace = await world.settle();
  expect(world.model.units.has('db/1')).toBe(false);
  expect(trace.filter((line) => line.startsWith('db/0 cluster'))).toEqual([]);
  // The others are told: the bug is one of peer relations.
  expect(trace).toContain('web/0 db-relation-departed 1 db db/1 departing=db/1');
  expect(await say(world, 'db/0', 'relation-list -r 0')).toBe('0 db/1');
  expect(await say(world, 'db/0', 'relation-get -r 0 a db/1')).toBe('0 b');
  expect(await say(world, 'db/0', 'goal-state --format=json')).not.toContain('db/1');

  // A unit that comes later never hears of it.
  world.model.addUnit('db', world.model.addMachine());
  await world.settle();
  expect(await say(world, 'db/2', 'relation-list -r 0')).toBe('0 db/0');

  await world.scheduler.powerOff(world.unit('db/0').machine);
  world.scheduler.powerOn(world.unit('db/0').machine);
  expect(await world.settle()).toContain('db/0 cluster-relation-departed 0 db db/1 departing=db/1');
  expect(await say(world, 'db/0', 'relation-list -r 0')).toBe('0 db/2');
});

test.each([3, 4] as const)('Juju %i: an application that is removed, and its peer relation', async (juju) => {
  await using world = await related(juju);
  destroyApplication(world.model, world.model.application('db'));
  const trace = await world.settle();
  const ofDb = trace.filter((line) => line.startsWith('db/0'));
  const peers = [
    'db/0 cluster-relation-departed 0 db db/1 departing=db/0',
    'db/0 cluster-relation-broken 0 db',
  ];
  const others = ofDb.filter((line) => line.includes('server'));
  expect(ofDb).toEqual(
    juju === 4
      ? [...peers, ...others, 'db/0 stop', 'db/0 remove']
      : [...others, peers[0], 'db/0 stop', 'db/0 remove'],
  );
  expect(world.model.applications.has('db')).toBe(false);
  expect(world.model.relations.size).toBe(0);
});

test.each([3, 4] as const)(
  'Juju %i: what rides on a unit that is removed by force, and on a machine that is',
  async (juju) => {
    const LOG = charmInfo('log', {
      subordinate: true,
      requires: { host: { interface: 'juju-info', scope: 'container' } },
      peers: { loggers: 'loggers' },
    });
    await using world = await related(juju);
    await world.add(LOG, 0);
    world.model.relate('log', 'db');
    await world.settle();
    const [stays, goes] = world.model.unitsOf('log').map(({ name }) => name);
    const { machine } = world.unit('db/1');
    const ask = async (verb: string, args: unknown) => verbs[verb]?.(world.daemon, args, () => undefined);
    const shown = async () => JSON.stringify(await ask('status', { selectors: [] }));
    await world.scheduler.powerOff(machine);
    await ask('remove-unit', { names: ['db/1'], force: true });
    await world.settle();
    expect(world.model.units.has('db/1')).toBe(false);
    // Juju 4 leaves it alive on its machine, and lists it nowhere.
    expect([world.model.units.get(goes ?? '')?.life, world.model.machines.has(machine)]).toEqual(
      juju === 4 ? ['alive', true] : [undefined, false],
    );
    expect(await shown()).not.toContain(goes);
    // Nobody waits for what no status shows.
    expect(await ask('unsettled-units', null)).toEqual(['db/0', 'web/0', 'web/1', stays]);
    expect(await say(world, stays ?? '', 'goal-state --format=json')).toMatch(
      juju === 4 ? new RegExp(`^0 \\{"units":\\{"${goes}":`) : /^0 \{"units":\{\},/,
    );
    if (juju === 3) return;
    await ask('remove-machine', { names: [machine], force: true });
    await world.settle();
    expect([...world.model.units.keys()].sort()).toEqual(['db/0', stays, 'web/0', 'web/1']);
    expect([world.model.machines.has(machine), world.machines.removed]).toEqual([false, [machine]]);
  },
);

test.each([3, 4] as const)(
  'Juju %i: a unit without peers that goes, whose remove takes 10 s',
  async (juju) => {
    await using world = await related(juju);
    const ended: string[] = [];
    world.charms.set('web', async ({ name, unit }) => {
      if (unit !== 'web/1') return;
      if (name === 'remove') {
        world.time += 10_000;
        world.scheduler.wake();
        // Whether it is still there when its hook has ended.
        await sleep(50);
      }
      if (['stop', 'remove'].includes(name) && world.model.units.has(unit)) ended.push(name);
    });
    world.charms.set('db', async ({ name }) => {
      if (['stop', 'remove'].includes(name)) ended.push(`db ${name}`);
    });
    destroyUnit(world.model, world.unit('web/1'));
    await world.settle();
    expect(world.model.units.has('web/1')).toBe(false);
    const log = await world.log.read();
    expect(log.lines.some(({ message }) => message.startsWith('deleted, as Juju 4'))).toBe(juju === 4);
    expect(ended).toEqual(juju === 3 ? ['stop', 'remove'] : ['stop']);
    // One with peers runs both.
    destroyUnit(world.model, world.unit('db/1'));
    await world.settle();
    expect(ended.filter((name) => name.startsWith('db'))).toEqual(['db stop', 'db remove']);
  },
);

test('Juju 4: what remove-application --force --no-wait leaves is listed and cannot be read, until the agent starts again', async () => {
  await using world = await related(4);
  await verbs['remove-application']?.(
    world.daemon,
    { names: ['db'], force: true, noWait: true },
    () => undefined,
  );
  const trace = await world.settle();
  expect(trace.filter((line) => line.startsWith('web/'))).toEqual([]);
  expect(world.model.applications.has('db')).toBe(false);
  expect(await say(world, 'web/0', 'relation-ids db')).toBe('0 db:1');
  expect(await say(world, 'web/0', 'relation-list -r 1')).toBe('0 db/0\ndb/1');
  expect(await say(world, 'web/0', 'relation-get -r 1 - db/0')).toBe(
    '1 ERROR getting regular relation by key: relation not found',
  );
  expect(await say(world, 'web/0', 'relation-get -r 1 --app - web')).toBe(
    '1 ERROR permission denied (unauthorized access)',
  );
  expect(await say(world, 'web/0', 'relation-set -r 1 a=b')).toContain('1 ERROR');
  // The same application again is another one.
  await world.add(DB, 1);
  world.model.relate('web', 'db');
  expect(await world.settle()).toContain('web/0 db-relation-created 3 db');

  await world.scheduler.powerOff(world.unit('web/0').machine);
  world.scheduler.powerOn(world.unit('web/0').machine);
  await world.settle();
  expect(await say(world, 'web/0', 'relation-ids db')).toBe('0 db:3');
});

test('Juju 4: no leader settings, no private-address, and what Juju writes into a databag stays', async () => {
  await using world = await related(4);
  const trace = [...world.trace];
  expect(trace.filter((line) => line.includes('leader-settings-changed'))).toEqual([]);
  await world.inside('web/0', async ({ env, tool, call }) => {
    expect(env['JUJU_VERSION']).toMatch(/^4\./);
    await expect(call('leader-get')).resolves.toMatchObject({ exitCode: -1 });
    await tool('relation-set', '-r', '1', 'ingress-address=192.0.2.9', 'a=b');
    expect(await tool('secret-add', '--owner', 'unit', 'token=x')).toMatch(
      /^secret:\/\/[0-9a-f-]{36}\/[0-9a-v]{20}\n$/,
    );
  });
  expect(world.model.relations.get(1)?.bags['web/0']).toEqual({
    a: 'b',
    'egress-subnets': '10.0.0.12/32',
    'ingress-address': '10.0.0.12',
  });
});
