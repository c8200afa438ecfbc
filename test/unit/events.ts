import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BagSchema, Charm, Charmcraft, EndpointName, Endpoints, OptionSchemas } from 'juju-ts-ops';
import {
  inProcess,
  situations,
  type Call,
  type State,
  type StatusState,
  type TestEvent,
} from 'juju-ts-ops/testing';

/** A state that a charm comes to, and what it must say in it whatever event it hears of. */
export interface EventCase<C extends Charmcraft, CharmState> {
  readonly state: State<C>;
  /** What the charm has read, as it would be on the machine that is meant. */
  readonly seen?: (read: CharmState) => CharmState;
  /** The statuses that are true of it. */
  readonly statuses: readonly StatusState['level'][];
  /** And once the relation of an endpoint has gone, where that is something else. */
  readonly without?: { readonly [N in EndpointName<C>]?: readonly StatusState['level'][] };
  /** What must be seen nowhere but in secrets. */
  readonly secrets?: readonly string[];
}

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

const SYSTEMCTL = `#!/bin/sh
for argument; do
  case $argument in
    *.service) printf 'LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=\\n\\n' ;;
  esac
done
`;

/** Runs every event that Juju may run in each of the states, on a unit that leads and on one that does not. */
export function testEvents<
  const C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  CharmState,
  R,
  B extends BagSchema,
>(charm: Charm<C, S, E, CharmState, R, B>, cases: Readonly<Record<string, EventCase<C, CharmState>>>): void {
  // Juju 3.6 refuses more to a unit that does not lead than Juju 4 does.
  const units = [
    { who: 'the leader on Juju 4', known: { isLeader: true, jujuVersion: '4.0.15' } },
    { who: 'another unit on Juju 3.6', known: { isLeader: false, jujuVersion: '3.6.28' } },
  ];
  const { PATH } = process.env;
  let programs: string;
  // Whatever this machine has: the only program that can be asked is a systemd that knows no service.
  beforeAll(async () => {
    programs = await mkdtemp(join(tmpdir(), 'events-'));
    await writeFile(join(programs, 'systemctl'), SYSTEMCTL, { mode: 0o755 });
    process.env['PATH'] = programs;
  });
  afterAll(async () => {
    process.env['PATH'] = PATH;
    await rm(programs, { recursive: true });
  });
  for (const [name, { state: base, seen, statuses, without, secrets = [] }] of Object.entries(cases)) {
    describe.each(units)(`${name}, $who`, ({ known }) => {
      const statusesIn = (event: TestEvent<C>, { relations }: State<C>) => {
        if (typeof event === 'string' || !('relation' in event) || event.relation !== 'broken')
          return statuses;
        const broken = relations.find(({ id }) => id === event.id);
        return (broken && without?.[broken.endpoint]) ?? statuses;
      };
      test.each(situations(charm, { ...base, ...known }))('$name', async ({ event, state, isLast }) => {
        const unit = inProcess({
          ...charm,
          read: async (juju) => {
            const read = await charm.read(juju);
            return seen ? seen(read) : read;
          },
        });
        const first = await unit.run(event, state);
        expect([first.exitCode, ...first.logs.filter(({ level }) => level === 'ERROR')]).toEqual([0]);
        const shown = first.state.status;
        // Before it is installed, and when it goes, it may say nothing; or then that it waits to be removed.
        const isSilent = isLast || event === 'install' || isAction(event);
        if (!isSilent || first.statuses.length > 0)
          expect([
            shown,
            (isLast ? [...statuses, 'waiting'] : statusesIn(event, state)).includes(shown.level),
          ]).toEqual([shown, true]);

        if (!state.isLeader) expect(first.calls.filter(isOfApplication)).toEqual([]);
        const { secrets: _, ...visible } = first.state;
        for (const secret of secrets)
          expect(JSON.stringify([visible, first.logs, first.calls, first.action])).not.toContain(secret);

        const asked = inspect(unit.resources, { depth: null });
        const again = await unit.run(event, first.state);
        expect(again.calls.filter(({ tool }) => WRITES.has(tool))).toEqual([]);
        expect([again.exitCode, again.logs.filter(({ level }) => level !== 'DEBUG')]).toEqual([
          0,
          first.logs.filter(({ level }) => level === 'WARNING'),
        ]);
        expect(inspect(unit.resources, { depth: null })).toBe(asked);
      });
    });
  }
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
