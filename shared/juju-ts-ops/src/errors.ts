/** Who can make a problem go away: the user, time (a later hook succeeds by itself), or only a change of the charm. */
export type Remedy = 'user' | 'retry' | 'bug';

/** Base of every error that juju-ts-ops throws. `code` is stable and may be switched on. */
export class CharmError extends Error {
  readonly code: string;
  readonly remedy: Remedy;

  constructor(code: string, remedy: Remedy, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.remedy = remedy;
  }
}

/** Something the user asked for that cannot be done as it stands. The message says what to type instead. */
export class UserError extends CharmError {
  constructor(message: string, options?: ErrorOptions) {
    super('user', 'user', message, options);
  }
}

/** Something that is not there yet and will come by itself. */
export class NotYetError extends CharmError {
  constructor(message: string, options?: ErrorOptions) {
    super('not-yet', 'retry', message, options);
  }
}

/** A hook tool refused. `exitCode` is 2 for wrong arguments and 1 for a failure at run time, as in Juju. */
export class HookToolError extends CharmError {
  readonly tool: string;
  readonly exitCode: number | undefined;

  constructor(tool: string, exitCode: number | undefined, message: string, options?: ErrorOptions) {
    super('hook-tool', 'bug', `${tool}: ${message}`, options);
    this.tool = tool;
    this.exitCode = exitCode;
  }
}

/** The relation is gone, or never was. */
export class RelationNotFoundError extends HookToolError {}

/** The secret is gone, never was, or is not granted to this unit. */
export class SecretNotFoundError extends HookToolError {}

/** The charm asked for something that Juju never allows: a mistake in the charm. */
export class CharmBugError extends CharmError {
  constructor(message: string, options?: ErrorOptions) {
    super('charm-bug', 'bug', message, options);
  }
}

/**
 * How an error that reached the top is to be treated. Any error that carries a `remedy` counts, whoever threw
 * it: a library that knows no Juju can still say whether the user or time will help.
 */
export function remedyOf(error: unknown): Remedy {
  if (error instanceof Error && 'remedy' in error && (error.remedy === 'user' || error.remedy === 'retry')) {
    return error.remedy;
  }
  return 'bug';
}
