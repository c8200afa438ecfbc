import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from 'juju-ts-host';
import type { Instance } from './state.ts';
import { STATE_DIRECTORY } from './render/notify.ts';
import { PEERS_NFT } from './render/peers-nft.ts';

/** Has systemd read what was written for keepalived.service. */
export async function daemonReload(): Promise<void> {
  await run(['systemctl', 'daemon-reload']);
}

/**
 * Has the kernel keep the other addresses of a subnet when the primary one goes, until the next boot. A keepalived of an
 * older revision holds addresses with their subnet: such a one may have become the primary, and the machine's own would
 * go with it. systemd sets that on most machines; a container that may not leaves it as it is.
 */
export async function keepSecondaries(devices: readonly string[]): Promise<void> {
  for (const device of devices)
    await writeFile(`/proc/sys/net/ipv4/conf/${device}/promote_secondaries`, '1').catch(() => {});
}

/** Loads the firewall rules that have gone; keepalived goes on meanwhile. */
export async function loadFilter(): Promise<void> {
  await run(['nft', '--file', PEERS_NFT]);
}

/**
 * Waits until keepalived has said what each instance is, so that this very hook can tell the others.
 * @param advertInterval seconds
 */
export async function settle(instances: readonly Instance[], advertInterval: number): Promise<void> {
  // The first check of a tracked service, and then three adverts that did not come.
  const timeout = Math.min(1 + 4 * advertInterval, 6);
  const hasSpoken = ({ name }: Instance): boolean => existsSync(join(STATE_DIRECTORY, `${name}.state`));
  for (let waited = 0; waited < timeout && !instances.every(hasSpoken); waited += 0.1) await sleep(100);
  await sleep(Math.min(4 * advertInterval, 4) * 1000);
}
