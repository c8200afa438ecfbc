import { setTimeout as sleep } from 'node:timers/promises';
import type { FileResource } from './resources.ts';

/**
 * Path of the file that announces that a service is about to stop, while it still serves. Programs that send it
 * clients send them elsewhere. The file does not survive a reboot.
 */
export function drainMark(service: string): string {
  return `/run/${service}.draining`;
}

/** The file that marks a service as about to stop. */
export function draining(service: string): FileResource {
  return { kind: 'file', path: drainMark(service), content: '', mode: 0o644 };
}

/** How long those who send clients here need to notice the mark, in seconds: keepalived looks every second. */
const DRAIN_TIME = 3;

/** Waits until clients are no longer sent here. @param forSeconds how long the mark has been there */
export async function awaitDrained(forSeconds: number): Promise<void> {
  await sleep(1000 * Math.max(0, DRAIN_TIME - forSeconds));
}
