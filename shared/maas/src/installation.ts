import { existsSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Argv, Resource } from 'juju-ts-host';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import type { Redacted } from 'juju-ts-ops';

/** What region and rack controllers authenticate with: 16 bytes in lower-case hexadecimal digits. */
export const MAAS_SECRET = /^[0-9a-f]{32}$/;

/** The two kinds of controller, which may share a machine and then share their files. */
export type Role = 'region' | 'rack';
export const ROLES: readonly Role[] = ['region', 'rack'];

/** What a unit that goes leaves behind. */
export interface Left {
  /** Whether the other kind of controller is on this machine, and goes on. */
  readonly hasOther: boolean;
  /** Whether a person has installed it and handed it over: then it is stopped, and stays. */
  readonly isAdopted: boolean;
}

/** What is installed of MAAS on this machine. */
export interface Installed {
  /** As the packages have it: `1:3.7.3-…`; absent: nothing is. */
  readonly version?: string;
  /** What has to be upgraded together, the one that counts first. */
  readonly packages: readonly [string, ...string[]];
  /** Where it is not quite what the source says, in words for a status. */
  readonly note?: string;
}

/**
 * How MAAS is installed on a machine: where it keeps what, what runs it, and how it is installed, upgraded, stopped and
 * removed. The charms know it by this alone.
 */
export interface Installation {
  /** What waits to be installed, in words. */
  readonly name: string;
  /** The configuration file of each controller. */
  readonly conf: Readonly<Record<Role, string>>;
  /** Who may read the configuration beside root. */
  readonly group: string;
  /** What MAAS makes of a configuration file before it counts, with `{}` for its path; absent: it has no way to be asked. */
  validateRegion?(): Argv;
  /** Whom the files belong to that MAAS' own daemons write. */
  readonly user: string;
  /** Region and rack authenticate with what is in it. */
  readonly secretFile: string;
  /** Written once a controller is known to MAAS. */
  readonly idFile: string;
  /** The regions that have taken a rack in since rackd started, one URL a line: rackd writes it then, and at no other time. */
  readonly rpcState: string;
  /** What makes a machine a controller that MAAS knows: files, and folders of which the content does. Stale certificates would not be replaced either. */
  readonly identity: readonly string[];
  /** What makes a region and is not in the database. */
  readonly backedUp: readonly string[];
  /** The folder of the sockets on which regiond's workers answer. */
  readonly sockets: string;
  /** A folder in which MAAS' commands can read what is not theirs; it need not be there. */
  readonly scratch: string;
  /** Whether the machine's named serves DNS for MAAS, and not a BIND of MAAS' own. */
  readonly usesNamed: boolean;

  /** `maas-region` with these arguments. */
  region(...args: readonly string[]): Argv;
  /**
   * How a user reads what a controller says: `journalctl -u maas-regiond`.
   * @param version of MAAS: `3.7`; `undefined` before it is installed
   */
  log(role: Role, version: string | undefined): string;
  /** The slots of a snap by which a collector reads what controllers do not say in the journal. */
  logSlots(version: string | undefined): readonly string[];
  /** How a user sees which parts of MAAS run. */
  readonly overview: string;
  /** Whether a kind of controller is installed on this machine. */
  isInstalled(role: Role, root?: string): boolean;
  /** Whether a kind of controller that is installed also knows what it is. */
  isInitialised(role: Role): boolean;
  installed(role: Role, source: string): Promise<Installed>;
  /** The services of a region that are there, in the order in which they start; none where it could not run. */
  regionServices(): readonly string[];
  /** Those of them that serve, which restart before the others do. */
  readonly serving: readonly string[];
  /** The service that runs a rack. @param version of MAAS: `3.7` */
  rackService(version: string): string;
  /** Whether a rack on a region's machine runs in the region's own service. */
  readonly isOneService: boolean;

  /**
   * Has it installed from a source, once.
   * @param tools Debian packages that the charm needs beside it
   */
  install(role: Role, source: string, tools: readonly string[]): readonly Resource[];
  /** Takes over what a person has installed. */
  adopt(role: Role): Promise<void>;
  /** Stops what being installed has started by itself. */
  stopFresh(role: Role): Promise<void>;
  /** Reads anew what the sources offer. */
  refreshOffers(): Promise<void>;
  /** The newest version that a source offers. */
  offered(name: string, source: string): Promise<string | undefined>;
  /** Finds out whether a version can be installed on this machine, and has it at hand where that can be. */
  fetch(names: readonly string[], version: string): Promise<void>;
  /** Has what is installed follow a source that offers nothing else. */
  follow(source: string): Promise<void>;
  /** @param names as {@link Installed.packages} */
  upgrade(names: readonly string[], version: string, source: string): readonly Resource[];
  /** What is left of a region that runs no more. @param tools as given to {@link install} */
  removeRegion(left: Left, tools: readonly string[]): readonly Resource[];
  removeRack(left: Left): readonly Resource[];

  /** Tells an installed MAAS that it is a region, and starts it; its database has been migrated. */
  initialiseRegion(url: string, database: DatabaseConnection): Promise<void>;
  initialiseRack(url: string, secret: Redacted): Promise<void>;
  /** Keeps a region from starting, whatever its packages do, also after the machine does, until it is released. */
  holdRegion(): Promise<void>;
  releaseRegion(): Promise<void>;
  isRegionHeld(): boolean;
  /** No region runs. @param services that a region has here */
  standstill(services: readonly string[]): readonly Resource[];
  /**
   * Stops a region so that MAAS knows that it has gone, after the balancers have been turned away.
   * @param timeout how long regiond may take before it is killed, in milliseconds; for tests
   */
  stopRegion(timeout?: number): Promise<void>;
  /** Starts one that was stopped, as far as it starts first; now, and when the machine does. @param services that a region has here */
  startRegion(services: readonly string[]): Promise<void>;
  /** Stops a region like {@link stopRegion}, with all that it consists of; also after the machine starts anew. */
  pauseRegion(): Promise<void>;
  /** Makes a paused region one that can be started. */
  resumeRegion(): Promise<void>;
  pauseRack(): Promise<void>;
  resumeRack(): Promise<void>;
}

/**
 * Forgets who this machine was to another MAAS, or in the image that it was cloned from. Only for a controller
 * that has just been installed: two machines with one identity take each other's place. Where the other kind of
 * controller is here too, the identity is its own as well, and stays.
 * @param root so that tests can have it elsewhere
 */
export async function forgetIdentity(maas: Installation, role: Role, root = '/'): Promise<void> {
  await maas.stopFresh(role);
  if (maas.isInstalled(role === 'region' ? 'rack' : 'region', root)) return;
  for (const path of maas.identity) await empty(join(root, path));
}

/** Takes a file away, and what is in a folder: the folder itself is its package's, which makes it only once. */
async function empty(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  const paths = found?.isDirectory() ? (await readdir(path)).map((name) => join(path, name)) : [path];
  for (const each of paths) await rm(each, { recursive: true, force: true });
}

/** Whether systemd knows a service from a file of its own package. */
export function hasUnit(name: string, folders: readonly string[], root = '/'): boolean {
  return folders.some((folder) => existsSync(join(root, folder, `systemd/system/${name}.service`)));
}
