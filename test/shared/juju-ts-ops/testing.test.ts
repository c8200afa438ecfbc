import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  builtCharm,
  inProcess,
  InconsistentStateError,
  possibleEvents,
  stateOf,
  type State,
  type TestUnit,
} from 'juju-ts-ops/testing';
import { bundleCharm } from './bundle.ts';
import { charm, charmcraft } from './web-charm.ts';

const DATABASE_SECRET = { uri: 'secret:c1234567890123456789', owner: 'other' } as const;
const related: Partial<State<typeof charmcraft>> = {
  isLeader: true,
  relations: [
    { id: 0, endpoint: 'cluster', app: 'web', units: { 'web/1': { address: 'there' } } },
    {
      id: 3,
      endpoint: 'db',
      app: 'mysql',
      appData: { host: 'db.example.com', 'secret-user': DATABASE_SECRET.uri },
      units: { 'mysql/0': { port: '3306' } },
    },
    { id: 4, endpoint: 'site', app: 'proxy', appData: { paths: '["/"]' }, units: { 'proxy/0': {} } },
  ],
  secrets: [
    {
      ...DATABASE_SECRET,
      revisions: [
        { number: 1, content: { password: 'old-pa55word' } },
        { number: 2, content: { password: 'new-pa55word' } },
      ],
      tracked: 1,
    },
  ],
};

let folder: string;
const units: Record<string, TestUnit<typeof charmcraft>> = {};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-test-'));
  units['in this process'] = inProcess(charm);
  units['the bundled file under tools on PATH'] = builtCharm(charmcraft, [
    process.execPath,
    await bundleCharm(folder),
  ]);
});
afterAll(() => rm(folder, { recursive: true }));

function unit(name: string): TestUnit<typeof charmcraft> {
  const found = units[name];
  if (!found) throw new Error(`no such unit: ${name}`);
  return found;
}

describe.each(['in this process', 'the bundled file under tools on PATH'])('%s', (how) => {
  test('without a database says what to type', async () => {
    const { exitCode, state } = await unit(how).run('config-changed', stateOf(charm));
    expect([exitCode, state.status]).toEqual([
      0,
      { level: 'blocked', message: 'no database: juju integrate web:db <database>' },
    ]);
  });

  test('writes what is missing, and nothing at all the second time', async () => {
    const first = await unit(how).run(
      { relation: 'changed', id: 3, unit: 'mysql/0' },
      stateOf(charm, related),
    );
    expect(first.state.status).toEqual({
      level: 'active',
      message: 'Untitled with db.example.com and a password',
    });
    expect(first.state.ports).toEqual(['80/tcp']);
    expect(
      first.state.relations.map(({ appData, ownAppData, localUnitData }) => [
        appData,
        ownAppData,
        localUnitData,
      ]),
    ).toEqual([
      [{ generation: '1' }, undefined, { address: 'here' }],
      [expect.anything(), { database: 'web' }, undefined],
      [
        { paths: '["/"]' },
        { url: 'http://web:80', 'key-id': expect.stringMatching(/^secret:/) },
        { hostname: 'web', port: '80' },
      ],
    ]);
    const [followed, key] = first.state.secrets;
    expect(followed?.tracked).toBe(2);
    expect(key).toMatchObject({ owner: 'application', label: 'key', grants: [{ relation: 4 }] });

    const second = await unit(how).run('update-status', first.state);
    expect(second.state).toEqual(first.state);
    expect(
      second.calls
        .map(({ tool }) => tool)
        .filter((tool) => /-(set|add|grant|log)$|^(open|close)-/.test(tool)),
    ).toEqual([]);
  });

  test('an option that is wrong is named, and what runs goes on', async () => {
    const before = stateOf(charm, { ...related, options: { port: 70_000 }, ports: ['80/tcp'] });
    const { exitCode, state } = await unit(how).run('config-changed', before);
    expect(exitCode).toBe(0);
    expect(state).toEqual({
      ...before,
      status: { level: 'blocked', message: 'port=70000: a TCP port is 1 to 65535' },
    });
  });

  test('what has a handler runs it, and then reconciles', async () => {
    const event = { relation: 'departed', id: 3, unit: 'mysql/0' } as const;
    const { exitCode, state, logs } = await unit(how).run(event, stateOf(charm, related));
    expect([exitCode, state.status.level, state.ports]).toEqual([0, 'active', ['80/tcp']]);
    expect(logs).toEqual(
      expect.arrayContaining([
        { level: 'DEBUG', message: 'on db-relation-departed' },
        { level: 'INFO', message: 'mysql/0 has gone' },
      ]),
    );
  });

  test('a bug fails the hook in one log line, and what the hook wrote does not count', async () => {
    const { exitCode, logs, action } = await unit(how).run({ action: 'crash' }, stateOf(charm));
    expect([exitCode, action?.status]).toEqual([1, 'failed']);
    const errors = logs.filter(({ level }) => level === 'ERROR');
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(
      /^web\/0, action crash: Error: boom\n[^]*caused by: Error: a wire came off/,
    );
  });

  test('an action gives results, or says why not', async () => {
    const greeted = await unit(how).run(
      { action: 'greet', params: { name: 'Ada', times: 2 } },
      stateOf(charm),
    );
    expect(greeted.action).toEqual({
      status: 'completed',
      results: { greeting: 'Hello Ada. Hello Ada.', from: 'web/0' },
      log: [],
    });
    const refused = await unit(how).run({ action: 'greet', params: { name: 'nobody' } }, stateOf(charm));
    expect([refused.exitCode, refused.action]).toEqual([
      0,
      { status: 'failed', message: 'name=nobody: there is nobody to greet', results: {}, log: [] },
    ]);
  });

  test('works alike on Juju 4, which has no private-address', async () => {
    const { state } = await unit(how).run(
      'config-changed',
      stateOf(charm, { ...related, jujuVersion: '4.0.15' }),
    );
    expect(state.status.level).toBe('active');
  });
});

test('a unit that does not lead writes no databag of its application', async () => {
  const before = stateOf(charm, { ...related, isLeader: false });
  const { exitCode, state } = await inProcess(charm).run('config-changed', before);
  expect(exitCode).toBe(0);
  expect(state.relations.map(({ ownAppData }) => ownAppData)).toEqual([undefined, undefined, undefined]);
  expect(state.relations[2]?.localUnitData).toEqual({ hostname: 'web', port: '80' });
});

test('what the machine was asked to be is there to look at', async () => {
  const unit = inProcess(charm);
  await unit.run('config-changed', stateOf(charm, { options: { title: 'Shop' } }));
  expect(unit.resources).toEqual([{ text: 'Shop on 80' }]);
});

describe('the possibleEvents of a state', () => {
  const before = stateOf(charm, {
    isLeader: true,
    relations: [
      { id: 3, endpoint: 'db', app: 'mysql', units: { 'mysql/0': {} }, ownAppData: { database: 'web' } },
    ],
    secrets: [
      { uri: 'secret:9m4e2mr0ui3e8a215n4g', owner: 'other', revisions: [{ number: 1, content: {} }] },
    ],
  });

  test('are all that Juju may run in it, and no other', () => {
    expect(possibleEvents(charm, before).map(({ name }) => name)).toEqual([
      'install',
      'start',
      'config-changed',
      'upgrade-charm',
      'update-status',
      'leader-elected',
      'pre-series-upgrade',
      'post-series-upgrade',
      'stop',
      'remove',
      'db-relation-created',
      'db-relation-changed',
      'db-relation-joined of mysql/0',
      'db-relation-changed of mysql/0',
      'db-relation-departed of mysql/0',
      'db-relation-departed of mysql/0, because this unit goes',
      'db-relation-broken',
      'secret-changed of secret:9m4e2mr0ui3e8a215n4g',
      'the action show-plan',
      'the action show-status',
    ]);
  });

  test('have the state as it is then', () => {
    const of = (name: string) => possibleEvents(charm, before).find((known) => known.name === name);
    expect(of('install')?.state.relations).toEqual([]);
    expect(of('db-relation-broken')?.state.relations[0]?.units).toEqual({});
    expect(of('db-relation-departed of mysql/0')?.isLast).toBe(false);
    expect(of('db-relation-departed of mysql/0, because this unit goes')?.isLast).toBe(true);
  });

  test('are none of a state that Juju never comes to', () => {
    expect(() => possibleEvents(charm, { ...before, unit: 'web' })).toThrow(InconsistentStateError);
  });
});
