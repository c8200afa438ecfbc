/** How an action, or a command on a unit, ended. */
export interface ActionResult {
  readonly unit: string;
  /** The number of the task. */
  readonly id: string;
  /** `completed`, `failed`, `aborted`, … */
  readonly status: string;
  /** Why it failed. */
  readonly message?: string;
  /** The results of the action, nested where its keys have dots. */
  readonly results: Readonly<Record<string, unknown>>;
  readonly log: readonly string[];
  readonly returnCode: number;
  readonly stdout: string;
  readonly stderr: string;
}
