import type { Charmcraft } from '../charmcraft.ts';
import { isAtLeast } from '../version.ts';
import { HookRun, type ActionOutcome, type Call, type LogLine, type Tools } from './hook-run.ts';
import type { State, StatusState, TestEvent } from './state.ts';
import { actionTools } from './tools/actions.ts';
import { agentTools } from './tools/agent.ts';
import { Refusal } from './tools/command-line.ts';
import { configTools } from './tools/config.ts';
import { modelTools } from './tools/model.ts';
import { networkTools } from './tools/network.ts';
import { payloadTools } from './tools/payloads.ts';
import { portTools } from './tools/ports.ts';
import { relationTools } from './tools/relations.ts';
import { secretTools } from './tools/secrets.ts';
import { statusTools } from './tools/status.ts';
import { unitStateTools } from './tools/unit-state.ts';

/** What one run of a tool gave back. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TOOLS = `
  action-fail action-get action-log action-set application-version-set close-port config-get
  credential-get goal-state is-leader juju-log juju-reboot network-get open-port opened-ports
  relation-get relation-ids relation-list relation-model-get relation-set resource-get
  secret-add secret-get secret-grant secret-ids secret-info-get secret-remove secret-revoke
  secret-set state-delete state-get state-set status-get status-set storage-add storage-get
  storage-list unit-get`
  .trim()
  .split(/\s+/);
const OLD_TOOLS = [
  'leader-get',
  'leader-set',
  'payload-register',
  'payload-status-set',
  'payload-unregister',
];

/** The hook tools of a version of Juju. Juju 4 has not got all that 3.6 has. */
export function toolNames(jujuVersion: string): readonly string[] {
  return isAtLeast(jujuVersion, '4.0') ? TOOLS : [...TOOLS, ...OLD_TOOLS];
}

/**
 * Juju as the tools of one hook show it: it answers from a state, remembers what the charm asks for, and knows what
 * of it counts when the hook fails. The same for tests in this process and for tools on PATH.
 *
 * Its tools, in `tools/`, and those of juju-local, in its `src/hooktools/`, say the same and share no line on purpose:
 * each is written from what Juju says, and `doubles.test.ts` asks both, so that a mistake in one shows.
 */
export class FakeJuju<C extends Charmcraft> {
  readonly calls: Call[] = [];
  readonly logs: LogLine[];
  readonly statuses: readonly StatusState[];
  readonly appStatuses: readonly StatusState[];
  /** How many storage instances of each name were asked for. */
  readonly storageAdded: Readonly<Record<string, number>>;
  readonly #hook: HookRun<C>;
  readonly #tools: Tools;

  constructor(charmcraft: C, state: State<C>, event: TestEvent<C>) {
    const hook = new HookRun(charmcraft, state, event);
    this.logs = hook.logs;
    this.statuses = hook.statuses;
    this.appStatuses = hook.appStatuses;
    this.storageAdded = hook.storageAdded;
    this.#hook = hook;
    this.#tools = {
      ...configTools(hook),
      ...relationTools(hook),
      ...networkTools(hook),
      ...statusTools(hook),
      ...portTools(hook),
      ...unitStateTools(hook),
      ...secretTools(hook),
      ...modelTools(hook),
      ...agentTools(hook),
      ...actionTools(hook),
      ...payloadTools,
    };
  }

  /** Runs one tool. */
  answer(tool: string, args: readonly string[], stdin = ''): Answer {
    const answer = this.#answer(tool, args, stdin);
    this.calls.push({ tool, args, exitCode: answer.exitCode });
    return answer;
  }

  /** What `juju-reboot` was asked for; `now` kills the hook. */
  get reboot(): 'after-hook' | 'now' | undefined {
    return this.#hook.reboot;
  }

  /** Why Juju does not let count what a hook has asked for, though it has succeeded: what makes it fail. */
  get problem(): string | undefined {
    return this.#hook.problem;
  }

  /** What the state is after the hook. */
  finish(exitCode: number): State<C> {
    const { before, applied, pending } = this.#hook;
    const after = { ...before, ...applied };
    return exitCode === 0 ? { ...after, ...pending } : after;
  }

  /** What whoever ran the action sees; absent in a hook. */
  action(exitCode: number): ActionOutcome | undefined {
    const { isAction, action } = this.#hook;
    if (!isAction) return undefined;
    if (exitCode === 0) return action;
    return { ...action, status: 'failed', message: `exit status ${exitCode}` };
  }

  #answer(tool: string, args: readonly string[], stdin: string): Answer {
    try {
      const run = this.#tools[tool];
      if (!run || !toolNames(this.#hook.before.jujuVersion).includes(tool))
        return { exitCode: 127, stdout: '', stderr: `${tool}: command not found\n` };
      return { exitCode: 0, stdout: run(args, stdin), stderr: '' };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { exitCode: error.exitCode, stdout: '', stderr: `ERROR ${error.message}\n` };
    }
  }
}
