// Units that Juju 4 goes on naming in peer relations after they have been removed: https://github.com/juju/juju/issues/23326
import { describe, expect, test } from '@jest/globals';
import { defineCharm, defineInterface, HookToolError, type Juju } from 'juju-ts-ops';
import { inProcess, stateOf, type State, type TestEvent } from 'juju-ts-ops/testing';
import { charmcraft, endpoints, options } from './web-charm.ts';

/** What a charm sees of its peers. */
interface Seen {
  readonly units: readonly string[];
  readonly gone: readonly string[] | undefined;
}

const actions = { greet: () => Promise.resolve({}), crash: () => Promise.resolve({}) };
const machine = { apply: () => Promise.resolve([]), preview: () => Promise.resolve([]) };
const rest = {
  options,
  machine,
  plan: () => ({ machine: [], status: [] }),
  teardown: () => Promise.resolve([]),
  actions,
};

const four = { jujuVersion: '4.1.0', isLeader: true } as const;

describe('a principal', () => {
  const principal = (seen: Seen[]) =>
    defineCharm(charmcraft, {
      ...rest,
      endpoints,
      read: async (juju: Juju<typeof charmcraft, typeof options, typeof endpoints>) => {
        const [cluster] = await juju.relations('cluster');
        if (cluster) seen.push({ units: cluster.units.map(({ name }) => name), gone: cluster.gone });
        return {};
      },
    });

  const cluster = {
    id: 1,
    endpoint: 'cluster',
    app: 'web',
    units: { 'web/1': { address: 'a' }, 'web/2': { address: 'b' } },
  } as const;

  async function sees(
    known: Partial<State<typeof charmcraft>>,
    refusing: readonly string[] = [],
  ): Promise<{ seen: readonly Seen[]; tools: readonly string[] }> {
    const seen: Seen[] = [];
    const charm = principal(seen);
    const read: typeof charm.read = async (juju) => {
      for (const tool of refusing)
        Object.assign(juju.tools, { [tool]: () => Promise.reject(new HookToolError({ tool }, 'not now')) });
      return charm.read(juju);
    };
    const { exitCode, calls } = await inProcess({ ...charm, read }).run(
      'config-changed',
      stateOf({ charmcraft }, known),
    );
    expect(exitCode).toBe(0);
    return { seen, tools: calls.map(({ tool }) => tool) };
  }

  test('does not see those of its peers that have been removed', async () => {
    const { seen } = await sees({ ...four, relations: [{ ...cluster, gone: ['web/1'] }] });
    expect(seen).toEqual([{ units: ['web/2'], gone: ['web/1'] }]);
  });

  test('nor those that have said that they go, without asking Juju', async () => {
    const units = { 'web/1': { address: 'a', departed: 'true' }, 'web/2': { address: 'b' } };
    const { seen } = await sees({ ...four, relations: [{ ...cluster, units }] });
    expect(seen).toEqual([{ units: ['web/2'], gone: ['web/1'] }]);
    const alone = { 'web/1': { departed: 'true' } };
    expect((await sees({ ...four, relations: [{ ...cluster, units: alone }] })).tools).not.toContain(
      'goal-state',
    );
  });

  test.each(['4.1.0', '3.6.28'])(
    'says to its peers that it goes, once it has cleaned up: Juju %s',
    async (jujuVersion) => {
      const before = stateOf({ charmcraft }, { jujuVersion, relations: [cluster] });
      const unit = inProcess(principal([]));
      const { state, exitCode } = await unit.run('stop', before);
      const says = jujuVersion.startsWith('4');
      expect([exitCode, state.relations[0]?.localUnitData]).toEqual([
        0,
        says ? { departed: 'true' } : undefined,
      ]);
      const again = await unit.run('remove', state);
      expect(again.calls.map(({ tool }) => tool)).not.toContain('relation-set');
      const failing = inProcess({ ...principal([]), teardown: () => Promise.reject(new Error('not yet')) });
      expect((await failing.run('stop', before)).state.relations[0]?.localUnitData).toBeUndefined();
    },
  );

  test('sees all the others, those that are on their way out included', async () => {
    const { seen } = await sees({ ...four, relations: [cluster] });
    expect(seen).toEqual([{ units: ['web/1', 'web/2'], gone: undefined }]);
  });

  test('takes nobody for gone where Juju does not say how it is', async () => {
    const { seen } = await sees({ ...four, relations: [{ ...cluster, gone: ['web/1'] }] }, ['goalState']);
    expect(seen).toEqual([{ units: ['web/1', 'web/2'], gone: undefined }]);
  });

  test('asks nothing more on Juju 3.6, which tells of all that go, nor without peers', async () => {
    for (const known of [{ relations: [cluster] }, { ...four, relations: [{ ...cluster, units: {} }] }])
      expect((await sees(known)).tools).not.toContain('goal-state');
  });
});

describe('a subordinate', () => {
  const subordinate = {
    ...charmcraft,
    subordinate: true,
    requires: { ...charmcraft.requires, host: { interface: 'juju-info', scope: 'container' } },
  } as const;
  const own = {
    ...endpoints,
    host: defineInterface({
      name: 'juju-info',
      provider: { app: {}, unit: {} },
      requirer: { app: {}, unit: {} },
    }),
  };
  const host = { id: 5, endpoint: 'host', app: 'machine', units: { 'machine/0': {} } } as const;
  const cluster = { id: 1, endpoint: 'cluster', app: 'web' } as const;

  async function run(
    relations: State<typeof subordinate>['relations'],
    event: TestEvent<typeof subordinate> = 'config-changed',
  ) {
    const seen: Seen[] = [];
    const unit = inProcess(
      defineCharm(subordinate, {
        ...rest,
        endpoints: own,
        read: async (juju: Juju<typeof subordinate, typeof options, typeof own>) => {
          const [peers] = await juju.relations('cluster');
          if (peers) seen.push({ units: peers.units.map(({ name }) => name), gone: peers.gone });
          return {};
        },
      }),
    );
    const { exitCode, state, calls } = await unit.run(
      event,
      stateOf({ charmcraft: subordinate }, { ...four, principalUnit: 'machine/0', relations }),
    );
    expect(exitCode).toBe(0);
    return { seen, state, tools: calls.map(({ tool }) => tool) };
  }

  test('goes by what its peers ride on', async () => {
    const units = { 'web/1': { principal: 'machine/1' }, 'web/2': { principal: 'machine/2' } };
    const { seen } = await run([host, { ...cluster, units, gone: ['web/2'] }]);
    expect(seen).toEqual([{ units: ['web/1'], gone: ['web/2'] }]);
  });

  test('takes nobody for gone who has not said what it rides on', async () => {
    const { seen } = await run([host, { ...cluster, units: { 'web/1': {} }, gone: ['web/1'] }]);
    expect(seen).toEqual([{ units: ['web/1'], gone: undefined }]);
  });

  test('takes nobody for gone while Juju does not list what it rides on itself', async () => {
    const units = { 'web/1': { principal: 'machine/1' } };
    const { seen } = await run([{ ...cluster, units, gone: ['web/1'] }]);
    expect(seen).toEqual([{ units: ['web/1'], gone: undefined }]);
  });

  test.each([{ relation: 'created', id: 1 } as const, 'upgrade-charm' as const])(
    'says once what it rides on: %j',
    async (event) => {
      const { state, tools } = await run([host, cluster], event);
      expect(state.relations.find(({ id }) => id === 1)?.localUnitData).toEqual({ principal: 'machine/0' });
      expect(tools).toContain('relation-set');
      expect((await run(state.relations, event)).tools).not.toContain('relation-set');
    },
  );
});
