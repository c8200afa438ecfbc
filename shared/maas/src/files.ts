import { rm } from 'node:fs/promises';
import { run } from '@maas-ha/host';

/** What region and rack controllers authenticate with: 16 bytes in lower-case hexadecimal digits. */
export const MAAS_SECRET = /^[0-9a-f]{32}$/;

export const SECRET_FILE = '/var/lib/maas/secret';
/** Written once a controller is known to MAAS. */
export const ID_FILE = '/var/lib/maas/maas_id';

/**
 * Forgets who this machine was to another MAAS, or in the image that it was cloned from. Only for a controller
 * that has just been installed: two machines with one identity take each other's place.
 * @param service the one that would write it anew
 */
export async function forgetIdentity(service: 'maas-regiond' | 'maas-rackd'): Promise<void> {
  await run(['systemctl', 'stop', `${service}.service`]);
  for (const path of [ID_FILE, SECRET_FILE, '/var/lib/maas/certificates', '/var/lib/maas/rpc.state']) {
    await rm(path, { recursive: true, force: true });
  }
}
