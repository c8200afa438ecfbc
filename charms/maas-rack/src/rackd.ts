import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ID_FILE } from '@maas-ha/maas';
import { NotYetError } from 'juju-ts-ops';

/** How long a hook waits for a region to take the rack in, in milliseconds; it takes a few seconds. */
const REGISTRATION_TIMEOUT = 30_000;

/** Waits until a region has taken this rack in. @throws {NotYetError} */
export async function awaitRegistration(): Promise<void> {
  const end = Date.now() + REGISTRATION_TIMEOUT;
  while (!existsSync(ID_FILE)) {
    if (Date.now() > end)
      throw new NotYetError(
        'waiting for a region to take this rack in; journalctl -u maas-rackd says why not',
      );
    await sleep(500);
  }
}
