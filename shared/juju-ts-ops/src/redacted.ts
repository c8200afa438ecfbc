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
