// What a charm does about single events, and about those that it makes itself: always before the reconcile, never instead of it.
import { describe, expect, test } from '@jest/globals';
import {
  active,
  defineAction,
  defineCharm,
  WaitingError,
  UserError,
  type Juju,
  type NoBag,
} from 'juju-ts-ops';
import { inProcess, recordingMachine, stateOf, type State, type TestEvent } from 'juju-ts-ops/testing';
import { z } from 'zod';
import { charmcraft, endpoints, options, type Line } from './web-charm.ts';

const events = { moved: z.object({ to: z.string() }), counted: z.object({ units: z.int() }) };
type OnJuju = Juju<typeof charmcraft, typeof options, typeof endpoints, NoBag, typeof events>;

const database = {
  id: 3,
  endpoint: 'db',
  app: 'mysql',
  units: { 'mysql/0': {}, 'mysql/1': {} },
} as const;
const departed = { relation: 'departed', id: 3, unit: 'mysql/1' } as const;
const greet = { action: 'greet', params: { name: 'Ada' } } as const;

/** What happened in a charm, in order: `read`, `plan`, and what its handlers say. */
let story: unknown[] = [];

const charm = defineCharm(charmcraft, {
  options,
  endpoints,
  events,
  machine: recordingMachine<Line>(),
  on: {
    'db-relation-departed': async ({ departingUnit, relation }, juju) => {
      story.push([departingUnit, relation.id]);
      juju.emit('moved', { to: departingUnit });
      juju.emit('counted', { units: 1 });
    },
    'config-changed': async (_event, juju) => {
      const { title } = await juju.options();
      if (title === 'nobody') throw new UserError('title=nobody: there is no such thing');
      if (title === 'later') throw new WaitingError('for a title');
      if (title === 'crash') throw new Error('boom');
    },
    install: () => Promise.reject(new UserError('this machine is too small')),
    stop: async (_event, juju) => {
      story.push('stops');
      juju.emit('moved', { to: 'nowhere' });
    },
    moved: async ({ to }, juju) => {
      story.push(`moved to ${to}`);
      if (to === 'nowhere') throw new UserError('there is nowhere to go');
      juju.emit('counted', { units: 2 });
    },
    counted: ({ units }) => Promise.resolve(void story.push(`${units} units`)),
  },
  async read(juju: OnJuju) {
    story.push('read');
    const { port } = await juju.options();
    if (port > 65_000) juju.emit('moved', { to: String(port) });
    return { port, databases: await juju.relations('db') };
  },
  plan({ port, databases }) {
    story.push('plan');
    return {
      machine: [{ text: `on ${port}` }],
      databags: databases.map(({ id }) => ({ endpoint: 'db', relation: id, app: { database: 'web' } })),
      status: [active('fine')],
    };
  },
  teardown: (): Promise<readonly Line[]> => Promise.resolve([{ text: 'gone' }]),
  actions: {
    greet: defineAction(z.object({ name: z.string() }), async ({ name }, juju: OnJuju) => {
      juju.emit('moved', { to: name });
      return { greeting: `Hello ${name}` };
    }),
    crash: () => Promise.resolve({}),
  },
});

async function run(
  event: TestEvent<typeof charmcraft>,
  known: Partial<State<typeof charmcraft>> = {},
  charmUnderTest = charm,
) {
  story = [];
  const unit = inProcess(charmUnderTest);
  const relations = event === 'install' ? [] : [database];
  const outcome = await unit.run(event, stateOf(charm, { isLeader: true, relations, ...known }));
  const handled = outcome.logs.flatMap(({ level, message }) =>
    level === 'DEBUG' && message.startsWith('on ') ? [message] : [],
  );
  return { ...outcome, resources: unit.resources, handled, database: outcome.state.relations[0]?.ownAppData };
}

describe('a hook', () => {
  test('with a handler runs it, then what it made, in order, and then reconciles', async () => {
    const { exitCode, handled, state } = await run(departed);
    expect(story.slice(0, 6)).toEqual([
      ['mysql/1', 3],
      'moved to mysql/1',
      '1 units',
      '2 units',
      'read',
      'plan',
    ]);
    expect(handled).toEqual(['on db-relation-departed', 'on moved', 'on counted', 'on counted']);
    expect([exitCode, state.status]).toEqual([0, { level: 'active', message: 'fine' }]);
  });

  test('of another kind runs none of it', async () => {
    const { handled, exitCode } = await run('update-status');
    expect([exitCode, handled]).toEqual([0, []]);
  });

  test('may be run again, and its handler with it', async () => {
    const { state } = await run(departed);
    expect((await run(departed, state)).handled).toHaveLength(4);
  });
});

describe('a handler with a problem', () => {
  test.each([
    ['nobody', { level: 'blocked', message: 'title=nobody: there is no such thing' }],
    ['later', { level: 'waiting', message: 'for a title' }],
  ])('that can be mended (%s) shows it, and the unit reconciles all the same', async (title, status) => {
    const outcome = await run('config-changed', { options: { title } });
    expect([outcome.exitCode, outcome.state.status, outcome.database]).toEqual([
      0,
      status,
      { database: 'web' },
    ]);
    expect(outcome.logs).toContainEqual({
      level: 'WARNING',
      message: `on config-changed: ${status.message}`,
    });
    // It was about that hook, and the next one says nothing of it.
    const next = await run('update-status', outcome.state);
    expect(next.state.status).toEqual({ level: 'active', message: 'fine' });
  });

  test('is shown also where the plan has one of its own, and before install is over', async () => {
    const stuck = { ...charm, read: () => Promise.reject(new WaitingError('for the machine')) };
    const { state, exitCode } = await run('config-changed', { options: { title: 'nobody' } }, stuck);
    expect([exitCode, state.status.message]).toEqual([0, 'title=nobody: there is no such thing']);
    expect((await run('install')).state.status).toEqual({
      level: 'blocked',
      message: 'this machine is too small',
    });
  });

  test('that is a bug fails the hook, which Juju runs again with all of it', async () => {
    const {
      exitCode,
      logs,
      database: written,
    } = await run('config-changed', { options: { title: 'crash' } });
    expect([exitCode, written, story]).toEqual([1, undefined, []]);
    expect(logs.at(-1)?.message).toMatch(/^web\/0, config-changed: Error: boom\n/);
  });

  test('does not keep a unit from leaving', async () => {
    const { exitCode, resources } = await run('stop');
    expect([exitCode, resources, story]).toEqual([0, [{ text: 'gone' }], ['stops', 'moved to nowhere']]);
  });
});

describe('an event of the charm’s own', () => {
  test('made by what is read is told before the plan, once, though the unit reconciles again', async () => {
    await run('update-status', { options: { port: 65_001 } });
    expect(story).toEqual(['read', 'moved to 65001', '2 units', 'plan', 'read', 'plan']);
  });

  test('made by an action is told when its function is done', async () => {
    const { action } = await run(greet);
    expect([action?.results, story]).toEqual([{ greeting: 'Hello Ada' }, ['moved to Ada', '2 units']]);
  });

  test('whose handler has a problem fails the action, unless a reconcile comes after it and tells', async () => {
    const nowhere = { action: 'greet', params: { name: 'nowhere' } } as const;
    expect((await run(nowhere)).action).toMatchObject({
      status: 'failed',
      message: 'there is nowhere to go',
    });
    const { action, database: written } = await run(nowhere, {}, { ...charm, reconcileAfter: ['greet'] });
    expect(action?.results).toEqual({
      greeting: 'Hello nowhere',
      status: 'blocked there is nowhere to go',
    });
    expect(written).toEqual({ database: 'web' });
  });

  test.each(['show-plan', 'show-status'] as const)(
    'is not told by %s, which changes nothing',
    async (action) => {
      const { handled } = await run({ action }, { options: { port: 65_001 } });
      expect([handled, story]).toEqual([[], ['read', 'plan']]);
    },
  );

  test('that is not what it was declared to be is a bug', async () => {
    const wrong = { ...charm, events: { ...events, moved: z.object({ to: z.string().max(3) }) } };
    expect((await run(departed, {}, wrong)).exitCode).toBe(1);
  });
});
