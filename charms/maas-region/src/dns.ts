import { existsSync } from 'node:fs';
import { lastLines, run, tryRun } from '@maas-ha/host';

const CHECKER = '/usr/bin/named-checkconf';
/** The commands that both kinds of controller have. */
const COMMON = '/usr/lib/maas/maas-common';

/** Why named does not take its configuration; `undefined` where it does, or where there is no named. */
export async function findDnsProblem(): Promise<string | undefined> {
  if (!existsSync(CHECKER)) return undefined;
  const { exitCode, stdout, stderr } = await tryRun([CHECKER]);
  return exitCode === 0 ? undefined : lastLines(stdout || stderr, 1);
}

/**
 * Takes the options that MAAS sets itself out of BIND's own file and into MAAS' settings, because named accepts no
 * option twice. MAAS' package does so when it is installed, but without a database it leaves `forwarders` in place.
 * The included files come first: else named finds nothing to include.
 */
export async function migrateDnsOptions(): Promise<void> {
  if (existsSync(COMMON)) await tryRun([COMMON, 'setup-dns']);
  await tryRun(['maas-region', 'edit_named_options', '--migrate-conflicting-options']);
  if ((await findDnsProblem()) === undefined) await run(['systemctl', 'restart', 'named.service']);
}
