import type { ActionResult } from './result.ts';
import { unitsOf, type ModelStatus } from './status.ts';

/** The command `juju` failed. */
export class JujuCommandError extends Error {
  override readonly name = 'JujuCommandError';
  /** The words of the command line, without what was in files. */
  readonly args: readonly string[];
  /** Absent if it could not be started, or took too long and was stopped. */
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(args: readonly string[], exitCode: number | undefined, stderr: string) {
    super(`juju ${args.join(' ')}: ${stderr.trim() || `exit code ${exitCode ?? 'unknown'}`}`);
    this.args = args;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** An action, or a command on a unit, failed. */
export class ActionFailedError extends Error {
  override readonly name = 'ActionFailedError';
  readonly result: ActionResult;

  constructor(result: ActionResult) {
    const reason = result.message ?? (result.stderr.trim() || `exit code ${result.returnCode}`);
    super(`${result.unit}, task ${result.id} ${result.status}: ${reason}`);
    this.result = result;
  }
}

/** The model did not reach the expected state. */
export class WaitError extends Error {
  override readonly name = 'WaitError';
  /** The last status. */
  readonly status: ModelStatus;

  constructor(why: string, status: ModelStatus) {
    const lines = unitsOf(status).map(
      ({ name, workload, message, agent }) => `${name} ${workload} (${agent}) ${message}`,
    );
    super(`${why}:\n${lines.join('\n')}`);
    this.status = status;
  }
}
