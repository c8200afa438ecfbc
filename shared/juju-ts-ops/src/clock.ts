import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { z } from 'zod';

/**
 * A moment on this machine, by a clock that nobody sets (CLOCK_BOOTTIME): seconds since it was started, and which start that
 * was. It tells one hook how long ago another one was, and means nothing on another machine.
 */
export type Moment = Readonly<z.infer<typeof Moment>>;
export const Moment = z.object({ boot: z.string(), seconds: z.number() });

/** Now. */
export async function momentNow(): Promise<Moment> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  return { boot: boot.trim(), seconds: uptime() };
}

/**
 * How long ago a moment was, at least, in seconds. Of the time before the machine was started nothing is known, nor of that before a
 * container was, whose kernel goes on.
 */
export function secondsBetween(moment: Moment, now: Moment): number {
  return moment.boot === now.boot && moment.seconds <= now.seconds
    ? now.seconds - moment.seconds
    : now.seconds;
}
