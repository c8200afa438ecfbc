import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { strToU8, zipSync } from 'fflate';
import { verbs } from '../../../../shared/juju-local/src/daemon/verbs.ts';
import { charmInfo, World } from '../world.ts';

/** Writes a charm's archive into the world's folder. */
function archive(world: World, name: string, metadata = '', other: Readonly<Record<string, string>> = {}) {
  const text: Readonly<Record<string, string>> = {
    'metadata.yaml': `name: ${name}\nsummary: s\ndescription: d\n${metadata}`,
    'manifest.yaml': 'bases:\n- {name: ubuntu, channel: "24.04"}\n',
    dispatch: '#!/bin/sh\n',
    ...other,
  };
  const files = Object.entries(text).map(([file, content]) => [file, strToU8(content)] as const);
  mkdirSync(world.folder, { recursive: true });
  writeFileSync(join(world.folder, `${name}.charm`), zipSync(Object.fromEntries(files)));
}

function bundle(world: World, text: string): string {
  writeFileSync(join(world.folder, 'bundle.yaml'), text);
  return join(world.folder, 'bundle.yaml');
}

async function ask(world: World, verb: string, args: unknown): Promise<{ answer: unknown; said: string[] }> {
  const said: string[] = [];
  const answer = await verbs[verb]?.(world.daemon, args, (message) => said.push(message));
  return { answer, said };
}

async function world(): Promise<World> {
  const made = new World();
  archive(made, 'db', 'provides: {server: {interface: sql}}\n', {
    'config.yaml': 'options: {size: {type: int, default: 1}}',
  });
  archive(made, 'web', 'requires: {db: {interface: sql}}\n');
  archive(made, 'log', 'subordinate: true\nrequires: {host: {interface: juju-info, scope: container}}\n');
  await made.start();
  return made;
}

const BUNDLE = `
machines: {"7": {}, "9": {}}
applications:
  web: {charm: ./web.charm, num_units: 3, to: [db/1, "9", new]}
  db: {charm: ./db.charm, num_units: 2, to: ["9", "7"], options: {size: 3}}
  log: {charm: ./log.charm}
relations: [[web, db], [log, web]]
`;

test('who is waited for: whoever is not active, or still has something to do', async () => {
  await using made = new World();
  await made.add(charmInfo('web'), 2, async ({ unit, name, tool }) => {
    if (name === 'start') await tool('status-set', unit === 'web/0' ? 'active' : 'blocked', 'x');
  });
  await made.start();
  const unsettled = async (): Promise<unknown> => (await ask(made, 'unsettled-units', null)).answer;
  expect(await unsettled()).toEqual(['web/0', 'web/1']);
  await made.settle();
  expect(await unsettled()).toEqual(['web/1']);
  made.unit('web/0').configSeen = 'other';
  expect(await unsettled()).toEqual(['web/0', 'web/1']);
});

test('a model is destroyed though a machine that boots is in the way at first', async () => {
  await using made = new World();
  await made.start();
  let tries = 0;
  made.daemon.machines.destroy = () => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('EBUSY')) : Promise.resolve();
  };
  await ask(made, 'destroy', null);
  expect(tries).toBe(2);
});

test('a bundle is deployed where it says, and deploying it again changes nothing', async () => {
  await using made = await world();
  const args = { path: bundle(made, BUNDLE), overlays: [], trust: false };
  await ask(made, 'deploy-bundle', args);
  await made.settle();
  const machines = () =>
    Object.fromEntries([...made.model.units.values()].map(({ name, machine }) => [name, machine]));
  const placed = machines();
  expect(placed).toMatchObject({ 'db/0': '1', 'db/1': '0', 'web/0': '0', 'web/1': '1', 'web/2': '2' });
  expect(made.model.application('db').options).toEqual({ size: 3 });

  const { said } = await ask(made, 'deploy-bundle', args);
  expect(said).toEqual(['No changes to apply.']);
  expect(await made.settle()).toEqual([]);
  expect(machines()).toEqual(placed);
  expect(made.model.machines.size).toBe(3);

  const more = {
    ...args,
    path: bundle(made, BUNDLE.replace('size: 3', 'size: 4').replace('num_units: 3', 'num_units: 4')),
  };
  const again = await ask(made, 'deploy-bundle', more);
  expect(again.said).toEqual(['- set application options for db', '- add unit web/3 to machine 3']);
});

test.each([
  ['options: {size: big}', 'option "size" expected int, got "big"'],
  ['options: {nothing: 1}', 'unknown option "nothing"'],
  ['trust: true', 'Please repeat the deploy command with the --trust argument'],
])('a bundle with %s is refused, and leaves nothing behind', async (line, message) => {
  await using made = await world();
  const text = `applications: {web: {charm: ./web.charm}, db: {charm: ./db.charm, ${line}}}`;
  await expect(
    ask(made, 'deploy-bundle', { path: bundle(made, text), overlays: [], trust: false }),
  ).rejects.toThrow(message);
  expect(made.model.applications.size).toBe(0);
});

test('a bundle whose relation fits no endpoints leaves nothing behind', async () => {
  await using made = await world();
  const text =
    'applications: {web: {charm: ./web.charm}, db: {charm: ./db.charm}}\nrelations: [["web:db", "db:nothing"]]';
  await expect(
    ask(made, 'deploy-bundle', { path: bundle(made, text), overlays: [], trust: false }),
  ).rejects.toThrow('application "db" has no "nothing" relation');
  expect(made.model.applications.size).toBe(0);
});

const CHARM = { to: [], config: {} };

test('a charm is deployed under its name or another, on machines that are named', async () => {
  await using made = await world();
  const path = join(made.folder, 'db.charm');
  await ask(made, 'deploy', { ...CHARM, path, units: 2, config: { size: '5' } });
  expect(made.model.application('db').options).toEqual({ size: 5 });
  await ask(made, 'deploy', { ...CHARM, path, name: 'other', units: 2, to: ['1'] });
  expect(made.model.unitsOf('other').map(({ machine }) => machine)).toEqual(['1', '2']);
  await expect(ask(made, 'deploy', { ...CHARM, path })).rejects.toThrow('application "db" already exists');
  await expect(ask(made, 'deploy', { ...CHARM, path, name: 'x', to: ['8'] })).rejects.toThrow(
    'machine 8 not found',
  );
  await expect(ask(made, 'deploy', { ...CHARM, path, name: 'x', to: ['lxd:0'] })).rejects.toThrow(
    'placement "lxd:0" needs a container on a machine, which juju-local does not make',
  );
  await expect(ask(made, 'deploy', { ...CHARM, path, name: 'Bad' })).rejects.toThrow(
    'invalid application name "Bad"',
  );
  await expect(
    ask(made, 'deploy', { ...CHARM, path: join(made.folder, 'log.charm'), units: 1 }),
  ).rejects.toThrow('cannot use --num-units or --to with subordinate application');
});

test('units of subordinates are neither added nor removed directly', async () => {
  await using made = await world();
  await ask(made, 'deploy-bundle', { path: bundle(made, BUNDLE), overlays: [], trust: false });
  await made.settle();
  await expect(ask(made, 'add-unit', { app: 'log', units: 1, to: [] })).rejects.toThrow(
    'application is a subordinate',
  );
  await expect(ask(made, 'remove-unit', { names: ['log/0'], force: false })).rejects.toThrow(
    'unit "log/0" is a subordinate, to remove use remove-relation',
  );
});

test('a machine with units goes only by force, and they go with it', async () => {
  await using made = await world();
  await ask(made, 'deploy-bundle', { path: bundle(made, BUNDLE), overlays: [], trust: false });
  await made.settle();
  await expect(ask(made, 'remove-machine', { names: ['0'], force: false })).rejects.toThrow(
    'removing machine failed: machine 0 has unit "db/1" assigned',
  );
  await expect(ask(made, 'remove-machine', { names: ['0', '7'], force: true })).rejects.toThrow(
    'machine 7 not found',
  );
  expect(made.model.machines.size).toBe(3);
  const here = [...made.model.units.values()].filter(({ machine }) => machine === '0');
  const { said } = await ask(made, 'remove-machine', { names: ['0'], force: true });
  expect(said).toEqual(['will remove machine 0', ...here.map(({ name }) => `- will remove unit ${name}`)]);
  expect([...made.model.units.keys()].some((name) => here.some((gone) => gone.name === name))).toBe(false);
  expect(made.machines.removed).toEqual(['0']);
  // Nothing runs on a machine that is gone.
  expect((await made.settle()).filter((line) => /\b(stop|remove)$/.test(line))).toEqual([]);
});

test('a host that cannot run machines says what it lacks', async () => {
  await using made = await world();
  made.machines.missing = () => Promise.resolve(['nft is not installed: apt-get install nftables']);
  await expect(ask(made, 'deploy', { ...CHARM, path: join(made.folder, 'db.charm') })).rejects.toThrow(
    'this host cannot run machines:\n  nft is not installed: apt-get install nftables',
  );
});

test('an action that fails keeps its message only when its process ends well', async () => {
  await using made = new World();
  const action = { description: '', params: {}, required: [], additionalProperties: false };
  let exitCode = 0;
  await made.add(charmInfo('db', { actions: { backup: action } }), 1, async ({ name, tool }) => {
    if (!name.startsWith('actions/')) return 0;
    await tool('action-set', 'out.size=10', 'out.name=x');
    await tool('action-log', 'half way');
    await tool('action-fail', 'no space');
    await tool('state-set', `run=${exitCode}`);
    return exitCode;
  });
  await made.start();
  await made.settle();
  const run = async () =>
    (await ask(made, 'run', { units: ['db/leader'], action: 'backup', params: {} })).answer;
  expect(await run()).toMatchObject({
    'db/0': {
      status: 'failed',
      message: 'no space',
      results: { out: { size: '10', name: 'x' }, 'return-code': 0 },
      log: [expect.stringMatching(/half way$/)],
    },
  });
  expect(made.unit('db/0').state).toEqual({ run: '0' }); // flushed all the same
  exitCode = 1;
  expect(await run()).toMatchObject({
    'db/0': { status: 'failed', message: 'exit status 1', results: { 'return-code': 1 } },
  });
  expect(made.unit('db/0').state).toEqual({ run: '0' });
  expect(made.unit('db/0').failed).toBeUndefined();
});

test('who waits for an action too long is told of whom it was, and the action runs on', async () => {
  await using made = new World();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const action = { description: '', params: {}, required: [], additionalProperties: false };
  await made.add(charmInfo('db', { actions: { backup: action } }), 2, async ({ name, unit, tool }) => {
    if (!name.startsWith('actions/')) return;
    if (unit === 'db/1') await released;
    await tool('state-set', 'ran=yes');
  });
  await made.start();
  await made.settle();
  const run = (wait?: number): Promise<unknown> =>
    ask(made, 'run', { units: ['db/0', 'db/1'], action: 'backup', params: {}, wait });
  await expect(run(0.5)).rejects.toThrow(/^timed out waiting for results from: unit db\/1$/);
  expect([made.unit('db/0').state, made.unit('db/1').state]).toEqual([{ ran: 'yes' }, {}]);
  release();
  expect(await run()).toMatchObject({ answer: { 'db/1': { status: 'completed' } } });
  expect(made.unit('db/1').state).toEqual({ ran: 'yes' });
});

test('an action that cannot be run makes an operation that fails, and the others run', async () => {
  await using made = new World();
  const action = { description: '', params: {}, required: [], additionalProperties: false };
  await made.add(charmInfo('db', { actions: { backup: action } }));
  await made.start();
  await made.settle();
  const run = async (units: readonly string[], action: string) =>
    ask(made, 'run', { units, action, params: {} });
  const nothing = await run(['db/0'], 'nothing');
  expect(nothing.answer).toEqual({});
  expect(nothing.said).toEqual([
    expect.stringMatching(
      /^Operation \d+ failed to schedule any tasks:\naction "nothing" not defined on charm "db"$/,
    ),
  ]);
  expect((await run(['db/7'], 'backup')).said).toEqual([
    expect.stringMatching(/tasks:\nunit "db\/7" not found$/),
  ]);
  const some = await run(['db/0', 'db/7'], 'backup');
  expect(some.answer).toMatchObject({ 'db/0': { status: 'completed' } });
  expect(some.said).toContain('Some actions could not be scheduled:\nunit "db/7" not found\n');
});

test('resolved wants a unit in error', async () => {
  await using made = new World();
  await made.add(charmInfo('db'));
  await made.start();
  await made.settle();
  await expect(ask(made, 'resolved', { names: ['db/0'], all: false, noRetry: false })).rejects.toThrow(
    'unit "db/0" is not in an error state',
  );
});

test('model-config takes what it knows', async () => {
  await using made = await world();
  await expect(
    ask(made, 'model-config', { values: { 'update-status-hook-interval': 'soon' } }),
  ).rejects.toThrow('update-status-hook-interval looks like 5m, not "soon"');
  await expect(ask(made, 'model-config', { values: { nothing: '1' } })).rejects.toThrow(
    'unknown model option "nothing"',
  );
});
