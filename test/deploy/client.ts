import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { types } from 'node:util';

/** How often the client asks, in milliseconds. */
const PACE = 20;
/**
 * How long it waits for one answer, in milliseconds: a machine that gives its address away on purpose has TCP begin a
 * connection once more, which takes a second or more, and the next holder may do the same.
 */
const TIMEOUT = 10_000;

/** What a client saw that asked an address all along. */
export interface Watch {
  readonly asked: number;
  /** The requests that got no good answer, each with its time of day and the reason. */
  readonly failures: readonly string[];
  /** The longest time between two good answers, in milliseconds. */
  readonly longestGap: number;
}

/**
 * Asks a URL over and over, each time on a connection of its own, while something else happens.
 * @param timeout how long it waits for one answer, in milliseconds
 */
export async function watching(url: string, what: () => Promise<void>, timeout = TIMEOUT): Promise<Watch> {
  const over = new AbortController();
  const failures: string[] = [];
  let [asked, longestGap] = [0, 0];
  let lastGood = Date.now();
  const asking = (async () => {
    while (!over.signal.aborted) {
      asked += 1;
      try {
        const response = await fetch(url, {
          headers: { connection: 'close' },
          signal: AbortSignal.timeout(timeout),
        });
        await response.arrayBuffer();
        if (!response.ok) throw new Error(`status ${response.status}`);
        longestGap = Math.max(longestGap, Date.now() - lastGood);
        lastGood = Date.now();
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${reasonOf(error)}`);
      }
      await sleep(PACE);
    }
  })();
  try {
    await what();
  } finally {
    over.abort();
    await asking;
  }
  return { asked, failures, longestGap: Math.max(longestGap, Date.now() - lastGood) };
}

/** `fetch` says no more than that it failed; why is in its cause, which another realm than that of the test made. */
function reasonOf(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  return error.cause === undefined ? `${error.name}: ${error.message}` : reasonOf(error.cause);
}

/**
 * What a client of an HTTPS URL reads.
 * @param servername whom it takes to be there; absent: the host of the URL
 * @throws when the CA did not sign for who answers
 */
export function secure(url: string, ca: string, servername?: string): Promise<string> {
  const options = { ca, agent: false, timeout: 3000, ...(servername !== undefined && { servername }) };
  return new Promise((resolve, reject) => {
    const request = get(url, options, (response) => resolve(text(response)));
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}

/**
 * Tries something until it does not throw. @throws its last error after `seconds`.
 * @param pause between two attempts, in milliseconds
 */
export async function eventually<T>(seconds: number, attempt: () => Promise<T>, pause = 500): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(pause);
    }
  }
}
