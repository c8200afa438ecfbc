// How the units of an application take turns: a cluster of them, whose hooks see the databags as they were when they began.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { CharmBugError, defineCharm, WaitingError, UserError, type Plan } from 'juju-ts-ops';
import { inProcess, stateOf, type InProcessUnit, type Outcome } from 'juju-ts-ops/testing';
import * as fc from 'fast-check';
import { z } from 'zod';
import { charmcraft, endpoints, options, type Line } from './web-charm.ts';

type WebPlan = Plan<typeof charmcraft, typeof endpoints, Line>;
type Bag = Readonly<Record<string, string>>;

const TIMEOUT = 600;
const Seen = z.object({ what: z.string(), since: z.object({ boot: z.string(), seconds: z.number() }) });

let folders = 0;
let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'rolling-'));
});
afterAll(() => rmSync(home, { recursive: true }));
afterEach(() => {
  jest.restoreAllMocks();
});

/** Sets the clock of the machine on which the next hooks run, by so many seconds. */
function setClock(seconds: number): void {
  const now = Date.now() + seconds * 1000;
  jest.spyOn(Date, 'now').mockReturnValue(now);
}
const RESTART = 'restart';

/** What a unit does wrong when it comes to its turn. */
type Trouble = 'not yet' | 'blocked';

/** Units that restart for each new version that they are told to have. */
class Cluster {
  readonly bags = new Map<string, Bag>();
  leader = 'web/0';
  /** What each unit is told to have. */
  readonly versions = new Map<string, number>();
  readonly #jujuVersion: string;
  readonly #trouble = new Map<string, Trouble>();
  readonly #units = new Map<string, InProcessUnit<typeof charmcraft, Line>>();
  readonly #folders = new Map<string, string>();
  readonly #gone: string[] = [];
  /** Those that Juju has not told a unit of yet. */
  readonly #unmet = new Map<string, readonly string[]>();

  constructor(jujuVersion: string, names: readonly string[]) {
    this.#jujuVersion = jujuVersion;
    for (const name of names) {
      const folder = join(home, `charm-${(folders += 1)}`);
      mkdirSync(join(folder, '.state'), { recursive: true });
      this.#folders.set(name, folder);
      this.#units.set(name, inProcess(this.#charm(name), folder));
      this.versions.set(name, 1);
    }
  }

  #charm(unit: string) {
    return defineCharm(charmcraft, {
      options,
      endpoints,
      rolling: { endpoint: 'cluster', timeout: TIMEOUT },
      machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
      read: async (juju) => {
        const trouble = this.#trouble.get(unit);
        if (trouble === 'blocked') throw new UserError('title=: a title is a word');
        if (trouble === 'not yet' && this.has(unit)) throw new WaitingError('for the server to answer');
        const [cluster] = await juju.relations('cluster');
        return { cluster: cluster?.id, version: this.versions.get(unit) };
      },
      plan: ({ cluster, version }): WebPlan => ({
        machine: [{ text: 'installed' }],
        rolling: [{ text: `${RESTART} ${version}` }],
        afterRolling: [{ text: `after ${version}` }],
        databags:
          cluster === undefined
            ? []
            : [{ endpoint: 'cluster', relation: cluster, unit: { address: `version ${version}` } }],
        status: [],
      }),
      teardown: () => Promise.resolve([]),
      actions: { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) },
    });
  }

  /** Whether a unit has restarted for the version that it is told to have. */
  has(name: string): boolean {
    const asked = this.#units.get(name)?.resources ?? [];
    return asked.some(({ text }) => text === `${RESTART} ${this.versions.get(name)}`);
  }

  tell(...names: readonly string[]): void {
    for (const name of names) this.versions.set(name, (this.versions.get(name) ?? 0) + 1);
  }

  get done(): readonly string[] {
    return [...this.#units.keys()].filter((name) => this.has(name));
  }

  is(name: string, trouble?: Trouble): void {
    if (trouble) this.#trouble.set(name, trouble);
    else this.#trouble.delete(name);
  }

  remove(name: string): void {
    this.#units.delete(name);
    this.bags.delete(name);
  }

  /** Removes a unit that Juju 4 goes on naming to the others. */
  removeUntold(name: string): void {
    this.#units.delete(name);
    this.#gone.push(name);
  }

  hasNotMet(name: string, ...others: readonly string[]): void {
    this.#unmet.set(name, others);
  }

  stateOf(name: string) {
    const unmet = [name, ...(this.#unmet.get(name) ?? [])];
    const others = [...this.#units.keys(), ...this.#gone].filter((other) => !unmet.includes(other));
    return stateOf(
      { charmcraft },
      {
        jujuVersion: this.#jujuVersion,
        unit: name,
        isLeader: name === this.leader,
        plannedUnits: this.#units.size,
        relations: [
          {
            id: 1,
            endpoint: 'cluster',
            app: 'web',
            appData: this.bags.get('web') ?? {},
            localUnitData: this.bags.get(name) ?? {},
            gone: this.#gone,
            units: Object.fromEntries(others.map((other) => [other, this.bags.get(other) ?? {}])),
          },
        ],
      },
    );
  }

  /** Begins a hook, and returns what ends it: what it wrote is seen from then on. */
  async begin(name: string): Promise<{ outcome: Outcome<typeof charmcraft>; end: () => void }> {
    const unit = this.#units.get(name);
    if (!unit) throw new Error(`no unit ${name}`);
    const state = this.stateOf(name);
    const outcome = await unit.run('update-status', state);
    const [relation] = outcome.state.relations;
    return {
      outcome,
      end: () => {
        this.bags.set(name, relation?.localUnitData ?? {});
        if (state.isLeader) this.bags.set('web', relation?.appData ?? {});
      },
    };
  }

  async run(name: string): Promise<Outcome<typeof charmcraft>> {
    const { outcome, end } = await this.begin(name);
    expect(outcome.logs.filter(({ level }) => level === 'ERROR')).toEqual([]);
    end();
    return outcome;
  }

  /** One hook of each. */
  async round(names: readonly string[] = [...this.#units.keys()]): Promise<void> {
    for (const name of names) await this.run(name);
  }

  /** Has everybody at rest with the version that they have. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2 * this.#units.size + 2; round += 1) await this.round();
    expect(this.done).toEqual([...this.#units.keys()]);
  }

  /** Lets the leader have seen for a while, in seconds, that the turn is as it is. */
  async age(seconds: number): Promise<void> {
    await this.run(this.leader);
    const file = join(this.#folders.get(this.leader) ?? '', '.state/turn.json');
    const { what, since } = Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
    writeFileSync(file, JSON.stringify({ what, since: { ...since, seconds: uptime() - seconds } }));
  }

  /** When a unit looks again after its last hook, in seconds. */
  lookIn(name: string): number | undefined {
    return this.#units.get(name)?.reconcileIn;
  }

  get given(): string | undefined {
    return this.bags.get('web')?.['turn'];
  }

  /** A new version, which each of these asks for its turn for; the first of them gets it. */
  async wanted(...names: readonly string[]): Promise<void> {
    this.tell(...names);
    for (const name of names) await this.run(name);
    await this.run(this.leader);
  }
}

describe.each(['3.6.28', '4.0.15'])('on Juju %s', (jujuVersion) => {
  const three = async (): Promise<Cluster> => {
    const cluster = new Cluster(jujuVersion, ['web/0', 'web/1', 'web/2']);
    await cluster.settle();
    return cluster;
  };

  test('one after the other: of all whose hooks run at the same time, one at most is in its turn', async () => {
    const cluster = await three();
    cluster.tell('web/0', 'web/1', 'web/2');
    const order: string[] = [];
    for (let wave = 0; cluster.done.length < 3; wave += 1) {
      expect(wave).toBeLessThan(12);
      const before = cluster.done;
      const hooks = await Promise.all(['web/0', 'web/1', 'web/2'].map((name) => cluster.begin(name)));
      const now = cluster.done.filter((name) => !before.includes(name));
      expect(now.length).toBeLessThanOrEqual(1);
      order.push(...now);
      for (const { end } of hooks) end();
    }
    // From the one on that had the last turn.
    expect(order).toEqual(['web/0', 'web/1', 'web/2']);
  });

  test('a unit that waits says so, and brings about and tells nothing that comes after', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    const { state, calls } = await cluster.run('web/2');
    expect(state.status).toEqual({ level: 'waiting', message: 'for its turn: web/1 has it' });
    expect(cluster.bags.get('web/2')).toMatchObject({ address: 'version 1' });
    expect(cluster.has('web/2')).toBe(false);
    // It has asked already: nothing is written twice.
    expect(calls.filter(({ tool }) => tool === 'relation-set')).toEqual([]);
    await cluster.run('web/1');
    await cluster.run('web/0');
    expect((await cluster.run('web/2')).state.status).toEqual({ level: 'active', message: '' });
    expect(cluster.bags.get('web/2')).toMatchObject({ address: 'version 2' });
  });

  test('a unit alone has its turn in its next hook', async () => {
    const cluster = new Cluster(jujuVersion, ['web/0']);
    expect((await cluster.run('web/0')).state.status).toEqual({ level: 'waiting', message: 'for its turn' });
    expect(cluster.done).toEqual([]);
    await cluster.run('web/0');
    expect(cluster.done).toEqual(['web/0']);
  });

  test('where nothing is to be done in turn, nothing is written', async () => {
    const cluster = await three();
    for (const name of ['web/0', 'web/1']) {
      const { calls } = await cluster.run(name);
      expect(calls.filter(({ tool }) => tool === 'relation-set')).toEqual([]);
    }
  });

  test('who dies in its turn keeps it until it cannot be at work any more, and comes again when it is back', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    await cluster.age(TIMEOUT / 2 - 10);
    await cluster.round(['web/2', 'web/0', 'web/2', 'web/0']);
    expect(cluster.given).toContain('"isClosing":false');
    await cluster.age(TIMEOUT / 2 + 10);
    await cluster.round(['web/0', 'web/2', 'web/0']);
    expect(cluster.given).toContain('"isClosing":true');
    await cluster.age(TIMEOUT - 10);
    await cluster.round(['web/0', 'web/2']);
    expect(cluster.done).toEqual(['web/0']);
    await cluster.age(TIMEOUT + 10);
    await cluster.round(['web/0', 'web/2', 'web/0']);
    expect(cluster.done).toEqual(['web/0', 'web/2']);
    await cluster.round(['web/1', 'web/0', 'web/1']);
    expect(cluster.done).toEqual(['web/0', 'web/1', 'web/2']);
  });

  test('the leader looks again by itself while a unit has its turn, for the unit may be dead', async () => {
    const cluster = await three();
    expect(cluster.lookIn('web/0')).toBeUndefined();
    await cluster.wanted('web/1', 'web/2');
    expect(cluster.lookIn('web/0')).toBe(TIMEOUT / 2);
    await cluster.age(TIMEOUT / 2 - 10);
    await cluster.run('web/0');
    expect(cluster.lookIn('web/0')).toBeCloseTo(10, 0);
    await cluster.age(TIMEOUT / 2 + 10);
    await cluster.run('web/0');
    expect(cluster.lookIn('web/0')).toBe(TIMEOUT);
    await cluster.age(TIMEOUT + 10);
    cluster.is('web/0', 'blocked');
    await cluster.run('web/0');
    expect(cluster.given).toContain('web/2');
    expect(cluster.lookIn('web/0')).toBe(TIMEOUT / 2);
    await cluster.round(['web/2']);
    expect(cluster.lookIn('web/2')).toBeUndefined();
  });

  test('who comes late begins nothing, gives its turn back, and asks for another one', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    await cluster.age(TIMEOUT / 2 + 10);
    await cluster.run('web/0');
    expect((await cluster.run('web/1')).state.status).toEqual({ level: 'waiting', message: 'for its turn' });
    expect(cluster.has('web/1')).toBe(false);
    // Nobody has to wait for it.
    await cluster.round(['web/0', 'web/2', 'web/0', 'web/1']);
    expect(cluster.done).toEqual(['web/0', 'web/1', 'web/2']);
  });

  test('one that is dead, and alone in asking, has a turn again when it is back', async () => {
    const cluster = await three();
    await cluster.wanted('web/1');
    for (const seconds of [TIMEOUT / 2 + 10, TIMEOUT + 10, TIMEOUT + 10]) {
      await cluster.age(seconds);
      await cluster.run('web/0');
    }
    await cluster.round(['web/1', 'web/0', 'web/1']);
    expect(cluster.has('web/1')).toBe(true);
  });

  test('a leader that is new counts from when it sees the turn, and no earlier', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    await cluster.age(TIMEOUT / 2 + 10);
    cluster.leader = 'web/2';
    await cluster.round(['web/2', 'web/2']);
    expect(cluster.given).toContain('"isClosing":false');
  });

  test.each([
    ['ahead by ten years', 3e8],
    ['ahead by five minutes', 301],
    ['an hour behind', -3600],
  ])(
    'a leader whose clock is %s when it gives a turn takes it back from the dead all the same',
    async (_, ahead) => {
      const cluster = await three();
      setClock(ahead);
      await cluster.wanted('web/1', 'web/2');
      jest.restoreAllMocks();
      for (const seconds of [TIMEOUT / 2 + 10, TIMEOUT + 10]) {
        await cluster.age(seconds);
        await cluster.run('web/0');
      }
      await cluster.run('web/2');
      expect(cluster.has('web/2')).toBe(true);
    },
  );

  test.each([301, 3e8, -3600])(
    'a unit whose clock is %s seconds ahead has its turn as any other',
    async (ahead) => {
      const cluster = await three();
      await cluster.wanted('web/1');
      setClock(ahead);
      await cluster.run('web/1');
      expect(cluster.has('web/1')).toBe(true);
    },
  );

  test('a unit that is removed in its turn has it no longer', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    cluster.remove('web/1');
    await cluster.round(['web/0', 'web/2']);
    expect(cluster.has('web/2')).toBe(true);
  });

  if (jujuVersion !== '3.6.28')
    test('a unit that is removed in its turn has it no longer, though Juju goes on naming it', async () => {
      const cluster = await three();
      await cluster.wanted('web/1', 'web/2');
      cluster.removeUntold('web/1');
      await cluster.round(['web/0', 'web/2']);
      expect(cluster.has('web/2')).toBe(true);
    });

  test('a new leader goes on where the old one was', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    cluster.remove('web/0');
    cluster.leader = 'web/2';
    await cluster.round(['web/2', 'web/2']);
    expect(cluster.done).toEqual([]);
    await cluster.round(['web/1', 'web/2', 'web/2']);
    expect(cluster.done).toEqual(['web/1', 'web/2']);
  });

  test('a new leader that Juju has not told of the one in its turn lets nobody else begin, until that one is gone', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    const { end } = await cluster.begin('web/1');
    cluster.leader = 'web/2';
    cluster.hasNotMet('web/2', 'web/1');
    await cluster.round(['web/2', 'web/2', 'web/2']);
    expect(cluster.has('web/2')).toBe(false);
    end();
    cluster.remove('web/1');
    await cluster.round(['web/2', 'web/2']);
    expect(cluster.has('web/2')).toBe(true);
  });

  test('a hook that fails in its turn runs again in the same one', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    // What it wrote is lost.
    await cluster.begin('web/1');
    await cluster.round(['web/0', 'web/2']);
    expect(cluster.has('web/2')).toBe(false);
    await cluster.round(['web/1', 'web/0', 'web/2']);
    expect(cluster.has('web/2')).toBe(true);
  });

  test('what has not worked yet keeps the next one from doing the same', async () => {
    const cluster = await three();
    cluster.is('web/1', 'not yet');
    await cluster.wanted('web/1', 'web/2');
    expect((await cluster.run('web/1')).state.status.message).toBe('for the server to answer');
    await cluster.round(['web/0', 'web/2', 'web/0', 'web/2']);
    expect(cluster.has('web/2')).toBe(false);
    cluster.is('web/1');
    await cluster.round(['web/1', 'web/0', 'web/2']);
    expect(cluster.has('web/2')).toBe(true);
  });

  test('a leader that is blocked gives turns all the same', async () => {
    const cluster = await three();
    cluster.is('web/0', 'blocked');
    await cluster.wanted('web/1');
    expect((await cluster.run('web/0')).state.status.level).toBe('blocked');
    await cluster.run('web/1');
    expect(cluster.has('web/1')).toBe(true);
  });

  test('a turn that is over is not taken again, though the leader has not seen yet that it is', async () => {
    const cluster = await three();
    await cluster.wanted('web/1', 'web/2');
    await cluster.run('web/1');
    cluster.tell('web/1');
    await cluster.run('web/1');
    await cluster.run('web/1');
    expect(cluster.has('web/1')).toBe(false);
    await cluster.round(['web/0', 'web/2', 'web/0', 'web/1']);
    expect(cluster.done).toEqual(['web/0', 'web/1', 'web/2']);
  });

  test('what another version of the charm wrote into the databags counts for nothing', async () => {
    const cluster = await three();
    for (const owner of ['web', 'web/1']) cluster.bags.set(owner, { turn: 'mine!' });
    cluster.tell('web/0', 'web/1', 'web/2');
    await cluster.settle();
  });
});

test('whatever hooks run at the same time, fail, or never end, and whoever leads: one at most is in its turn', async () => {
  const units = ['web/0', 'web/1', 'web/2'] as const;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ begin: fc.constantFrom(...units) }) },
    { weight: 6, arbitrary: fc.record({ end: fc.constantFrom(...units), isLost: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ leader: fc.constantFrom(...units) }) },
    { weight: 2, arbitrary: fc.record({ tell: fc.constantFrom(...units) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 80, maxLength: 120 }), async (steps) => {
      const cluster = new Cluster('3.6.28', units);
      cluster.tell(...units);
      /** The hooks that run, and whether each of them does something in its turn. */
      const running = new Map<string, { end: () => void; isInTurn: boolean; wasLeader: boolean }>();
      for (const now of steps) {
        if ('begin' in now && !running.has(now.begin)) {
          const before = cluster.has(now.begin);
          const { end } = await cluster.begin(now.begin);
          const isInTurn = !before && cluster.has(now.begin);
          running.set(now.begin, { end, isInTurn, wasLeader: cluster.leader === now.begin });
          expect([...running.values()].filter((hook) => hook.isInTurn).length).toBeLessThanOrEqual(1);
        } else if ('end' in now) {
          const hook = running.get(now.end);
          running.delete(now.end);
          // Juju takes nothing from a leader that is none any more, and then nothing at all of its hook.
          if (hook && !now.isLost && hook.wasLeader === (cluster.leader === now.end)) hook.end();
        } else if ('leader' in now && !running.has(cluster.leader) && !running.has(now.leader)) {
          cluster.leader = now.leader;
        } else if ('tell' in now && !running.has(now.tell)) {
          cluster.tell(now.tell);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('show-status and show-plan tell of a turn', async () => {
  const cluster = new Cluster('4.0.15', ['web/0', 'web/1']);
  await cluster.settle();
  await cluster.wanted('web/1');
  const unit = inProcess(
    defineCharm(charmcraft, {
      options,
      endpoints,
      rolling: { endpoint: 'cluster', timeout: TIMEOUT },
      machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
      read: () => Promise.resolve({}),
      plan: (): WebPlan => ({ machine: [], rolling: [{ text: RESTART }], status: [] }),
      teardown: () => Promise.resolve([]),
      actions: { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) },
    }),
  );
  const state = cluster.stateOf('web/0');
  const status = await unit.run({ action: 'show-status' }, state);
  expect(status.action?.results).toEqual({ status: 'waiting for its turn: web/1 has it' });
  const plan = await unit.run({ action: 'show-plan' }, state);
  expect(plan.action?.results['plan']).toContain(RESTART);
});

test('a plan with something in turn, of a charm that does not say how, is a bug', async () => {
  const { rolling: _, ...charm } = defineCharm(charmcraft, {
    options,
    endpoints,
    machine: { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) },
    read: () => Promise.resolve({}),
    plan: (): WebPlan => ({ machine: [], rolling: [{ text: RESTART }], status: [] }),
    teardown: () => Promise.resolve([]),
    actions: { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) },
  });
  const { exitCode, logs } = await inProcess(charm).run('update-status', stateOf(charm));
  expect(exitCode).toBe(1);
  expect(logs.some(({ message }) => message.includes(CharmBugError.name))).toBe(true);
});
