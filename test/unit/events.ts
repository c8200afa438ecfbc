import * as crypto from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, jest, test } from '@jest/globals';
import type {
  BagSchema,
  BUILT_IN_ACTIONS,
  Charm,
  Charmcraft,
  EndpointName,
  Endpoints,
  OptionSchemas,
} from 'juju-ts-ops';
import {
  inProcess,
  possibleEvents,
  type Call,
  type State,
  type StatusState,
  type TestEvent,
} from 'juju-ts-ops/testing';
import { expectRight } from './statuses.ts';

/** A state that a charm comes to, and what it must say in it whatever event it hears of. */
export interface EventCase<C extends Charmcraft, CharmState> {
  readonly state: State<C>;
  /** What the charm has read, as it would be on the machine that is meant. */
  readonly seen?: (read: CharmState) => CharmState;
  /** The statuses that are true of it. */
  readonly statuses: readonly StatusState['level'][];
  /** And once the relation of an endpoint has gone, where that is something else. */
  readonly without?: { readonly [N in EndpointName<C>]?: readonly StatusState['level'][] };
  /** And while the unit goes, where that is something else than that it waits to be removed. */
  readonly last?: readonly StatusState['level'][];
  /** How many hooks units take to hand on a turn, before there is nothing more to say. */
  readonly settling?: number;
  /** What must be seen nowhere but in secrets. */
  readonly secrets?: readonly string[];
}

/** What each of the charm's own actions is run with: as it is meant, and as it is not. */
export type ActionCases<C extends Charmcraft> = {
  readonly [A in Exclude<keyof C['actions'] & string, (typeof BUILT_IN_ACTIONS)[number]>]: readonly Params[];
};
type Params = Readonly<Record<string, unknown>>;

/** What changes something in Juju. A version cannot be asked for, so it is told again. */
const WRITES = new Set([
  'close-port',
  'open-port',
  'relation-set',
  'secret-add',
  'secret-grant',
  'secret-remove',
  'secret-revoke',
  'secret-set',
  'state-delete',
  'state-set',
  'status-set',
]);

/** The programs that were run, with their arguments. */
let ran: (readonly string[])[] = [];

/**
 * Whatever this machine has: the only program that can be asked is a systemd that knows no service. A test that wants
 * that imports its charm after this module, by `await import(…)`. No process, because there would be thousands.
 */
jest.unstable_mockModule('execa', () => ({
  execa: (program: string, args: readonly string[]) => {
    ran.push([program, ...args]);
    const units = args.filter((argument) => argument.endsWith('.service'));
    if (program !== 'systemctl')
      return Promise.resolve({ shortMessage: `Command failed with ENOENT: ${program}` });
    const unknown = 'LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n\n';
    return Promise.resolve(
      args[0] === 'show' || args[0] === 'daemon-reload'
        ? { exitCode: 0, stdout: unknown.repeat(units.length), stderr: '' }
        : { exitCode: 5, stdout: '', stderr: `Unit ${units.join(', ')} not loaded.` },
    );
  },
}));

/** Keys are as long as a charm's. There are only four of them, in turn: to make thousands takes longer than all else. */
const keys = Array.from({ length: 4 }, () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }));
let made = 0;
jest.unstable_mockModule('node:crypto', () => ({
  ...crypto,
  generateKeyPairSync: () => keys[made++ % keys.length],
}));

/** Runs every event that Juju may run in each of the states, on a unit that leads and on one that does not. */
export function testEvents<
  const C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  CharmState,
  R,
  B extends BagSchema,
>(
  charm: Charm<C, S, E, CharmState, R, B>,
  actions: ActionCases<C>,
  cases: Readonly<Record<string, EventCase<C, CharmState>>>,
): void {
  // Juju 3.6 refuses more to a unit that does not lead than Juju 4 does.
  const leader = { who: 'the leader on Juju 4', known: { isLeader: true, jujuVersion: '4.0.15' } };
  const other = { who: 'another unit on Juju 3.6', known: { isLeader: false, jujuVersion: '3.6.28' } };
  for (const [name, one] of Object.entries(cases)) {
    const { state: base, seen, statuses, without, last = ['waiting'], settling = 0, secrets = [] } = one;
    const isOfJuju4 = base.relations.some(({ gone, isLost }) => gone !== undefined || isLost === true);
    const other4 = { who: 'another unit on Juju 4', known: { ...other.known, jujuVersion: '4.0.15' } };
    describe.each([leader, isOfJuju4 ? other4 : other])(`${name}, $who`, ({ known }) => {
      const statusesIn = (event: TestEvent<C>, { relations }: State<C>) => {
        if (typeof event === 'string' || !('relation' in event) || event.relation !== 'broken')
          return statuses;
        const broken = relations.find(({ id }) => id === event.id);
        return (broken && without?.[broken.endpoint]) ?? statuses;
      };
      test.each(possibleEvents(charm, { ...base, ...known }))('$name', async ({ event, state, isLast }) => {
        const unit = inProcess(seeing(charm, seen));
        ran = [];
        const first = await unit.run(event, state);
        expect([first.exitCode, ...first.logs.filter(({ level }) => level === 'ERROR')]).toEqual([0]);
        const shown = first.state.status;
        for (const { level, message } of [...first.statuses, ...first.appStatuses])
          expectRight(charm.charmcraft.name, level, message);
        // Before it is installed, and when it goes, it may say nothing; or then that it waits to be removed.
        const isSilent = isLast || event === 'install' || isAction(event);
        if (!isSilent || first.statuses.length > 0)
          expect([
            shown,
            (isLast ? [...statuses, ...last] : statusesIn(event, state)).includes(shown.level),
          ]).toEqual([shown, true]);

        if (!state.isLeader) expect(first.calls.filter(isOfApplication)).toEqual([]);
        const { secrets: _, ...visible } = first.state;
        for (const secret of secrets)
          expect(JSON.stringify([visible, first.logs, first.calls, first.action, ran])).not.toContain(secret);

        let settled = first.state;
        for (let hook = 0; hook < settling; hook += 1) settled = (await unit.run(event, settled)).state;
        const asked = inspect(unit.resources, { depth: null });
        const again = await unit.run(event, settled);
        expect(again.calls.filter(({ tool }) => WRITES.has(tool))).toEqual([]);
        // The last hook of a unit that goes does both, what its plan says and what it leaves: it tells so each time.
        const isQuiet = (level: string) => level === 'DEBUG' || (isLast && level === 'INFO');
        expect([again.exitCode, again.logs.filter(({ level }) => !isQuiet(level))]).toEqual([
          0,
          first.logs.filter(({ level }) => level === 'WARNING'),
        ]);
        expect(inspect(unit.resources, { depth: null })).toBe(asked);
      });

      // What an action does to this machine stays in the charm's folder, because there is no program to be run.
      test.each(runsOf(actions))('the action $action with $params', async (event) => {
        const folder = await mkdtemp(join(tmpdir(), 'events-'));
        try {
          const unit = inProcess(seeing(charm, seen), folder);
          let state = { ...base, ...known };
          ran = [];
          // It may be run again, and hooks come after it.
          for (const next of [event, event, 'update-status', 'config-changed'] as const) {
            const { exitCode, logs, calls, action, state: after } = await unit.run(next, state);
            expect([exitCode, ...logs.filter(({ level }) => level === 'ERROR')]).toEqual([0]);
            if (action?.status === 'failed') expect(action.message).toMatch(/\w/);
            if (!state.isLeader) expect(calls.filter(isOfApplication)).toEqual([]);
            const { secrets: _, ...visible } = after;
            for (const secret of secrets)
              expect(JSON.stringify([visible, logs, calls, action, ran])).not.toContain(secret);
            state = after;
          }
        } finally {
          await rm(folder, { recursive: true });
        }
      });
    });
  }
}

/** A charm that reads what it would on the machine that is meant. */
function seeing<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  CharmState,
  R,
  B extends BagSchema,
>(
  charm: Charm<C, S, E, CharmState, R, B>,
  seen: (read: CharmState) => CharmState = (read) => read,
): Charm<C, S, E, CharmState, R, B> {
  return { ...charm, read: async (juju) => seen(await charm.read(juju)) };
}

function runsOf<C extends Charmcraft>(
  actions: ActionCases<C>,
): readonly { action: keyof C['actions'] & string; params: Params }[] {
  const cases = Object.entries<readonly Params[]>(actions);
  // The names of the cases are those of the actions.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return cases.flatMap(([name, each]) =>
    each.map((params) => ({ action: name as keyof C['actions'] & string, params })),
  );
}

/** What only a leader may ask for. */
function isOfApplication({ tool, args }: Call): boolean {
  if (tool === 'relation-set') return args.includes('--app');
  if (tool === 'status-set') return args.includes('--application');
  return tool === 'secret-add' && args.includes('application');
}

function isAction<C extends Charmcraft>(event: TestEvent<C>): boolean {
  return typeof event !== 'string' && 'action' in event;
}
