import { createHash } from 'node:crypto';
import { inspect } from 'node:util';

const HIDDEN = '[redacted]';

/**
 * A value that must not be seen: it prints, stringifies and inspects as `[redacted]`, and is not assignable
 * to `string`, so that it cannot reach a databag, an argument list or a log line unless `reveal` is written out.
 */
export class Redacted {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Hand it to stdin or to a file, never to argv, a databag, a log or a status. */
  reveal(): string {
    return this.#value;
  }

  /** A secret made of this one, a URL with a password for example. */
  map(change: (value: string) => string): Redacted {
    return new Redacted(change(this.#value));
  }

  /** SHA-256 of the value, to tell whether it has changed. */
  digest(): string {
    return createHash('sha256').update(this.#value).digest('hex');
  }

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
