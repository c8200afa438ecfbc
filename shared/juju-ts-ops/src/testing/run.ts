import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Charm } from '../charm.ts';
import type { Charmcraft, Endpoints, OptionSchemas } from '../charmcraft.ts';
import type { BagSchema } from '../databag.ts';
import type { EventSchemas } from '../events.ts';
import { runEvent } from '../main.ts';
import { LONGEST_WORD } from '../process.ts';
import { checkConsistency } from './consistency.ts';
import { environmentOf } from './environment.ts';
import type { ActionOutcome, Call, LogLine } from './hook-run.ts';
import { FakeJuju } from './juju.ts';
import { recordingMachine } from './machine.ts';
import type { State, StatusState, TestEvent } from './state.ts';

/** The result of one event. */
export interface Outcome<C extends Charmcraft = Charmcraft> {
  /** What Juju knows afterwards. If the hook failed, only what takes effect at once. */
  readonly state: State<C>;
  /** `killed`: by `juju-reboot --now` or a signal. Juju runs the hook again. */
  readonly exitCode: number | 'killed';
  /** How long it ran. */
  readonly milliseconds: number;
  /** Every status that the charm set, in order. */
  readonly statuses: readonly StatusState[];
  readonly appStatuses: readonly StatusState[];
  /** In order. As in Juju, what the charm prints is `DEBUG`, and what it writes to stderr is `WARNING`. */
  readonly logs: readonly LogLine[];
  /** Every tool that ran, in order. */
  readonly calls: readonly Call[];
  /** If the event was an action. */
  readonly action?: ActionOutcome;
  readonly reboot?: 'after-hook' | 'now';
  /** How many storage instances of each name the charm asked for. */
  readonly storageAdded: Readonly<Record<string, number>>;
}

/** Runs the events of a charm: in this process, or with its built `dispatch`. */
export interface TestUnit<C extends Charmcraft> {
  /** @throws {InconsistentStateError} if Juju never reaches the state, or never runs the event in it. */
  run(event: TestEvent<C>, state: State<C>): Promise<Outcome<C>>;
}

/** A unit in this process, which records what its plans asked of the machine. */
export interface InProcessUnit<C extends Charmcraft, Resource> extends TestUnit<C> {
  /** What the last plan asked of the machine; absent if there was no plan. */
  readonly resources: readonly Resource[] | undefined;
  /** In how many seconds the unit reconciles by itself after the last event; absent if it waits for the next event. */
  readonly reconcileIn: number | undefined;
}

/**
 * A unit of a charm in this process, with a machine that only records. Replace what the charm's `read` asks the real
 * machine: `inProcess({ ...charm, read: async (juju) => ({ ...(await charm.read(juju)), … }) })`.
 *
 * @param charmDirectory where the charm keeps its files; if absent, an empty folder for each event
 */
export function inProcess<
  C extends Charmcraft,
  S extends OptionSchemas<C>,
  E extends Endpoints<C>,
  CharmState,
  Resource,
  B extends BagSchema,
  V extends EventSchemas,
>(charm: Charm<C, S, E, CharmState, Resource, B, V>, charmDirectory?: string): InProcessUnit<C, Resource> {
  const machine = recordingMachine<Resource>();
  let reconcileIn: number | undefined;
  return {
    get resources() {
      return machine.resources;
    },
    get reconcileIn() {
      return reconcileIn;
    },

    async run(event, state) {
      checkConsistency(charm.charmcraft, state, event);
      const juju = new FakeJuju(charm.charmcraft, state, event);
      const folder = charmDirectory ?? (await mkdtemp(join(tmpdir(), 'charm-')));
      const start = performance.now();
      const killed = Promise.withResolvers<'killed'>();
      const { scheduled } = machine;
      const exitCode = await Promise.race([
        killed.promise,
        runEvent(
          { ...charm, machine },
          {
            environment: environmentOf(state, event, folder),
            runTool: async (tool, args, input) => {
              // As a process is refused.
              if (args.some((word) => word.includes('\0') || Buffer.byteLength(word) > LONGEST_WORD))
                throw new Error(`spawn ${tool}: a word that no command line can have`);
              const answer = juju.answer(tool, args, input);
              // Juju kills the process, which therefore never hears the end of this.
              if (juju.reboot === 'now') {
                killed.resolve('killed');
                await new Promise(() => {});
              }
              return answer.exitCode === 127 ? { stdout: '', stderr: '', problem: 'missing' } : answer;
            },
            print: (message) => juju.logs.push({ level: 'DEBUG', message }),
          },
        ),
      ]);
      reconcileIn = machine.scheduled === scheduled ? undefined : machine.scheduled?.delay;
      if (folder !== charmDirectory) await rm(folder, { recursive: true, force: true });
      return outcomeOf(juju, exitCode, performance.now() - start);
    },
  };
}

export function outcomeOf<C extends Charmcraft>(
  juju: FakeJuju<C>,
  exitCode: number | 'killed',
  milliseconds: number,
): Outcome<C> {
  const ended = exitCode === 0 && juju.problem !== undefined ? 1 : exitCode;
  if (ended !== exitCode)
    juju.logs.push({ level: 'ERROR', message: `committing requested changes failed: ${juju.problem}` });
  const code = ended === 'killed' ? 1 : ended;
  const action = juju.action(code);
  return {
    state: juju.finish(code),
    exitCode: ended,
    milliseconds,
    statuses: juju.statuses,
    appStatuses: juju.appStatuses,
    logs: juju.logs,
    calls: juju.calls,
    ...(action && { action }),
    ...(juju.reboot && { reboot: juju.reboot }),
    storageAdded: juju.storageAdded,
  };
}
