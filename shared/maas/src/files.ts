import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@maas-ha/host';

/** What region and rack controllers authenticate with: 16 bytes in lower-case hexadecimal digits. */
export const MAAS_SECRET = /^[0-9a-f]{32}$/;

/** What MAAS keeps on a machine. */
export const MAAS_HOME = '/var/lib/maas';
export const SECRET_FILE = `${MAAS_HOME}/secret`;
/** Written once a controller is known to MAAS. */
export const ID_FILE = `${MAAS_HOME}/maas_id`;

/** What makes a machine a controller that MAAS knows. Stale certificates would not be replaced either. */
export const IDENTITY = [
  ID_FILE,
  SECRET_FILE,
  `${MAAS_HOME}/certificates`,
  `${MAAS_HOME}/rpc.state`,
] as const;

/** The daemons of the two kinds of controller, which may share a machine and then share their files. */
export type ControllerService = 'maas-regiond' | 'maas-rackd';

/** Whether a kind of controller is installed on this machine. */
export function isControllerInstalled(service: ControllerService, root = '/'): boolean {
  return ['usr/lib', 'lib'].some((folder) =>
    existsSync(join(root, folder, `systemd/system/${service}.service`)),
  );
}

/**
 * Forgets who this machine was to another MAAS, or in the image that it was cloned from. Only for a controller
 * that has just been installed: two machines with one identity take each other's place. Where the other kind of
 * controller is here too, the identity is its own as well, and stays.
 * @param service the one that would write it anew
 * @param root so that tests can have it elsewhere
 */
export async function forgetIdentity(service: ControllerService, root = '/'): Promise<void> {
  await run(['systemctl', 'stop', `${service}.service`]);
  if (isControllerInstalled(service === 'maas-regiond' ? 'maas-rackd' : 'maas-regiond', root)) return;
  for (const path of IDENTITY) await rm(join(root, path), { recursive: true, force: true });
}
