import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { readFileIfExists } from 'juju-ts-host';
import type { HookContext } from 'juju-ts-ops';
import type { Choice } from './choice.ts';
import { parseMaasConfig, type MaasConfig } from './config.ts';
import type { Role } from './installation.ts';
import { majorMinor } from './packages.ts';
import { pauseMark } from './pause.ts';

/** What a unit of either kind knows of the MAAS on its machine. */
export interface LocalMaas extends Choice {
  /** `3.7`; absent until the package is installed. */
  readonly version?: string;
  /** `1:3.7.3-…`, as the package has it. */
  readonly packageVersion?: string;
  /** The packages of MAAS that have to have the same version. */
  readonly packages: readonly [string, ...string[]];
  /** Where MAAS is not quite what the source says, in words for a status. */
  readonly sourceNote?: string;
  /** Whether MAAS knows what it is, a region or a rack; it is of no use to ask before it is installed. */
  readonly isInitialised: boolean;
  readonly currentConf: MaasConfig;
  readonly hostname: string;
  /** Whether the user has paused this unit. */
  readonly isPaused: boolean;
}

/** @throws {UserError} where the configuration cannot be read */
export async function localMaas(choice: Choice, role: Role, context: HookContext): Promise<LocalMaas> {
  const { maas, source } = choice;
  const path = maas.conf[role];
  const [installed, conf] = await Promise.all([maas.installed(role, source), readFileIfExists(path)]);
  const { version: packageVersion, packages, note } = installed;
  return {
    ...choice,
    ...(packageVersion !== undefined && { version: majorMinor(packageVersion), packageVersion }),
    packages,
    ...(note !== undefined && { sourceNote: note }),
    isInitialised: maas.isInitialised(role),
    currentConf: parseMaasConfig(conf ?? '', path),
    hostname: hostname(),
    isPaused: existsSync(pauseMark(context)),
  };
}
