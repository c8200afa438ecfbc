import { existsSync } from 'node:fs';
import type { Installation } from '@maas-ha/maas';
import { lastLines, run, serviceStates, tryRun } from 'juju-ts-host';

const CHECKER = '/usr/bin/named-checkconf';

/**
 * Why named does not take its configuration; `undefined` where it does, or where MAAS uses no named of the machine.
 * @param checker so that tests can have another one
 */
export async function findDnsProblem(
  { usesNamed }: Installation,
  checker = CHECKER,
): Promise<string | undefined> {
  if (!usesNamed || !existsSync(checker)) return undefined;
  const { exitCode, stdout, stderr } = await tryRun([checker]);
  return exitCode === 0 ? undefined : lastLines(stdout || stderr, 1);
}

/**
 * Takes the options that MAAS sets itself out of BIND's own file and into MAAS' settings, because named accepts no
 * option twice. MAAS' package does so when it is installed, but without a database it leaves `forwarders` in place.
 * The command `setup-dns`, which the package runs as well, is not for a region that serves: it throws away MAAS' zones and keys.
 */
export async function migrateDnsOptions(maas: Installation, checker = CHECKER): Promise<void> {
  await tryRun(maas.region('edit_named_options', '--migrate-conflicting-options'));
  if ((await findDnsProblem(maas, checker)) === undefined)
    await run(['systemctl', 'restart', 'named.service']);
}

/** Whether named is to run and does not. One that somebody has disabled is not missed, and keepalived does not track it either. */
export async function isNamedDown({ usesNamed }: Installation): Promise<boolean> {
  if (!usesNamed) return false;
  const [named] = await serviceStates(['named']);
  return named !== undefined && named.isEnabled && !named.isRunning;
}

/** Systemd gives up one that has failed a few times; what was in its way may be gone. Whether it runs then the status says. */
export async function startNamed(): Promise<void> {
  await tryRun(['systemctl', 'reset-failed', 'named.service']);
  await tryRun(['systemctl', 'start', 'named.service']);
}
