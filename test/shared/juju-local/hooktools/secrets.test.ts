import { expect, test } from '@jest/globals';
import { charmInfo, World, type Charm } from '../world.ts';
import { destroyRelation, destroyUnit } from '../../../../shared/juju-local/src/model/removal.ts';

const HOUR = 3_600_000;

/** `owner/0`, leading, and `owner/1`; `reader/0` and `reader/1` are related to them, `stranger/0` is not. */
async function owners(): Promise<World> {
  const world = new World();
  await world.add(charmInfo('owner', { provides: { out: 'secrets' } }), 2);
  await world.add(charmInfo('reader', { requires: { in: 'secrets' } }), 2);
  await world.add(charmInfo('stranger'));
  world.model.application('owner').leader = 'owner/0';
  world.model.relate('owner', 'reader');
  await world.start();
  await world.settle();
  return world;
}

/** Runs tools on a unit and gives what the last one printed, and its exit code. */
async function on(world: World, unit: string, ...commands: readonly string[]) {
  let said = { exitCode: 0, stdout: '', stderr: '' };
  const work: Charm = async ({ call }) => {
    for (const command of commands) {
      const [tool = '', ...args] = command.split(' ');
      said = await call(tool, ...args);
    }
  };
  await world.inside(unit, work);
  return { exitCode: said.exitCode, text: (said.stdout + said.stderr).trim() };
}

test('a reader stays on the revision that it has read until it refreshes, and hears of new ones', async () => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/0', 'secret-add pass=one');
  expect(id).toMatch(/^secret:[a-z0-9]{20}$/);
  expect(await on(world, 'reader/0', `secret-get ${id}`)).toEqual({
    exitCode: 1,
    text: 'ERROR permission denied',
  });
  await on(world, 'owner/0', `secret-grant ${id} -r 0`);
  expect(await on(world, 'reader/0', `secret-get ${id} --label mine`)).toEqual({
    exitCode: 0,
    text: 'pass: one',
  });
  expect(await on(world, 'reader/0', 'secret-get --label mine')).toEqual({
    exitCode: 0,
    text: 'pass: one',
  });
  expect(await on(world, 'reader/1', 'secret-get --label mine')).toMatchObject({ exitCode: 1 });
  expect(await on(world, 'stranger/0', `secret-get ${id}`)).toMatchObject({
    text: 'ERROR permission denied',
  });

  await on(world, 'owner/0', `secret-set ${id} pass=two`);
  expect(await world.settle()).toEqual(['reader/0 secret-changed']);
  expect((await on(world, 'reader/0', 'secret-get --label mine')).text).toBe('pass: one');
  expect((await on(world, 'reader/0', 'secret-get --label mine --peek')).text).toBe('pass: two');
  expect((await on(world, 'reader/0', 'secret-get --label mine')).text).toBe('pass: one');
  expect((await on(world, 'reader/0', 'secret-get --label mine --refresh')).text).toBe('pass: two');
  expect((await on(world, 'reader/0', 'secret-get --label mine')).text).toBe('pass: two');
  expect(await world.settle()).toEqual(['owner/0 secret-remove']); // nobody reads the first one now

  await on(world, 'owner/0', `secret-set ${id} pass=two`);
  expect(await world.settle()).toEqual([]); // the same content is no revision
});

test('a hook reads back what it adds, and a failed one leaves nothing', async () => {
  await using world = await owners();
  let id = '';
  await world.inside('owner/0', async ({ tool }) => {
    id = (await tool('secret-add', '--label=db', 'pass=one')).trim();
    expect(await tool('secret-get', id, 'pass')).toBe('one\n');
    expect(await tool('secret-get', '--label', 'db')).toBe('pass: one\n');
    expect(JSON.parse(await tool('secret-ids', '--format=json'))).toEqual([id.slice('secret:'.length)]);
    return 1;
  });
  expect(await on(world, 'owner/0', `secret-get ${id}`)).toMatchObject({ exitCode: 1 });
  expect((await on(world, 'owner/0', 'secret-ids --format=json')).text).toBe('null');
});

test('all units read what their application owns; only the leader manages it', async () => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/0', 'secret-add --label=shared pass=one');
  expect((await on(world, 'owner/1', 'secret-get --label shared')).text).toBe('pass: one');
  // Juju only says so when the hook has ended.
  for (const command of [`secret-set ${id} pass=x`, `secret-remove ${id}`]) {
    const task = await world.inside('owner/1', async ({ call }) => {
      const [tool = '', ...args] = command.split(' ');
      expect(await call(tool, ...args)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    });
    expect(task).toMatchObject({ status: 'failed', message: expect.stringContaining('not the leader') });
  }
  expect((await on(world, 'owner/0', `secret-get ${id} --peek`)).text).toBe('pass: one');
  expect(await on(world, 'owner/1', `secret-grant ${id} -r 0`)).toEqual({
    exitCode: 1,
    text: expect.stringMatching(/^ERROR secret "[0-9a-v]{20}" not found$/),
  });
  expect((await on(world, 'owner/1', 'secret-ids --format=json')).text).toBe('null');
  const again = await world.inside('owner/0', async ({ tool }) => {
    await tool('secret-add', '--label=shared', 'pass=two');
  });
  expect(again.message).toContain('secret with label "shared" already exists');
  expect(world.model.secrets.size).toBe(1);
});

test('what a unit owns is its own, and goes with it', async () => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/1', 'secret-add --owner=unit pass=mine');
  expect((await on(world, 'owner/1', `secret-get ${id} pass`)).text).toBe('mine');
  expect(await on(world, 'owner/0', `secret-get ${id}`)).toMatchObject({ text: 'ERROR permission denied' });
  await on(world, 'owner/1', `secret-grant ${id} -r 0 --unit reader/1`);
  expect((await on(world, 'reader/1', `secret-get ${id} pass`)).text).toBe('mine');
  expect(await on(world, 'reader/0', `secret-get ${id}`)).toMatchObject({ text: 'ERROR permission denied' });
  destroyUnit(world.model, world.unit('owner/1'));
  await world.settle();
  expect(world.model.secrets.size).toBe(0);
});

test.each(['-r 0', '--app reader', '--unit reader/0'])('secret-revoke %s', async (whom) => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/0', 'secret-add pass=one');
  const unit = whom.startsWith('--unit') ? ' --unit reader/0' : '';
  await on(world, 'owner/0', `secret-grant ${id} -r 0${unit}`);
  expect(await on(world, 'reader/0', `secret-get ${id} pass`)).toMatchObject({ text: 'one' });
  await on(world, 'owner/0', `secret-revoke ${id} ${whom}`);
  expect(await on(world, 'reader/0', `secret-get ${id}`)).toMatchObject({ text: 'ERROR permission denied' });
});

test('a grant ends with its relation', async () => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/0', 'secret-add pass=one', 'secret-ids');
  const uri = world.model.secrets.keys().next().value ?? '';
  expect(id).toBe(uri);
  await on(world, 'owner/0', `secret-grant ${uri} -r 0`);
  const relation = world.model.relations.get(0);
  if (relation) destroyRelation(world.model, relation);
  await world.settle();
  expect(await on(world, 'reader/0', `secret-get ${uri}`)).toMatchObject({ text: 'ERROR permission denied' });
});

test('secret-remove takes one revision, or all of it', async () => {
  await using world = await owners();
  const { text: id } = await on(world, 'owner/0', 'secret-add pass=one');
  await on(world, 'owner/0', `secret-set ${id} pass=two`);
  await on(world, 'owner/0', `secret-remove ${id} --revision 1`);
  const secret = [...world.model.secrets.values()][0];
  expect(secret?.revisions.map(({ number }) => number)).toEqual([2]);
  await on(world, 'owner/0', `secret-remove ${id}`);
  expect(world.model.secrets.size).toBe(0);
});

test('the owner is told when a secret is to be rotated, and when it expires', async () => {
  await using world = await owners();
  const { text: id } = await on(
    world,
    'owner/0',
    'secret-add --rotate=daily --expire=48h --description=d --label=db pass=one',
  );
  const bare = id.slice('secret:'.length);
  const info = JSON.parse((await on(world, 'owner/0', `secret-info-get ${id} --format=json`)).text);
  expect(info).toEqual({
    [bare]: {
      revision: 1,
      label: 'db',
      owner: 'application',
      description: 'd',
      rotation: 'daily',
      expiry: '2026-01-03T00:00:00Z',
      rotates: '2026-01-02T00:00:00Z',
    },
  });
  await world.pass(23 * HOUR);
  expect(await world.pass(2 * HOUR)).toContain('owner/0 secret-rotate');
  expect(await world.pass(HOUR)).toContain('owner/0 secret-rotate'); // ignored, so asked again

  const revisions: (string | undefined)[] = [];
  world.charms.set('owner', async ({ name, env, tool }) => {
    if (name === 'secret-rotate') await tool('secret-set', id, `pass=new${env['JUJU_SECRET_LABEL']}`);
    if (name === 'secret-expired') revisions.push(env['JUJU_SECRET_REVISION']);
  });
  await world.pass(HOUR);
  expect([...world.model.secrets.values()][0]?.revisions.at(-1)).toMatchObject({
    content: { pass: 'newdb' },
  });
  expect(await world.pass(HOUR)).not.toContain('owner/0 secret-rotate');

  await on(world, 'owner/0', `secret-set ${id} --expire=1h`);
  expect(await world.pass(2 * HOUR)).toContain('owner/0 secret-expired');
  expect(revisions).toEqual(['2']);
});
