import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { charmInfo, World } from '../world.ts';
import {
  destroyApplication,
  destroyRelation,
  destroyUnit,
} from '../../../../shared/juju-local/src/model/removal.ts';

const CLIENT = join(import.meta.dirname, '../../../../shared/juju-local/src/hooktools/client.pl');

const DB = charmInfo('db', { provides: { server: 'sql' }, peers: { cluster: 'db-cluster' } });
const WEB = charmInfo('web', { requires: { db: 'sql' } });
const LOG = charmInfo('log', {
  subordinate: true,
  requires: { host: { interface: 'juju-info', scope: 'container' } },
});

/** What one unit ran. */
function of(trace: readonly string[], unit: string): string[] {
  return trace.filter((line) => line.startsWith(`${unit} `)).map((line) => line.slice(unit.length + 1));
}

async function bundle(): Promise<World> {
  const world = new World();
  await world.add(DB, 2);
  await world.add(WEB);
  world.model.relate('web:db', 'db:server');
  await world.add(LOG, 0);
  world.model.relate('log', 'web');
  await world.start();
  return world;
}

test('the units of a machine run in no fixed order: their agents compete for its lock', async () => {
  await using world = await bundle();
  await world.settle();
  const after = async (random: () => number): Promise<string[]> => {
    world.random = random;
    for (const name of ['web/0', 'log/0']) world.unit(name).configSeen = 'something else';
    return world.settle();
  };
  expect(await after(() => 0.5)).toEqual(['web/0 config-changed', 'log/0 config-changed']);
  let fraction = 1;
  const falling = (): number => (fraction *= 0.99);
  expect(await after(falling)).toEqual(['log/0 config-changed', 'web/0 config-changed']);
});

test('hooks come in the order of the worked trace of the contract', async () => {
  await using world = await bundle();
  const first = await world.settle();

  for (const [unit, other] of [
    ['db/0', 'db/1'],
    ['db/1', 'db/0'],
  ] as const) {
    const own = of(first, unit);
    expect(own[0]).toBe('install');
    expect(own.slice(1, 3).sort()).toEqual([
      'cluster-relation-created 0 db',
      'server-relation-created 1 web',
    ]);
    expect(own.slice(3, 6)).toEqual([
      world.model.application('db').leader === unit ? 'leader-elected' : 'leader-settings-changed',
      'config-changed',
      'start',
    ]);
    expect(own.slice(6).sort()).toEqual([
      `cluster-relation-changed 0 db ${other}`,
      `cluster-relation-joined 0 db ${other}`,
      'server-relation-changed 1 web web/0',
      'server-relation-joined 1 web web/0',
    ]);
  }
  const web = of(first, 'web/0');
  expect(web.slice(0, 5)).toEqual([
    'install',
    'db-relation-created 1 db',
    'leader-elected',
    'config-changed',
    'start',
  ]);
  const [one, two] = web[5]?.endsWith('db/0') ? ['db/0', 'db/1'] : ['db/1', 'db/0']; // whichever booted first
  expect(web.slice(5)).toEqual([
    `db-relation-joined 1 db ${one}`,
    `db-relation-changed 1 db ${one}`,
    `db-relation-joined 1 db ${two}`,
    `db-relation-changed 1 db ${two}`,
  ]);
  expect(of(first, 'log/0')).toEqual([
    'install',
    'host-relation-created 2 web',
    'leader-elected',
    'config-changed',
    'start',
    'host-relation-joined 2 web web/0',
    'host-relation-changed 2 web web/0',
  ]);

  const leader = world.model.application('db').leader ?? '';
  await world.inside(
    leader,
    async ({ tool }) => void (await tool('relation-set', '-r', 'server:1', '--app', 'url=x')),
  );
  expect(await world.settle()).toEqual(['web/0 db-relation-changed 1 db']);

  await world.inside(
    leader,
    async ({ tool }) => void (await tool('relation-set', '-r', 'cluster:0', '--app', 'key=x')),
  );
  expect((await world.settle()).sort()).toEqual([
    'db/0 cluster-relation-changed 0 db',
    'db/1 cluster-relation-changed 0 db',
  ]);

  destroyUnit(world.model, world.unit('db/1'));
  const removal = await world.settle();
  expect(of(removal, 'db/1')).toEqual([
    'server-relation-departed 1 web web/0 departing=db/1',
    'server-relation-broken 1 web',
    'cluster-relation-departed 0 db db/0 departing=db/1',
    'stop',
    'remove',
  ]);
  expect(of(removal, 'web/0')).toEqual(['db-relation-departed 1 db db/1 departing=db/1']);
  expect(of(removal, 'db/0').filter((line) => line !== 'leader-elected')).toEqual([
    'cluster-relation-departed 0 db db/1 departing=db/1',
  ]);
  expect(world.machines.removed).toEqual(['1']);

  const [relation] = world.model.relationsOf('web');
  if (relation) destroyRelation(world.model, relation);
  const broken = await world.settle();
  expect(of(broken, 'web/0')).toEqual([
    'db-relation-departed 1 db db/0 departing=db/0',
    'db-relation-broken 1 db',
  ]);
  expect(of(broken, 'db/0')).toEqual([
    'server-relation-departed 1 web web/0 departing=web/0',
    'server-relation-broken 1 web',
  ]);
  expect(world.model.relations.has(1)).toBe(false);
});

test('what a hook writes counts when it succeeds, and is forgotten when it fails', async () => {
  await using world = new World();
  let exitCode = 1;
  await world.add(DB, 1, async ({ name, tool }) => {
    if (name !== 'config-changed') return 0;
    await tool('state-set', 'colour=red');
    await tool('open-port', '80');
    await tool('secret-add', 'password=hunter2');
    await tool('relation-set', '-r', 'cluster:0', 'note=x');
    await tool('status-set', 'active', 'at work');
    await tool('application-version-set', '1.2');
    expect(await tool('state-get', 'colour')).toBe('red\n');
    expect(await tool('opened-ports')).toBe('80/tcp\n');
    expect(await tool('relation-get', '-r', '0', 'note', 'db/0')).toBe('x\n');
    return exitCode;
  });
  await world.start();
  await world.settle();
  const unit = world.unit('db/0');
  expect(unit.failed?.operation).toMatchObject({ name: 'config-changed' });
  expect(unit.workload).toMatchObject({ current: 'active', message: 'at work' });
  expect(world.model.application('db').workloadVersion).toBe('1.2');
  expect([unit.state, unit.ports, world.model.secrets.size]).toEqual([{}, [], 0]);
  expect(world.model.relations.get(0)?.bags['db/0']?.['note']).toBeUndefined();

  exitCode = 0;
  await world.pass(5000);
  expect([unit.state, unit.ports, world.model.secrets.size]).toEqual([{ colour: 'red' }, ['80/tcp'], 1]);
  expect(world.model.relations.get(0)?.bags['db/0']?.['note']).toBe('x');
});

test('a failed hook is tried again after 5 s, then after twice as long, and nothing else runs meanwhile', async () => {
  await using world = new World();
  let isBroken = false;
  await world.add(WEB, 1, async ({ name }) => (isBroken && name === 'config-changed' ? 1 : 0));
  await world.start();
  await world.settle();
  isBroken = true;
  world.unit('web/0').configSeen = 'something else';
  expect(await world.settle()).toEqual(['web/0 config-changed']);
  expect(await world.pass(4000)).toEqual([]);
  expect(await world.pass(1000)).toEqual(['web/0 config-changed']);
  expect(await world.pass(9000)).toEqual([]);
  expect(await world.pass(1000)).toEqual(['web/0 config-changed']);
  expect((await world.runAction('web/0', 'any')).status).toBe('completed'); // actions run on a unit in error
  world.trace.splice(0);

  isBroken = false;
  await world.scheduler.resolve(world.unit('web/0'), false);
  expect(await world.settle()).toEqual(['web/0 config-changed']);
  expect(world.unit('web/0').failed).toBeUndefined();
});

test('automatically-retry-hooks=false leaves a failed hook to `resolved`; --no-retry takes it as done', async () => {
  await using world = new World();
  world.model.settings.config['automatically-retry-hooks'] = 'false';
  await world.add(WEB, 1, async ({ name }) => (name === 'install' ? 1 : 0));
  await world.start();
  expect(await world.settle()).toEqual(['web/0 install']);
  expect(await world.pass(3_600_000)).toEqual([]);
  await world.scheduler.resolve(world.unit('web/0'), true);
  expect(await world.settle()).toEqual(['web/0 leader-elected', 'web/0 config-changed', 'web/0 start']);
});

test.each(['SIGTERM', 'SIGKILL'] as const)('a hook that %s has ended runs again at once', async (signal) => {
  await using world = new World();
  let runs = 0;
  await world.add(WEB, 1, async ({ name }) => {
    if (name !== 'install') return 0;
    runs += 1;
    return runs < 3 ? signal : 0;
  });
  await world.start();
  expect((await world.settle()).slice(0, 4)).toEqual([
    'web/0 install',
    'web/0 install',
    'web/0 install',
    'web/0 leader-elected',
  ]);
});

test('exit code 143 is an ordinary failure', async () => {
  await using world = new World();
  await world.add(WEB, 1, async () => 143);
  await world.start();
  expect(await world.settle()).toEqual(['web/0 install']);
  expect(world.unit('web/0').failed).toBeDefined();
});

test('losing the leadership that a hook has used fails the hook', async () => {
  await using world = new World();
  await world.add(DB, 2, async ({ name, unit, tool }) => {
    if (name !== 'leader-elected' || unit !== 'db/0') return 0;
    await tool('relation-set', '-r', '0', '--app', 'key=x');
    world.model.application('db').leader = 'db/1';
    return 0;
  });
  world.model.application('db').leader = 'db/0';
  await world.start();
  await world.settle();
  expect(world.unit('db/0').failed?.operation).toMatchObject({ name: 'leader-elected' });
  expect(world.model.relations.get(0)?.bags['db']).toBeUndefined();
});

test('another unit leads once the leader has been gone for the length of a lease', async () => {
  await using world = new World();
  await world.add(DB, 2);
  world.model.application('db').leader = 'db/0';
  await world.start();
  await world.settle();
  await world.scheduler.powerOff('0');
  expect(await world.pass(29_000)).toEqual([]);
  expect(world.model.application('db').leader).toBe('db/0');
  expect(await world.pass(2000)).toEqual(['db/1 leader-elected']);
  expect(world.model.application('db').leader).toBe('db/1');

  world.scheduler.powerOn('0');
  expect(await world.settle()).toEqual(['db/0 start', 'db/0 leader-settings-changed']);
});

test('a machine that stops by itself boots again, and what ran on it runs again', async () => {
  await using world = new World();
  let isFirst = true;
  await world.add(WEB, 1, async ({ name, tool }) => {
    if (name !== 'config-changed' || !isFirst) return 0;
    isFirst = false;
    await tool('state-set', 'a=b');
    await world.machines.stop('0');
    return 'SIGKILL';
  });
  await world.start();
  expect((await world.settle()).slice(2)).toEqual([
    'web/0 config-changed',
    'web/0 config-changed',
    'web/0 start',
  ]);
  await world.machines.stop('0');
  world.unit('web/0').configSeen = 'something else';
  expect(await world.settle()).toEqual(['web/0 start', 'web/0 config-changed']);
  expect(world.unit('web/0').state).toEqual({});
});

test('a new daemon goes on from where the last one was', async () => {
  await using world = new World();
  let isHanging = true;
  await world.add(DB, 2, async ({ name, unit }) => {
    if (isHanging && name === 'config-changed' && unit === 'db/1') await new Promise(() => undefined);
  });
  await world.start();
  while (!world.trace.includes('db/1 config-changed')) await sleep(5);
  await sleep(100);
  const before = of(world.trace.splice(0), 'db/1');
  isHanging = false;
  await world.restart();
  const after = of(await world.settle(), 'db/1');
  expect(before.at(-1)).toBe('config-changed');
  expect(after.slice(0, 2)).toEqual(['config-changed', 'start']);
  expect([...before, ...after].filter((line) => line === 'install')).toHaveLength(1);
});

test('config-changed follows a change of a value, not the same value again', async () => {
  await using world = new World();
  await world.add(charmInfo('web', { options: { port: { type: 'int', default: 80, description: '' } } }));
  await world.start();
  await world.settle();
  const { options } = world.model.application('web');
  options['port'] = 80; // the default
  expect(await world.settle()).toEqual([]);
  options['port'] = 81;
  expect(await world.settle()).toEqual(['web/0 config-changed']);
});

test('a hook sees options, members and databags as they were when it began', async () => {
  await using world = new World();
  const seen: string[] = [];
  await world.add(DB, 2, async ({ name, unit, tool }) => {
    if (name !== 'update-status' || unit !== 'db/0') return;
    const read = async () =>
      `${await tool('relation-list', '-r', '0')}${await tool('relation-get', '-r', '0', 'k', 'db/1')}`;
    seen.push(await read());
    const relation = world.model.relations.get(0);
    if (relation) world.model.writeBag(relation, 'db/1', { k: 'new' });
    seen.push(await read());
  });
  await world.start();
  await world.settle();
  await world.pass(3_600_000);
  expect(seen).toEqual(['db/1\n', 'db/1\n']);
});

test('update-status comes after its interval, give or take a fifth', async () => {
  await using world = new World();
  world.model.settings.config['update-status-hook-interval'] = '10m';
  await world.add(WEB);
  await world.start();
  await world.settle();
  expect(await world.pass(479_000)).toEqual([]);
  expect(await world.pass(241_000)).toEqual(['web/0 update-status']);
  expect(await world.settle()).toEqual([]);
});

test('a member is one that has joined; -departed and -broken no longer list it', async () => {
  await using world = new World();
  const seen: string[] = [];
  await world.add(DB, 1);
  await world.add(WEB, 1, async ({ name, tool }) => {
    if (!/^(config-changed|db-relation)/.test(name)) return;
    const ids = (await tool('relation-ids', 'db')).trim();
    seen.push(`${name} ${ids} [${(await tool('relation-list', '-r', '1')).trim()}]`);
  });
  world.model.relate('web', 'db');
  await world.start();
  await world.settle();
  const relation = world.model.relations.get(1);
  if (relation) destroyRelation(world.model, relation);
  await world.settle();
  expect(seen).toEqual([
    'db-relation-created db:1 []',
    'config-changed db:1 []',
    'db-relation-joined db:1 [db/0]',
    'db-relation-changed db:1 [db/0]',
    'db-relation-departed db:1 []',
    'db-relation-broken  []',
  ]);
});

test('what -joined has promised comes, even when the unit has left meanwhile', async () => {
  await using world = new World();
  await world.add(DB, 1);
  await world.add(WEB, 1, async ({ name }) => {
    if (name === 'db-relation-joined') destroyUnit(world.model, world.unit('db/0'));
  });
  world.model.relate('web', 'db');
  await world.start();
  const trace = of(await world.settle(), 'web/0').filter((line) => /joined|changed 1|departed/.test(line));
  expect(trace).toEqual([
    'db-relation-joined 1 db db/0',
    'db-relation-changed 1 db db/0',
    'db-relation-departed 1 db db/0 departing=db/0',
  ]);
});

test('an upgrade runs upgrade-charm and config-changed; a unit in error waits, or is forced', async () => {
  await using world = new World();
  let isBroken = false;
  await world.add(WEB, 1, async ({ name }) => (isBroken && name === 'config-changed' ? 1 : 0));
  await world.add(charmInfo('web', { requires: { db: 'sql' }, digest: 'newer' }), 0, undefined, 'unused');
  const newer = world.model.application('unused').charm;
  await world.start();
  await world.settle();
  const app = world.model.application('web');
  world.model.upgrade(app, newer);
  expect(await world.settle()).toEqual(['web/0 upgrade-charm', 'web/0 config-changed']);

  isBroken = true;
  world.unit('web/0').configSeen = 'something else';
  await world.settle();
  world.model.upgrade(app, WEB);
  expect(await world.settle()).toEqual([]);
  isBroken = false;
  await world.scheduler.forceUpgrade(world.unit('web/0'));
  expect(await world.settle()).toEqual(['web/0 config-changed']); // and no upgrade-charm
});

test('an upgrade that would break a relation is refused', async () => {
  await using world = new World();
  await world.add(DB, 1);
  await world.add(WEB, 1);
  world.model.relate('web', 'db');
  expect(() => world.model.upgrade(world.model.application('web'), charmInfo('web'))).toThrow(
    'cannot upgrade application "web" to charm "local:web-0": would break relation "web:db db:server"',
  );
});

test('a unit in error is removed once it is resolved, or at once by force', async () => {
  await using world = new World();
  await world.add(WEB, 2, async ({ name }) => (name === 'start' ? 1 : 0));
  await world.start();
  await world.settle();
  for (const name of ['web/0', 'web/1']) destroyUnit(world.model, world.unit(name));
  await world.settle();
  expect([...world.model.units.keys()]).toEqual(['web/0', 'web/1']);
  await world.scheduler.forceRemove(world.unit('web/0'));
  await world.scheduler.resolve(world.unit('web/1'), true);
  expect(await world.settle()).toEqual(['web/1 stop', 'web/1 remove']);
  expect([...world.model.units.keys(), ...world.model.machines.keys()]).toEqual([]);
});

test('removing an application takes its units, relations and secrets, and its subordinates', async () => {
  await using world = await bundle();
  await world.settle();
  destroyApplication(world.model, world.model.application('web'));
  const trace = await world.settle();
  expect(of(trace, 'web/0')).toEqual([
    'db-relation-departed 1 db db/0 departing=web/0',
    'db-relation-departed 1 db db/1 departing=web/0',
    'db-relation-broken 1 db',
    'stop',
    'remove',
  ]);
  expect(of(trace, 'log/0')).toEqual([
    'host-relation-departed 2 web web/0 departing=log/0',
    'host-relation-broken 2 web',
    'stop',
    'remove',
  ]);
  expect([...world.model.applications.keys()]).toEqual(['db', 'log']);
  expect([...world.model.relations.keys()]).toEqual([0]);
});

test('a unit that is removed while it installs enters no relation, gets no subordinate, and goes', async () => {
  await using world = new World();
  await world.add(WEB, 1, async ({ name }) => {
    if (name === 'install') destroyUnit(world.model, world.unit('web/0'));
    return 0;
  });
  await world.add(LOG, 0);
  world.model.relate('log', 'web');
  await world.start();
  expect(await world.settle()).toEqual(['web/0 install', 'web/0 remove']);
  expect(world.model.units.size).toBe(0);
});

test('a subordinate goes when nothing ties it to its principal any more, and stays on others', async () => {
  await using world = new World();
  await world.add(WEB);
  await world.add(DB);
  await world.add(LOG, 0);
  world.model.relate('log', 'web');
  const other = world.model.relate('log', 'db');
  await world.start();
  await world.settle();
  const principals = () => new Set(world.model.unitsOf('log').map(({ principal }) => principal));
  expect(principals()).toEqual(new Set(['db/0', 'web/0']));
  destroyRelation(world.model, other);
  await world.settle();
  expect(principals()).toEqual(new Set(['web/0']));
});

test('in container scope a subordinate sees another on the same principal, and none of those elsewhere', async () => {
  const host = { interface: 'juju-info', scope: 'container' } as const;
  const agent = { interface: 'metrics', scope: 'container' } as const;
  await using world = new World();
  await world.add(WEB, 2);
  await world.add(charmInfo('proxy', { subordinate: true, provides: { agent }, requires: { host } }), 0);
  await world.add(charmInfo('collector', { subordinate: true, requires: { agent, host } }), 0);
  world.model.relate('proxy:host', 'web');
  world.model.relate('collector:host', 'web');
  const relation = world.model.relate('proxy:agent', 'collector:agent');
  await world.start();
  await world.settle();
  const collectors = world.model.unitsOf('collector');
  expect(collectors).toHaveLength(2);
  for (const unit of collectors) {
    const seen = world.model.remoteUnits(relation, unit);
    expect(seen.map((name) => world.model.unit(name).principal)).toEqual([unit.principal]);
  }
});

test('what a subordinate has said is read also once it is removed, while the relation is there', async () => {
  const said: string[] = [];
  await using world = new World();
  const provides = { agent: 'metrics' };
  await world.add(charmInfo('web', { provides }), 1, async ({ name, tool }) => {
    if (name === 'agent-relation-departed')
      said.push(await tool('relation-get', '-r', 'agent:0', 'port', 'collector/0'));
  });
  const requires = { agent: { interface: 'metrics', scope: 'container' } } as const;
  await world.add(charmInfo('collector', { subordinate: true, requires }), 0, async ({ name, tool }) => {
    if (name === 'agent-relation-joined') await tool('relation-set', 'port=9100');
  });
  world.model.relate('collector:agent', 'web:agent');
  await world.start();
  await world.settle();
  await world.scheduler.forceRemove(world.unit('collector/0'));
  await world.settle();
  expect(said).toEqual(['9100\n']);
});

test('juju-exec runs a command in the context of a unit of the machine', async () => {
  await using world = new World();
  await world.add(WEB, 1, async ({ name, argv }) => (name === 'exec' ? (argv[2] === 'false' ? 3 : 0) : 0));
  await world.start();
  await world.settle();
  const source = readFileSync(CLIENT, 'utf8');
  const program = `${world.folder}/juju-exec`;
  writeFileSync(
    program,
    source.replace('/var/lib/juju/agent.socket', `${world.machines.jujuDirectory('0')}/agent.socket`),
    { mode: 0o755 },
  );
  const run = (...args: string[]) => execa(program, args, { reject: false });
  expect(await run('web/0', 'true')).toMatchObject({ exitCode: 0 });
  expect(await run('unit-web-0', 'false')).toMatchObject({ exitCode: 3 });
  expect(await run('false')).toMatchObject({ exitCode: 3 }); // the only unit here
  expect(await run('--no-context', 'uptime')).toMatchObject({ stdout: '/bin/bash -c uptime' });
  expect(await run()).toMatchObject({ exitCode: 2, stderr: 'ERROR missing arguments' });
  expect(await execa(program, ['true'], { reject: false, env: { JUJU_CONTEXT_ID: 'x' } })).toMatchObject({
    exitCode: 1,
    stderr: 'ERROR juju-exec cannot be called from within a hook, have context "x"',
  });
});

test('without dispatch a charm has a program for each hook, and a hook that it has not is no failure', async () => {
  await using world = new World();
  await world.add(charmInfo('old'), 1, async () => 0);
  const folder = join(world.folder, 'charms/old');
  rmSync(join(folder, 'dispatch'));
  mkdirSync(join(folder, 'hooks'));
  writeFileSync(join(folder, 'hooks/start'), '');
  await world.start();
  expect(await world.settle()).toEqual(['old/0 start']);
  expect(world.unit('old/0')).toMatchObject({ installed: true, started: true });
  expect(await world.runAction('old/0', 'backup')).toMatchObject({
    status: 'failed',
    stderr: 'action not implemented on unit "old/0"',
  });
});

test('what waits for a unit that is removed by force ends, and nothing else with it', async () => {
  await using world = new World();
  let release: () => void = () => undefined;
  await world.add(WEB, 1, async ({ name }) => {
    if (name === 'actions/slow') await new Promise(() => undefined);
  });
  await world.add(DB, 1, async ({ name }) => {
    if (name === 'actions/slow')
      await new Promise<void>((resolve) => {
        release = resolve;
      });
  });
  await world.start();
  await world.settle();
  const [doomed, waiting, other] = ['web/0', 'web/0', 'db/0'].map((unit) => world.runAction(unit, 'slow'));
  const running = () => world.trace.filter((line) => line.endsWith('actions/slow'));
  while (running().length < 2) await sleep(5);
  await world.scheduler.forceRemove(world.unit('web/0'));
  expect(await doomed).toMatchObject({ status: 'aborted', message: 'unit "web/0" was removed' });
  expect(await waiting).toMatchObject({ status: 'aborted' });
  release();
  expect(await other).toMatchObject({ status: 'completed' });
});

test('a machine whose plug is pulled while it boots stays down', async () => {
  await using world = new World();
  await world.add(WEB);
  await world.start();
  await world.scheduler.powerOff('0');
  expect(await world.settle()).toEqual([]);
  expect(world.model.machine('0').state).toBe('down');
  expect(await world.machines.list()).toEqual([]);
});
