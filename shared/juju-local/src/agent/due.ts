import type { Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';

/** First and longest delay before a failed hook is tried again, in milliseconds. */
const RETRY = { first: 5000, most: 300_000 };

/** When a failed hook of a unit is tried again, and when its next update-status runs. */
export class DueTimes {
  readonly #model: Model;
  readonly #random: () => number;
  readonly #clock: () => number;
  readonly #retryAt = new Map<string, number>();
  readonly #updateAt = new Map<string, number>();

  constructor(model: Model, random: () => number, clock: () => number) {
    this.#model = model;
    this.#random = random;
    this.#clock = clock;
  }

  /** Goes on with a unit of the last daemon, whose times are not known any more. */
  resume(unit: Unit): void {
    this.postponeUpdateStatus(unit);
    if (unit.failed && !this.#isRetryAutomatic()) this.#retryAt.set(unit.name, Number.POSITIVE_INFINITY);
  }

  forget(unit: Unit): void {
    this.#retryAt.delete(unit.name);
    this.#updateAt.delete(unit.name);
  }

  isRetryDue(unit: Unit): boolean {
    return (this.#retryAt.get(unit.name) ?? 0) <= this.#clock();
  }

  isUpdateStatusDue(unit: Unit): boolean {
    return (this.#updateAt.get(unit.name) ?? Number.POSITIVE_INFINITY) <= this.#clock();
  }

  retryNow(unit: Unit): void {
    this.#retryAt.set(unit.name, 0);
  }

  /** @param attempts how often the hook has failed */
  postponeRetry(unit: Unit, attempts: number): void {
    const delay = Math.min(RETRY.first * 2 ** (attempts - 1), RETRY.most);
    this.#retryAt.set(unit.name, this.#isRetryAutomatic() ? this.#clock() + delay : Number.POSITIVE_INFINITY);
  }

  /** The next update-status is due an interval from now, give or take a fifth. */
  postponeUpdateStatus(unit: Unit): void {
    const interval = seconds(this.#model.settings.config['update-status-hook-interval'] ?? '5m') * 1000;
    this.#updateAt.set(unit.name, this.#clock() + interval * (0.8 + 0.4 * this.#random()));
  }

  #isRetryAutomatic(): boolean {
    return this.#model.settings.config['automatically-retry-hooks'] !== 'false';
  }
}

/** `90s`, `5m`, `1h` → seconds. */
function seconds(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text);
  return Number(match?.[1] ?? 300) * ({ s: 1, m: 60, h: 3600 }[match?.[2] ?? ''] ?? 1);
}
