// What one hook does, whatever the charm: run in this process, with what each test reads and plans.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  active,
  backoff,
  blocked,
  defineCharm,
  hidden,
  integer,
  UserError,
  WaitingError,
  SecretLabel,
  raw,
  Redacted,
  SecretNotFoundError,
  waiting,
  type Juju,
  type Plan,
  type SecretPlan,
} from 'juju-ts-ops';
import { inProcess, stateOf, type State, type TestEvent } from 'juju-ts-ops/testing';
import { runEvent } from '../../../shared/juju-ts-ops/src/main.ts';
import { environmentOf } from '../../../shared/juju-ts-ops/src/testing/environment.ts';
import { FakeJuju } from '../../../shared/juju-ts-ops/src/testing/juju.ts';
import { charmcraft, endpoints as webEndpoints, KEY, options, type Line } from './web-charm.ts';

const stored = { count: integer, note: raw };
const endpoints = {
  ...webEndpoints,
  site: {
    ...webEndpoints.site,
    provider: {
      app: { ...webEndpoints.site.provider.app, token: hidden },
      unit: webEndpoints.site.provider.unit,
    },
  },
};

type WebJuju = Juju<typeof charmcraft, typeof options, typeof endpoints, typeof stored>;
type WebPlan = Plan<typeof charmcraft, typeof endpoints, Line, typeof stored>;
type WebState = State<typeof charmcraft>;

/** A charm that plans what the test says, from what it reads. */
function charmOf(read: (juju: WebJuju) => Promise<Partial<WebPlan>>) {
  return defineCharm(charmcraft, {
    options,
    endpoints,
    stored,
    machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
    read,
    plan: (planned): WebPlan => ({ machine: [], status: [], ...planned }),
    teardown: () => Promise.resolve([{ text: 'gone' }]),
    actions: { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) },
  });
}

async function hook(
  known: Partial<WebState>,
  read: (juju: WebJuju) => Promise<Partial<WebPlan>>,
  event: TestEvent<typeof charmcraft> = 'config-changed',
) {
  const charm = charmOf(read);
  const outcome = await inProcess(charm).run(event, stateOf(charm, known));
  return { ...outcome, tools: outcome.calls.map(({ tool }) => tool) };
}

const planning = (plan: Partial<WebPlan>) => (): Promise<Partial<WebPlan>> => Promise.resolve(plan);
const site = {
  id: 4,
  endpoint: 'site',
  app: 'proxy',
  units: { 'proxy/0': {}, 'proxy/10': {}, 'proxy/2': {} },
} as const;
const database = { id: 3, endpoint: 'db', app: 'mysql', units: { 'mysql/0': { port: '3306' } } } as const;

describe('the processes', () => {
  test('a charm that asks for nothing runs one: what its status is', async () => {
    const { tools } = await hook({ status: { level: 'active', message: '' } }, planning({}));
    expect(tools).toEqual(['status-get']);
  });

  test('each question is asked once, and no more than is needed', async () => {
    const { tools } = await hook({ relations: [site, database], isLeader: true }, async (juju) => {
      for (let again = 0; again < 2; again += 1)
        await Promise.all([juju.options(), juju.isLeader(), juju.relations('site'), juju.relations('db')]);
      return { status: [active('x')] };
    });
    expect(tools.toSorted()).toEqual([
      'config-get',
      'is-leader',
      ...Array.from({ length: 6 }, () => 'relation-get'), // two applications and four units
      'relation-ids',
      'relation-ids',
      'relation-list',
      'relation-list',
      'status-get',
      'status-set',
    ]);
  });

  test('several changes are told in one message', async () => {
    const { tools, logs } = await hook({}, planning({ ports: ['80/tcp', '443/tcp'] }));
    expect(tools.filter((tool) => tool === 'juju-log')).toHaveLength(1);
    expect(logs).toEqual([{ level: 'INFO', message: 'port:80/tcp: open\nport:443/tcp: open' }]);
  });
});

test('what no command line has room for is written, and told as far as there is room', async () => {
  const hostname = 'ä'.repeat(100_000);
  const plan = planning({ databags: [{ endpoint: 'site', relation: 4, unit: { hostname } }] });
  const { exitCode, state, logs } = await hook({ relations: [site] }, plan);
  expect([exitCode, state.relations[0]?.localUnitData?.['hostname']?.length]).toEqual([0, 100_000]);
  expect(logs[0]?.message).toMatch(/^databag:site:4\/unit: \n\+hostname=ä+… \(\d+ bytes more\)$/);
  const { action } = await hook({ relations: [site] }, plan, { action: 'show-plan' });
  expect(action).toMatchObject({
    status: 'completed',
    results: { plan: expect.stringMatching(/ä… \(\d+ bytes more\)$/) },
  });
});

describe('a relation', () => {
  const departed: TestEvent<typeof charmcraft> = { relation: 'departed', id: 4, unit: 'proxy/2' };

  test('has its units by number, without the one that departs, which can still be read', async () => {
    const seen: unknown[] = [];
    await hook(
      { relations: [{ ...site, units: { ...site.units, 'proxy/2': { 'ingress-address': '192.0.2.7' } } }] },
      async (juju) => {
        const [relation] = await juju.relations('site');
        seen.push(
          relation?.units.map(({ name }) => name),
          relation?.phase,
        );
        seen.push((await juju.departingUnit('site'))?.address, await juju.departingUnit('db'));
        return {};
      },
      departed,
    );
    expect(seen).toEqual([['proxy/0', 'proxy/10'], 'active', '192.0.2.7', undefined]);
  });

  test('says when it is this unit that goes', async () => {
    const seen: unknown[] = [];
    await hook(
      { relations: [site] },
      async (juju) => {
        seen.push((await juju.relations('site'))[0]?.phase, await juju.departingUnit('site'));
        return {};
      },
      { ...departed, departing: 'web/0' },
    );
    expect(seen).toEqual(['leaving', undefined]);
  });

  test('that is broken is no relation any more, and can be asked for its last words', async () => {
    const seen: unknown[] = [];
    const { exitCode } = await hook(
      { relations: [{ ...database, units: {}, appData: { host: 'db.example.com' } }] },
      async (juju) => {
        const broken = await juju.brokenRelation('db');
        seen.push(await juju.relations('db'), broken?.phase, broken?.appData.host, broken?.units);
        return {};
      },
      { relation: 'broken', id: 3 },
    );
    expect([exitCode, ...seen]).toEqual([0, [], 'broken', 'db.example.com', []]);
  });

  test('whose application wrote before any unit joined is there, without units', async () => {
    const seen: unknown[] = [];
    await hook(
      { relations: [{ ...database, units: {}, appData: { host: 'db.example.com' } }] },
      async (juju) => {
        seen.push(
          ...(await juju.relations('db')).map(({ app, appData, units }) => [app, appData.host, units]),
        );
        return {};
      },
      { relation: 'changed', id: 3 },
    );
    expect(seen).toEqual([['mysql', 'db.example.com', []]]);
  });

  test('keeps the keys that its interface does not name', async () => {
    const own = { hostname: 'old', 'of-another-revision': 'stays' };
    const { state } = await hook(
      { relations: [{ ...site, localUnitData: own }] },
      planning({ databags: [{ endpoint: 'site', relation: 4, unit: { port: 80 } }] }),
    );
    expect(state.relations[0]?.localUnitData).toEqual({ port: '80', 'of-another-revision': 'stays' });
  });

  test('is never written by a unit that does not lead, even when Juju forgot to tell', async () => {
    const { exitCode, state, tools } = await hook(
      { relations: [site], isLeader: false },
      planning({ databags: [{ endpoint: 'site', relation: 4, app: { url: 'http://web' } }] }),
    );
    expect([exitCode, state.relations[0]?.ownAppData, tools.includes('relation-set')]).toEqual([
      0,
      undefined,
      false,
    ]);
  });
});

describe('a subordinate on Juju 4, which shows units on other machines too', () => {
  test('sees the one beside it, and another subordinate', async () => {
    const sub = {
      ...charmcraft,
      name: 'sub',
      subordinate: true,
      requires: { db: { interface: 'sql', scope: 'container' } },
    } as const;
    const seen: string[] = [];
    const charm = defineCharm(sub, {
      options,
      endpoints: webEndpoints,
      machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
      teardown: () => Promise.resolve([]),
      actions: { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) },
      read: async (juju) => {
        seen.push(...(await juju.relations('db')).flatMap(({ units }) => units.map(({ name }) => name)));
      },
      plan: () => ({ machine: [], status: [] }),
    });
    await inProcess(charm).run(
      'config-changed',
      stateOf(charm, {
        jujuVersion: '4.0.15',
        principalUnit: 'mysql/1',
        relations: [
          { id: 1, endpoint: 'db', app: 'mysql', units: { 'mysql/0': {}, 'mysql/1': {} } },
          { id: 2, endpoint: 'db', app: 'router', units: { 'router/3': {} } },
        ],
      }),
    );
    expect(seen).toEqual(['mysql/1', 'router/3']);
  });
});

describe('a secret of the application', () => {
  const password = { value: new Redacted('pa55word') };
  const secret = (more: Partial<SecretPlan> = {}): Partial<WebPlan> => ({
    secrets: [{ secret: KEY, content: password, grants: [site], ...more }],
  });
  const made = async (): Promise<WebState> =>
    (await hook({ isLeader: true, relations: [site, database] }, planning(secret()))).state;

  test('is made, granted, and then left alone', async () => {
    const state = await made();
    expect(state.secrets).toEqual([
      {
        uri: expect.stringMatching(/^secret:[a-z0-9]{20}$/),
        owner: 'application',
        label: 'key',
        revisions: [{ number: 1, content: { value: 'pa55word' } }],
        grants: [{ relation: 4 }],
      },
    ]);
    const again = await hook(state, planning(secret()));
    expect(again.tools.filter((tool) => /^secret-(add|set|grant|revoke|remove)$/.test(tool))).toEqual([]);
  });

  test('gets a new revision, a rotation, another reader, and goes, as the plan says', async () => {
    const before = await made();
    const changed = await hook(
      before,
      planning(
        secret({
          content: { value: new Redacted('other') },
          rotate: 'monthly',
          description: 'of all',
          grants: [database],
        }),
      ),
    );
    expect(changed.state.secrets).toEqual([
      expect.objectContaining({
        revisions: [expect.anything(), { number: 2, content: { value: 'other' } }],
        rotate: 'monthly',
        description: 'of all',
        grants: [{ relation: 3 }],
      }),
    ]);
    expect(JSON.stringify([changed.logs, changed.calls])).not.toMatch(/pa55word|other"/);
    const removed = await hook(before, planning(secret({ content: 'absent' })));
    expect(removed.state.secrets).toEqual([]);
  });

  test('is taken back over its own relation, in whichever hook', async () => {
    const revoked = await hook(await made(), planning(secret({ grants: [] })), {
      relation: 'changed',
      id: 3,
      unit: 'mysql/0',
    });
    // In a relation hook Juju refuses `--app`, and without `-r` it means the hook's own relation.
    expect(revoked.calls.filter(({ tool }) => tool === 'secret-revoke').map(({ args }) => args)).toEqual([
      [expect.stringMatching(/^secret:/), '-r', '4'],
    ]);
    expect(revoked.state.secrets[0]?.grants).toEqual([]);
  });

  test('is left to Juju where its relation ends', async () => {
    const state = { ...(await made()), relations: [{ ...site, units: {} }, database] };
    const ending = await hook(state, planning(secret({ grants: [] })), { relation: 'broken', id: 4 });
    expect([ending.exitCode, ending.tools.includes('secret-revoke')]).toEqual([0, false]);
    expect(ending.logs.filter(({ message }) => message.includes('revoked'))).toEqual([]);
  });

  test('is made where a databag names it, and its URI stays there when a plan does not know what it should be', async () => {
    const naming = (content: SecretPlan['content']): ReturnType<typeof planning> =>
      planning({
        databags: [
          { endpoint: 'site', relation: 4, app: { 'key-id': { secret: KEY, content, grants: [site] } } },
        ],
      });
    const first = await hook({ isLeader: true, relations: [site] }, naming(password));
    const [key] = first.state.secrets;
    expect(key).toMatchObject({ label: 'key', grants: [{ relation: 4 }] });
    const uriOf = ({ relations }: WebState): string | undefined => relations[0]?.ownAppData?.['key-id'];
    expect(uriOf(first.state)).toBe(key?.uri);

    const kept = await hook(first.state, naming('kept'));
    expect([kept.exitCode, kept.state.secrets, uriOf(kept.state)]).toEqual([
      0,
      first.state.secrets,
      uriOf(first.state),
    ]);
    const removed = await hook(kept.state, naming('absent'));
    expect([removed.exitCode, removed.state.secrets, uriOf(removed.state)]).toEqual([0, [], undefined]);
    const never = await hook({ isLeader: true, relations: [site] }, naming('kept'));
    expect([never.exitCode, never.state.secrets, uriOf(never.state)]).toEqual([0, [], undefined]);
  });

  test('is not touched by a unit that does not lead; its own it may make', async () => {
    const { exitCode, state } = await hook(
      { relations: [site] },
      planning({
        secrets: [
          ...(secret().secrets ?? []),
          { secret: new SecretLabel('own'), owner: 'unit', content: password, grants: [] },
        ],
      }),
    );
    expect([exitCode, state.secrets.map(({ label, owner }) => [label, owner])]).toEqual([
      0,
      [['own', 'unit']],
    ]);
  });

  test('that was taken away is an error that the charm can tell from others', async () => {
    const seen: unknown[] = [];
    await hook({}, async (juju) => {
      await juju.secret('secret:c9999999999999999999').catch((error: unknown) => seen.push(error));
      return {};
    });
    expect(seen[0]).toBeInstanceOf(SecretNotFoundError);
    expect(seen[0]).toMatchObject({
      code: 'secret-not-found',
      tool: 'secret-get',
      during: 'web/0, config-changed',
    });
  });
});

describe('relations that Juju lists and cannot read, after remove-application --force --no-wait', () => {
  /** What Juju 4.1 said. */
  const refusal = (args: readonly string[]): string =>
    args.includes('--app') && args.at(-1) === 'web'
      ? 'permission denied (unauthorized access)'
      : 'getting regular relation by key: relation not found';

  async function reconcile(relations: WebState['relations'], isLeader: boolean) {
    const state = stateOf({ charmcraft }, { isLeader, relations, jujuVersion: '4.1.0' });
    const juju = new FakeJuju(charmcraft, state, 'config-changed');
    const seen: unknown[] = [];
    const read = charmOf(async (asked) => {
      const [sites, databases] = await Promise.all([asked.relations('site'), asked.relations('db')]);
      seen.push(sites.map(({ id }) => id));
      return {
        databags: sites.map(
          ({ id }) => ({ endpoint: 'site', relation: id, unit: { port: 80 }, app: { url: 'x' } }) as const,
        ),
        status: databases.length > 0 ? [] : [blocked('no database')],
      };
    });
    const folder = await mkdtemp(join(tmpdir(), 'charm-'));
    try {
      const exitCode = await runEvent(read, {
        environment: environmentOf(state, 'config-changed', folder),
        runTool: (tool, args, input) => {
          const isOfGone = /^relation-(get|set)$/.test(tool) && args[args.indexOf('-r') + 1] === '5';
          return Promise.resolve(
            isOfGone
              ? { exitCode: 1, stdout: '', stderr: `ERROR ${refusal(args)}\n` }
              : juju.answer(tool, args, input),
          );
        },
        print: () => {},
      });
      return { exitCode, seen, statuses: juju.statuses };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  test.each([
    ['with units', { 'gone/0': {} }, true],
    ['with units, on a unit that does not lead', { 'gone/0': {} }, false],
    ['without units', {}, true],
  ])('are gone, and no hook fails: %s', async (_how, units, isLeader) => {
    const gone = { id: 5, endpoint: 'site', app: 'gone', units } as const;
    expect(await reconcile([gone, site, database], isLeader)).toMatchObject({ exitCode: 0, seen: [[4]] });
    expect(await reconcile([{ ...gone, endpoint: 'db' }], isLeader)).toMatchObject({
      exitCode: 0,
      statuses: [{ level: 'blocked', message: 'no database' }],
    });
  });
});

test('a secret that is not granted yet is waited for, and named', async () => {
  const { exitCode, state } = await hook({}, async (juju) => {
    await juju.secret('secret:c1234567890123456789');
    return {};
  });
  expect([exitCode, state.status]).toEqual([
    0,
    {
      level: 'waiting',
      message: 'secret-get: secret:c1234567890123456789 is not granted to web, or not yet',
    },
  ]);
});

test('a disk that is full is a status, and no crash', async () => {
  const { exitCode, state } = await hook({}, () =>
    Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })),
  );
  expect([exitCode, state.status]).toEqual([
    0,
    { level: 'blocked', message: 'ENOSPC: no space left on device, write' },
  ]);
});

describe('what the unit keeps in the controller', () => {
  test('is written where it differs, and a key that the plan leaves out goes', async () => {
    const seen: unknown[] = [];
    const { state, tools } = await hook(
      { stored: { count: '1', note: 'x', other: 'stays' } },
      async (juju) => {
        seen.push(await juju.stored());
        return { stored: { count: 2 } };
      },
    );
    expect(seen).toEqual([{ count: 1, note: 'x' }]);
    expect(state.stored).toEqual({ count: '2', other: 'stays' });
    expect(tools.filter((tool) => tool.startsWith('state-'))).toEqual([
      'state-get',
      'state-set',
      'state-delete',
    ]);
    expect((await hook(state, planning({ stored: { count: 2 } }))).tools).not.toContain('state-set');
  });

  test('is refused before Juju would refuse it', async () => {
    const { exitCode, logs, state } = await hook({}, planning({ stored: { note: 'x'.repeat(70_000) } }));
    expect([exitCode, state.stored]).toEqual([1, {}]);
    expect(logs.at(-1)?.message).toContain('note is too long to be stored: Juju takes 65536 bytes');
  });
});

test('a port that another unit of the machine has open is named in the status', async () => {
  const { state, exitCode } = await hook(
    { otherPorts: { 'db/0': ['8000-8010/tcp', '53/udp'] } },
    planning({ ports: ['53/tcp', '8005/tcp'] }),
  );
  expect(exitCode).toBe(0);
  expect(state.status.level).toBe('blocked');
  expect(state.status.message).toBe(
    '8005/tcp conflicts with 8000-8010/tcp of db/0: put one on another machine, or on another port',
  );
});

test('ports that the plan does not name are closed, ranges too', async () => {
  const { state } = await hook(
    { ports: ['80/tcp', '9000-9010/udp'] },
    planning({ ports: ['80/tcp', '9000-9005/udp', 'icmp'] }),
  );
  expect(state.ports.toSorted()).toEqual(['80/tcp', '9000-9005/udp', 'icmp']);
});

describe('what goes wrong', () => {
  test('and mends itself is waiting; the hook succeeds', async () => {
    const { exitCode, state, logs } = await hook({}, () =>
      Promise.reject(new WaitingError('for the database to start')),
    );
    expect([exitCode, state.status]).toEqual([0, { level: 'waiting', message: 'for the database to start' }]);
    expect(logs).toEqual([{ level: 'WARNING', message: 'for the database to start' }]);
  });

  test('and is a bug is one block in the log with its causes, and a security event', async () => {
    const { exitCode, logs, state } = await hook({ relations: [database] }, async (juju) => {
      await juju.tools.relationGet(3, 'mysql/9');
      return {};
    });
    const [event, block] = logs;
    expect([exitCode, state.status.level, logs.length]).toEqual([1, 'maintenance', 2]);
    expect(JSON.parse(event?.message ?? '')).toMatchObject({ type: 'security', event: 'sys_crash' });
    expect(block?.message).toMatch(
      /^web\/0, config-changed: HookToolError: relation-get: .*settings not found/,
    );
  });

  test('and is two secrets of one name in a plan is named', async () => {
    const key = (value: string): SecretPlan => ({
      secret: KEY,
      content: { value: new Redacted(value) },
      grants: [],
    });
    const { exitCode, logs, state } = await hook({ isLeader: true, relations: [site] }, () =>
      Promise.resolve({
        secrets: [key('one')],
        databags: [{ endpoint: 'site', relation: 4, app: { 'key-id': key('another') } }],
      }),
    );
    expect([exitCode, state.secrets]).toEqual([1, []]);
    expect(logs.at(-1)?.message).toContain('the plan has two of the secret key');
  });

  test('and is a refusal, because the unit does not lead, is a security event of its own', async () => {
    const { exitCode, logs } = await hook({ relations: [site] }, async (juju) => {
      await juju.tools.relationSet(4, 'app', { url: 'http://web' });
      return {};
    });
    expect([exitCode, JSON.parse(logs[0]?.message ?? '')]).toEqual([
      1,
      expect.objectContaining({ type: 'security', event: 'authz_fail:web/0,relation-set' }),
    ]);
  });

  test('leaves what the hook wrote before it uncounted', async () => {
    const { state } = await hook({ relations: [site] }, async (juju) => {
      await juju.tools.relationSet(4, 'unit', { hostname: 'half' });
      throw new Error('boom');
    });
    expect(state.relations[0]?.localUnitData).toBeUndefined();
  });
});

test('what an administrator asks for is a security event; what only shows something is none', async () => {
  const run = async (action: 'greet' | 'show-status') =>
    (await hook({}, planning({}), { action, ...(action === 'greet' && { params: { name: 'Ada' } }) })).logs;
  expect((await run('greet')).map(({ message }) => JSON.parse(message))).toEqual([
    expect.objectContaining({ type: 'security', event: 'authz_admin:web/0,greet' }),
  ]);
  expect(await run('show-status')).toEqual([]);
});

describe('statuses', () => {
  const many = {
    status: [active('fine'), waiting('for it'), blocked('no disk', 'juju add-storage web/0 data')],
  };

  test('the worst is shown, and the action shows all', async () => {
    const { state, logs } = await hook({}, planning(many));
    expect(state.status).toEqual({ level: 'blocked', message: 'no disk: juju add-storage web/0 data' });
    expect(logs).toEqual([
      { level: 'DEBUG', message: 'also waiting for it' },
      { level: 'DEBUG', message: 'also active fine' },
    ]);
    const { action } = await hook({}, planning(many), { action: 'show-status' });
    expect(action?.results['status']).toBe(
      'blocked no disk: juju add-storage web/0 data\nwaiting for it\nactive fine',
    );
  });

  test('what is too long for the table, or failed on the machine, is whole in show-status', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'statuses-'));
    try {
      const said = `mysql says: ${'it has no room any more, '.repeat(9)}at all`;
      let problem: Error | undefined = new UserError(['port=0: at least 1', said]);
      const charm = charmOf(async ({ context }) => {
        // Only a hook changes the machine.
        if (problem && context.event.kind !== 'action') throw problem;
        return { status: [waiting('for mysql')] };
      });
      const unit = inProcess(charm, folder);
      const { state } = await unit.run('config-changed', stateOf(charm, {}));
      expect(state.status).toEqual({ level: 'blocked', message: 'port=0: at least 1; 1 more: show-status' });
      const shown = async () => (await unit.run({ action: 'show-status' }, state)).action?.results['status'];
      expect(await shown()).toBe(`blocked port=0: at least 1; ${said}\nwaiting for mysql`);
      problem = new WaitingError(said);
      const next = await unit.run('update-status', state);
      expect(next.state.status.message).toMatch(
        /^mysql says: it has no room any more, .{1,60}… \(show-status\)$/,
      );
      problem = undefined;
      await unit.run('update-status', state);
      expect(await shown()).toBe('waiting for mysql');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  describe('and what no event announces', () => {
    const after = async (read: (juju: WebJuju) => Promise<Partial<WebPlan>>): Promise<number | undefined> => {
      const unit = inProcess(charmOf(read));
      await unit.run('config-changed', stateOf(charmOf(read), {}));
      return unit.reconcileIn;
    };

    test('is looked at again when the plan says', async () => {
      expect(await after(planning({ reconcileIn: 60 }))).toBe(60);
      expect(await after(planning({}))).toBeUndefined();
    });

    /** With a machine of the test's own. */
    const on = async (
      schedule: (...asked: readonly unknown[]) => Promise<void>,
      event: 'config-changed' | 'stop' = 'config-changed',
    ) => {
      const charm = charmOf(planning({ reconcileIn: 60, status: [active('fine')] }));
      const juju = new FakeJuju(charmcraft, stateOf(charm, {}), event);
      const folder = await mkdtemp(join(tmpdir(), 'charm-'));
      try {
        const exitCode = await runEvent(
          { ...charm, machine: { ...charm.machine, schedule } },
          {
            environment: environmentOf(stateOf(charm, {}), event, folder),
            runTool: (tool, args, input) => Promise.resolve(juju.answer(tool, args, input)),
            print: () => {},
          },
        );
        return { exitCode, statuses: juju.statuses, logs: juju.logs };
      } finally {
        await rm(folder, { recursive: true });
      }
    };

    test('by a hook that Juju runs', async () => {
      const asked: unknown[] = [];
      await on((...timer) => Promise.resolve(void asked.push(timer)));
      const command = ['/usr/bin/juju-exec', 'web/0', 'JUJU_DISPATCH_PATH=hooks/update-status ./dispatch'];
      expect(asked).toEqual([['web-0-reconcile', 60, command]]);
      // What goes leaves no timer behind.
      await on((...timer) => Promise.resolve(void asked.push(timer)), 'stop');
      expect(asked[1]).toEqual(['web-0-reconcile', undefined, command]);
    });

    test('soon after what time mends; what the user has to mend waits for the user', async () => {
      expect(await after(() => Promise.reject(new WaitingError('for mysql')))).toBe(10);
      expect(await after(() => Promise.reject(new UserError('no disk')))).toBeUndefined();
    });

    test('more and more seldom, and in the end with update-status only', () => {
      expect([0, 9, 10, 60, 240, 241, 86_400].map(backoff)).toEqual([
        10,
        10,
        10,
        60,
        240,
        undefined,
        undefined,
      ]);
    });

    test('fails no hook where the machine cannot do it', async () => {
      const { exitCode, statuses, logs } = await on(() => Promise.reject(new Error('no systemd')));
      expect([exitCode, statuses]).toEqual([0, [{ level: 'active', message: 'fine' }]]);
      expect(logs).toEqual([
        { level: 'WARNING', message: 'the next hook comes with the next event: Error: no systemd' },
      ]);
    });
  });

  test('follows at once on an action that the unit reconciles after, and its results say where that ended', async () => {
    const charm = { ...charmOf(planning(many)), reconcileAfter: ['greet'] as const };
    const event = { action: 'greet', params: { name: 'Ada' } } as const;
    const { state, action } = await inProcess(charm).run(event, stateOf(charm, {}));
    expect(state.status).toMatchObject({ level: 'blocked' });
    expect(action?.results).toEqual({ status: 'blocked no disk: juju add-storage web/0 data' });
  });

  test('of the application only the leader sets', async () => {
    const plan = planning({ appStatus: [active('all of it')] });
    expect((await hook({ isLeader: true }, plan)).state.appStatus).toEqual({
      level: 'active',
      message: 'all of it',
    });
    expect((await hook({}, plan)).appStatuses).toEqual([]);
  });

  test('are Juju’s own until install is over', async () => {
    expect((await hook({}, planning(many), 'install')).statuses).toEqual([]);
  });
});

test('show-plan is a diff that changes nothing and hides what is redacted', async () => {
  const before: Partial<WebState> = {
    isLeader: true,
    relations: [
      { ...site, localUnitData: { hostname: 'old', port: '80' }, ownAppData: { token: 'hunter2' } },
    ],
    ports: ['80/tcp'],
  };
  const { action, state } = await hook(
    before,
    planning({
      secrets: [{ secret: KEY, content: { value: new Redacted('hunter4') }, grants: [] }],
      databags: [
        {
          endpoint: 'site',
          relation: 4,
          unit: { hostname: 'new', port: 80 },
          app: { url: 'http://web', token: new Redacted('hunter3') },
        },
      ],
      ports: ['443/tcp'],
      stored: { count: 1 },
      status: [active('ready')],
    }),
    { action: 'show-plan' },
  );
  expect(action?.results['plan']).toBe(
    [
      'secret:key: made',
      'databag:site:4/unit: \n-hostname=old\n+hostname=new',
      'databag:site:4/app: \n+url=http://web\n-token=[redacted]\n+token=[redacted]',
      'port:443/tcp: open',
      'port:80/tcp: closed',
      'stored: \n+count=1',
      'status: active ready',
    ].join('\n'),
  );
  expect(state).toMatchObject(before);
});

test('the last hooks bring about what is left when the unit goes', async () => {
  const unit = inProcess(charmOf(() => Promise.reject(new Error('not asked'))));
  const { exitCode } = await unit.run('stop', stateOf({ charmcraft }));
  expect([exitCode, unit.resources]).toEqual([0, [{ text: 'gone' }]]);
  // Juju runs it again: no later hook would take it away.
  const held = { ...charmOf(planning({})), teardown: () => Promise.reject(new WaitingError('for apt')) };
  expect((await inProcess(held).run('stop', stateOf({ charmcraft }))).exitCode).toBe(1);
});

describe('a unit that is being removed', () => {
  const going = { departing: 'web/0' } as const;
  const cluster = { id: 1, endpoint: 'cluster', app: 'web', units: { 'web/1': {} } } as const;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'charm-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What the machine is to be like after each of these hooks, which follow each other. */
  async function hooks(
    ...steps: readonly (readonly [TestEvent<typeof charmcraft>, WebState['relations']])[]
  ): Promise<readonly (string | undefined)[]> {
    const after: (string | undefined)[] = [];
    for (const [event, relations] of steps) {
      const unit = inProcess(charmOf(planning({ machine: [{ text: 'as ever' }] })), folder);
      const { exitCode } = await unit.run(event, stateOf({ charmcraft }, { relations }));
      expect(exitCode).toBe(0);
      after.push(unit.resources?.[0]?.text);
    }
    return after;
  }

  test('has left with its last relation, and stays so: Juju 4 may run no stop', async () => {
    const ended = [{ ...site, units: {} }, cluster];
    expect(
      await hooks(
        [{ relation: 'departed', id: 3, unit: 'mysql/0', ...going }, [site, database]],
        [{ relation: 'broken', id: 3 }, [site, { ...database, units: {} }, cluster]],
        [{ relation: 'departed', id: 4, unit: 'proxy/0', ...going }, [site, cluster]],
        [{ relation: 'broken', id: 4 }, ended],
        [{ relation: 'departed', id: 1, unit: 'web/1', ...going }, [cluster]],
        ['stop', []],
      ),
    ).toEqual(['as ever', 'as ever', 'as ever', 'gone', 'gone', 'gone']);
  });

  test('is another thing than a unit whose last relation ends', async () => {
    expect(await hooks([{ relation: 'broken', id: 4 }, [{ ...site, units: {} }, cluster]])).toEqual([
      'as ever',
    ]);
  });
});

test('storage, resources, the goal, the network, the cloud and the other model are there to ask', async () => {
  const seen: Record<string, unknown> = {};
  await hook(
    {
      jujuVersion: '4.0.15',
      relations: [{ ...database, modelUuid: 'other-model' }],
      storage: [{ instance: 'data/0', location: '/srv' }],
      resources: { theme: '/var/lib/theme.tgz' },
      networks: {
        db: {
          addresses: [
            { interface: 'eth0', address: '10.0.0.4', cidr: '10.0.0.0/24' },
            { interface: 'eth0', address: 'fd00::4', cidr: 'fd00::/64' },
          ],
        },
      },
      cloud: { type: 'lxd', name: 'localhost', attributes: { 'client-key': 'hunter2' } },
      plannedUnits: 3,
    },
    async (juju) => {
      seen['storage'] = await juju.storage('data');
      seen['resource'] = await juju.resource('theme');
      seen['units'] = Object.keys((await juju.goalState()).units);
      seen['network'] = (await juju.network('db')).bindAddresses;
      seen['egress'] = (await juju.network('db')).egressSubnets;
      seen['model'] = await juju.relationModel(3);
      seen['cloud'] = String((await juju.cloud()).attributes['client-key']);
      return {};
    },
  );
  expect(seen).toEqual({
    storage: [{ id: 'data/0', kind: 'filesystem', location: '/srv' }],
    resource: '/var/lib/theme.tgz',
    units: ['web/0', 'web/1', 'web/2'],
    network: ['10.0.0.4', 'fd00::4'],
    egress: ['10.0.0.4/32', 'fd00::4/128'],
    model: 'other-model',
    cloud: '[redacted]',
  });
});

test('a cloud that is not trusted says what to type', async () => {
  const { state } = await hook({}, async (juju) => {
    await juju.cloud();
    return {};
  });
  expect(state.status).toEqual({
    level: 'blocked',
    message: "the cloud's credential is needed: juju trust web",
  });
});

test('a resource that the user has not given says what to type', async () => {
  const { exitCode, state } = await hook({}, async (juju) => {
    await juju.resource('theme');
    return {};
  });
  expect([exitCode, state.status]).toEqual([
    0,
    { level: 'blocked', message: 'the resource theme is needed: juju attach-resource web theme=<file>' },
  ]);
});

test('Juju 3.6 has tools that Juju 4 has not', async () => {
  const read = async (juju: WebJuju): Promise<Partial<WebPlan>> => {
    await juju.tools.leaderGet();
    return {};
  };
  expect((await hook({}, read)).exitCode).toBe(0);
  const { exitCode, logs } = await hook({ jujuVersion: '4.0.15' }, read);
  expect(exitCode).toBe(1);
  expect(logs.at(-1)?.message).toContain('ToolMissingError: leader-get: this Juju does not have it');
});

test('a reboot now ends the hook, which Juju runs again', async () => {
  const { exitCode, reboot, state, logs } = await hook({ relations: [site] }, async (juju) => {
    await juju.tools.relationSet(4, 'unit', { hostname: 'half' });
    await juju.tools.reboot('now');
    return {};
  });
  expect([exitCode, reboot, state.relations[0]?.localUnitData]).toEqual(['killed', 'now', undefined]);
  expect(logs.map(({ message }) => JSON.parse(message))).toEqual([
    expect.objectContaining({ type: 'security', event: 'sys_restart:web/0' }),
  ]);
});
