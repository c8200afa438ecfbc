/** Who can make a problem go away: the user, time (a later hook succeeds by itself), or only a change of the charm. */
export type Remedy = 'user' | 'retry' | 'bug';

/** Base of every error that juju-ts-ops throws. `code` is stable, so code may depend on it. */
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

/** The user asked for something that is not possible. The message says what to type instead. */
export class UserError extends CharmError {
  /** What is wrong, one by one. The message has all of it. */
  readonly problems: readonly string[];

  constructor(problems: string | readonly string[], options?: ErrorOptions) {
    const all = typeof problems === 'string' ? [problems] : problems;
    super('user', 'user', all.join('; '), options);
    this.problems = all;
  }
}

/** Something is not available yet. The user need not act. */
export class WaitingError extends CharmError {
  constructor(message: string, options?: ErrorOptions) {
    super('not-yet', 'retry', message, options);
  }
}

/** Which run of which tool an error comes from. */
export interface ToolCall {
  readonly tool: string;
  /** 2 for wrong arguments, 1 for a failure at run time; absent where the tool did not end by itself. */
  readonly exitCode?: number | undefined;
  /** The relation that it was asked about. */
  readonly relation?: number;
  /** The unit and the hook that asked, `web/0, db-relation-changed (db:7, mysql/0)`. */
  readonly during?: string;
}

/** A hook tool refused. `code` is `hook-tool`, or that of the subclass. */
export class HookToolError extends CharmError {
  readonly tool: string;
  readonly exitCode: number | undefined;
  readonly relation?: number;
  readonly during?: string;

  constructor(
    call: ToolCall,
    message: string,
    {
      code = 'hook-tool',
      remedy = 'bug',
      ...options
    }: ErrorOptions & { code?: string; remedy?: Remedy } = {},
  ) {
    super(code, remedy, `${call.tool}: ${message}`, options);
    this.tool = call.tool;
    this.exitCode = call.exitCode;
    if (call.relation !== undefined) this.relation = call.relation;
    if (call.during !== undefined) this.during = call.during;
  }
}

/** The relation is gone, or never existed. */
export class RelationNotFoundError extends HookToolError {
  constructor(call: ToolCall, message: string) {
    super(call, message, { code: 'relation-not-found' });
  }
}

/** The secret is gone, never existed, or is not granted to this unit. */
export class SecretNotFoundError extends HookToolError {
  constructor(call: ToolCall, message: string, options: ErrorOptions & { readonly remedy?: Remedy } = {}) {
    super(call, message, { ...options, code: 'secret-not-found' });
  }
}

/** Only the leader may do or read this. */
export class NotLeaderError extends HookToolError {
  constructor(call: ToolCall, message: string) {
    super(call, message, { code: 'not-leader' });
  }
}

/** The tool did not answer in time, and was stopped. */
export class ToolTimeoutError extends HookToolError {
  constructor(call: ToolCall, message: string) {
    super(call, message, { code: 'tool-timeout' });
  }
}

/** This Juju does not have the tool. */
export class ToolMissingError extends HookToolError {
  constructor(call: ToolCall, message: string) {
    super(call, message, { code: 'tool-missing' });
  }
}

/** The charm asked for something that Juju never allows: a bug of the charm. */
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
  return isDiskError(error) ? 'user' : 'bug';
}

/** A disk that is full, or cannot be written to: no change of a charm mends that. Node says which file it was. */
function isDiskError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EROFS'].includes(String(error.code))
  );
}

/**
 * An answer, or `undefined` where it fails with this kind of error. Every other error is thrown.
 * @example await undefinedOn(HookToolError, juju.goalState())
 */
export async function undefinedOn<T>(
  kind: abstract new (...args: never) => Error,
  answer: Promise<T>,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof kind) return undefined;
    throw error;
  }
}
