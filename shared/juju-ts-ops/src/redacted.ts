import { createHash } from 'node:crypto';
import { inspect } from 'node:util';

const HIDDEN = '[redacted]';

/**
 * A value that nobody may see. It prints, stringifies and inspects as `[redacted]`, and is not assignable to
 * `string`. So it reaches a databag, an argument list or a log line only if you write `reveal`.
 */
export class Redacted {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Pass it through stdin or a file, never through arguments, a databag, a log or a status. */
  reveal(): string {
    return this.#value;
  }

  /** A redacted value made from this one, such as a URL with a password. */
  map(change: (value: string) => string): Redacted {
    return new Redacted(change(this.#value));
  }

  /** SHA-256 of the value, to tell whether it has changed. */
  digest(): string {
    return createHash('sha256').update(this.#value).digest('hex');
  }

  /** Whether the other one holds the same value. */
  equals(other: Redacted): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** Whether a value is redacted, or holds something that is. */
export function holdsRedacted(value: unknown): boolean {
  if (value instanceof Redacted) return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsRedacted);
}
