// Clients of MAAS that write through its API, each number over and over until it is acknowledged, and keep what was.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { authorization } from '@maas-ha/maas';
import type { Redacted } from 'juju-ts-ops';

/** How many write at a time, and how long each waits after a write, in milliseconds. */
const WRITERS = 3;
const PACE = 50;
/** How long one waits for an answer before it asks again. */
const TIMEOUT = 3000;

export interface Write {
  /** What is looked for in the database. */
  readonly address: string;
  readonly time: number;
}

export class Writers {
  /** In the order in which they were acknowledged. */
  readonly acknowledged: Write[] = [];
  /** Requests that got no good answer; each was made again. */
  failures = 0;
  readonly #over = new AbortController();
  readonly #url: string;
  readonly #key: Redacted;
  readonly #writing: Promise<unknown>;
  #number = 0;

  /** @param host of MAAS */
  constructor(host: string, key: Redacted) {
    this.#url = `http://${host}/MAAS/api/2.0/ipranges/`;
    this.#key = key;
    this.#writing = Promise.all(Array.from({ length: WRITERS }, () => this.#write()));
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#writing;
  }

  /** The longest time without a write that is acknowledged, since then, in milliseconds. */
  longestGapSince(start: number): number {
    const times = [
      start,
      ...this.acknowledged.map(({ time }) => time).filter((time) => time >= start),
      Date.now(),
    ];
    return Math.max(...times.map((time, index) => time - (times[index - 1] ?? time)));
  }

  async #write(): Promise<void> {
    while (!this.#over.signal.aborted) {
      this.#number += 1;
      const address = `10.${this.#number >> 16}.${(this.#number >> 8) & 255}.${this.#number & 255}`;
      while (!this.#over.signal.aborted && !(await this.#isTaken(address))) {
        this.failures += 1;
        await sleep(PACE);
      }
      await sleep(PACE);
    }
  }

  async #isTaken(address: string): Promise<boolean> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          authorization: authorization(this.#key, randomUUID(), Math.floor(Date.now() / 1000)),
          connection: 'close',
        },
        body: new URLSearchParams({ type: 'dynamic', start_ip: address, end_ip: address }),
        signal: AbortSignal.timeout(TIMEOUT),
      });
      await response.arrayBuffer();
      if (!response.ok) return false;
      this.acknowledged.push({ address, time: Date.now() });
      return true;
    } catch {
      return false;
    }
  }
}
