import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@maas-ha/host';
import { REGION_HTTP_PORT } from '@maas-ha/maas';
import { NotYetError } from 'juju-ts-ops';
import { z } from 'zod';

/** How long one question to regiond may take, in milliseconds. */
const QUESTION_TIMEOUT = 3000;
/** How long a hook waits for regiond to serve, in milliseconds; it takes a quarter of a minute on a busy machine. */
const START_TIMEOUT = 90_000;

const EventLoops = z.object({ eventloops: z.record(z.string(), z.unknown()).nullish() });

/**
 * Whether the region controller of this machine serves, and has its own event loops in the cluster's list. The
 * state of its systemd unit says nothing: regiond is `active` while it tries to start for ever.
 */
export async function isServing(hostname: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${REGION_HTTP_PORT}/MAAS/rpc/`, {
      signal: AbortSignal.timeout(QUESTION_TIMEOUT),
    });
    const { eventloops } = EventLoops.parse(await response.json());
    const [short = ''] = hostname.split('.');
    return response.ok && Object.keys(eventloops ?? {}).some((loop) => loop.startsWith(`${short}:pid=`));
  } catch {
    return false;
  }
}

/** Waits until regiond serves. @throws {NotYetError} */
export async function awaitServing(hostname: string): Promise<void> {
  const end = Date.now() + START_TIMEOUT;
  while (!(await isServing(hostname))) {
    if (Date.now() > end)
      throw new NotYetError('waiting for regiond to serve; journalctl -u maas-regiond says why it does not');
    await sleep(500);
  }
}

/** Migrates the database to the installed MAAS. Only one region may do it, and only while no other does. */
export async function migrateDatabase(): Promise<void> {
  await run(['maas-region', 'dbupgrade'], { timeout: 30 * 60_000 });
}
