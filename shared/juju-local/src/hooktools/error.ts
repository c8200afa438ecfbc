/** Wrong arguments (exit code 2) or a refusal at run time (1), as Juju's own tools tell them apart. */
export class ToolError extends Error {
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
