import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { usedCharms } from '../../../../shared/juju-local/src/model/store.ts';
import { charmInfo, World } from '../world.ts';
import { destroyRelation } from '../../../../shared/juju-local/src/model/removal.ts';

const DB = charmInfo('db', { provides: { server: 'sql', admin: { interface: 'sql-admin', limit: 1 } } });

async function model(...charms: readonly Parameters<World['add']>[0][]) {
  const world = new World();
  for (const charm of charms) await world.add(charm, 0);
  return world;
}

test('an endpoint is inferred from its interface; what is implicit only counts where nothing else fits', async () => {
  await using world = await model(
    DB,
    charmInfo('web', { requires: { db: 'sql' } }),
    charmInfo('log', {
      subordinate: true,
      requires: { host: { interface: 'juju-info', scope: 'container' } },
    }),
    charmInfo('both', {
      subordinate: true,
      requires: { host: { interface: 'juju-info', scope: 'container' }, db: 'sql' },
    }),
  );
  const infer = (a: string, b: string) => world.model.inferRelation(a, b);
  expect(infer('web', 'db')).toEqual({
    scope: 'global',
    endpoints: [
      { app: 'web', name: 'db', role: 'requirer', interface: 'sql' },
      { app: 'db', name: 'server', role: 'provider', interface: 'sql' },
    ],
  });
  expect(infer('log', 'web')).toMatchObject({
    scope: 'container',
    endpoints: [{ name: 'host' }, { name: 'juju-info' }],
  });
  expect(infer('both', 'db').endpoints[1]?.name).toBe('server');
  expect(() => infer('web', 'log:host')).not.toThrow();
});

test.each([
  ['web', 'nothing', 'application "nothing" not found'],
  ['web:nothing', 'db', 'application "web" has no "nothing" relation'],
  ['web:other', 'db', 'no relations found'],
  ['two', 'db', 'ambiguous relation: "two db" could refer to "two:first db:server"; "two:second db:server"'],
  ['db', 'db', 'no relations found'],
  ['plain', 'web', 'no relations found'],
])('integrate %s %s: %s', async (first, second, message) => {
  await using world = await model(
    DB,
    charmInfo('web', { requires: { db: 'sql', other: 'http' } }),
    charmInfo('two', { requires: { first: 'sql', second: 'sql' } }),
    charmInfo('plain', { requires: { host: { interface: 'juju-info', scope: 'container' } } }), // no subordinate
  );
  expect(() => world.model.relate(first, second)).toThrow(message);
});

test('a relation there is already, and one beyond the limit, are refused', async () => {
  const web = { requires: { db: 'sql', admin: 'sql-admin' } };
  await using world = await model(DB, charmInfo('web', web), charmInfo('shop', web));
  world.model.relate('web:db', 'db');
  expect(() => world.model.relate('db', 'web:db')).toThrow(
    'cannot add relation "web:db db:server"\nrelation web:db db:server (already exists): \n\nUse \'juju status --relations\'',
  );
  world.model.relate('web:admin', 'db');
  expect(() => world.model.relate('shop:admin', 'db')).toThrow(
    'establishing a new relation for db:admin would exceed its maximum relation limit of 1',
  );
});

test.each([
  [
    3,
    'cannot add relation "web:db db:server"\nrelation web:db db:server is dying, but not yet removed (already exists): ',
  ],
  [4, 'adding relation between endpoints "web" and "db:server": relation web:db db:server: already exists'],
] as const)('Juju %i: a relation that has not ended is in the way of the next', async (juju, message) => {
  await using world = new World(juju);
  await world.add(charmInfo('db', { provides: { server: 'sql' } }));
  await world.add(charmInfo('web', { requires: { db: 'sql' } }));
  const relation = world.model.relate('web', 'db');
  await world.start();
  await world.settle();
  await world.scheduler.powerOff(world.unit('web/0').machine);
  destroyRelation(world.model, relation);
  await world.settle();
  expect(() => world.model.relate('web', 'db:server')).toThrow(message);
  world.scheduler.powerOn(world.unit('web/0').machine);
  await world.settle();
  expect(world.model.relate('web', 'db').id).toBe(1);
});

test('each archive of a charm has a revision of its own, the same archive the same', async () => {
  await using world = await model();
  const first = world.model.revisionOf({ ...DB, digest: 'one' });
  world.model.addApplication('db', first, {});
  const second = world.model.revisionOf({ ...DB, digest: 'two' });
  expect([first.revision, second.revision, world.model.revisionOf(first).revision]).toEqual([0, 1, 0]);
});

test('a charm is in use while an application has it, or a unit still runs it', async () => {
  await using world = await model();
  const models = mkdtempSync(join(tmpdir(), 'models-'));
  try {
    symlinkSync(world.folder, join(models, 'test'));
    mkdirSync(join(models, 'one-that-has-just-begun'));
    const next = charmInfo('db', { provides: { server: 'sql' }, digest: 'db-2' });
    await world.add(DB, 1);
    await world.settle();
    expect([...(await usedCharms(models))]).toEqual([DB.digest]);
    world.model.upgrade(world.model.application('db'), next);
    world.model.save();
    expect([...(await usedCharms(models))].sort()).toEqual([DB.digest, next.digest].sort());
  } finally {
    rmSync(models, { recursive: true });
  }
});
