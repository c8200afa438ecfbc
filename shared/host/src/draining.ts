import { setTimeout as sleep } from 'node:timers/promises';
import type { FileResource } from './resources.ts';

/**
 * The file by which a service says, while it still serves, that it is going to stop. Whoever sends it clients sees it
 * and sends them elsewhere. It is on a file system that does not outlive the machine.
 */
export function drainMark(service: string): string {
  return `/run/${service}.draining`;
}

/** The mark of a service that is going to stop. */
export function draining(service: string): FileResource {
  return { kind: 'file', path: drainMark(service), content: '', mode: 0o644 };
}

/** How long those who send clients here need to notice the mark, in seconds: keepalived looks every second. */
const DRAIN_TIME = 3;

/** Waits until nobody sends clients here any more. @param forSeconds how long the mark has been there */
export async function awaitDrained(forSeconds: number): Promise<void> {
  await sleep(1000 * Math.max(0, DRAIN_TIME - forSeconds));
}
