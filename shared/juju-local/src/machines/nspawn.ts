import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupNames, inCgroup, killCgroup, processesOf } from './cgroup.ts';
import { bootProblem, inotify, raiseInotify } from './boot.ts';
import { attempt, command, type Argv } from './command.ts';
import { enter, run } from './enter.ts';
import { missingOnHost } from './host.ts';
import { rootImage } from './image.ts';
import { MachineDown, type MachineInfo, type Machines, type RunOptions, type RunResult } from './machines.ts';
import { ModelNetwork } from './network.ts';
import { SharedFolder } from './shared.ts';

/** What all models share: root images, downloaded packages and charms. */
export const CACHE = '/var/cache/juju-local';

/** How many versions of a downloaded package are kept. */
const VERSIONS_KEPT = 3;

/** How long a machine may take to boot, in milliseconds. */
const BOOT_TIMEOUT = 120_000;

/** A folder of this host that every machine sees, read-only. */
export interface Mount {
  readonly host: string;
  readonly machine: string;
}

export interface NspawnOptions {
  readonly model: string;
  /** Where the model's machines live: their disks and the model's network. */
  readonly directory: string;
  /** Asked for whenever a machine boots. */
  readonly mounts?: () => readonly Mount[];
  /** What a new machine has beside the base system. Asked for when it is made. */
  readonly packages?: () => readonly string[];
}

/**
 * Machines that are systemd-nspawn containers: each with a systemd, an address, a disk and a cgroup of its own,
 * all on one bridge. They outlive the process that started them.
 */
export function nspawnMachines(options: NspawnOptions): Machines {
  return new NspawnMachines(options);
}

class NspawnMachines implements Machines {
  readonly #prefix: string;
  readonly #directory: string;
  readonly #mounts: () => readonly Mount[];
  readonly #packages: () => readonly string[];
  readonly #network: ModelNetwork;
  readonly #destroyed = new AbortController();

  constructor({ model, directory, mounts = () => [], packages = () => [] }: NspawnOptions) {
    this.#prefix = `jl${createHash('sha256').update(model).digest('hex').slice(0, 6)}`;
    this.#directory = join(directory, 'machines');
    this.#mounts = mounts;
    this.#packages = packages;
    this.#network = new ModelNetwork(this.#prefix, directory);
  }

  async prepare(progress: (message: string) => void): Promise<void> {
    await raiseInotify();
    await this.#newImage(progress);
    await this.#network.prepare();
  }

  missing(): Promise<readonly string[]> {
    return missingOnHost();
  }

  async start(id: string): Promise<MachineInfo> {
    let nspawn: ChildProcess | undefined;
    if ((await this.#leader(id)) === undefined) {
      // Whatever a crash has left of an earlier boot goes first.
      await this.#unplug(id);
      const namespace = await this.#network.connect(id);
      await this.#mountDisk(id);
      nspawn = await this.#boot(id, namespace);
    }
    await this.#awaitBoot(id, nspawn);
    return this.#info(id, 'running');
  }

  async stop(id: string): Promise<void> {
    await this.#unplug(id);
    await this.#harvestPackages(id);
  }

  async remove(id: string): Promise<void> {
    await this.stop(id);
    await rm(join(this.#directory, id), { recursive: true, force: true });
  }

  async subnet(): Promise<string> {
    return `${await this.#network.subnet()}.0/24`;
  }

  async list(): Promise<MachineInfo[]> {
    const ids = await readdir(this.#directory).catch(() => []);
    return Promise.all(
      ids
        .sort((a, b) => Number(a) - Number(b))
        .map(async (id) => this.#info(id, (await this.#leader(id)) === undefined ? 'stopped' : 'running')),
    );
  }

  async run(id: string, argv: Argv, options?: RunOptions): Promise<RunResult> {
    const inside = enter(await this.#runningLeader(id), argv, options);
    return run(await inCgroup(this.#runs(id), inside), options);
  }

  async killRuns(id: string): Promise<void> {
    await killCgroup(this.#runs(id));
  }

  async attach(id: string, argv: Argv): Promise<number> {
    const [program, ...args] = enter(await this.#runningLeader(id), argv, {
      env: { HOME: '/root', USER: 'root', TERM: process.env['TERM'] ?? 'dumb' },
    });
    const child = spawn(program, args, { stdio: 'inherit' });
    await once(child, 'exit');
    return child.exitCode ?? 1;
  }

  jujuDirectory(id: string): string {
    return this.#path(id, 'juju');
  }

  async destroy(): Promise<void> {
    this.#destroyed.abort();
    for (const name of await cgroupNames(`${this.#prefix}-`)) await killCgroup(name);
    const mounts = (await readFile('/proc/self/mounts', 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const path of mounts.toReversed()) {
      if (path.startsWith(`${this.#directory}/`)) await attempt(['umount', path]);
    }
    await this.#network.destroy();
    for (const id of await readdir(this.#directory).catch(() => [])) await this.#harvestPackages(id);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Powers a machine off and takes its disk and its network away, however much of them there is. */
  async #unplug(id: string): Promise<void> {
    await killCgroup(this.#runs(id));
    await killCgroup(this.#name(id));
    await attempt(['umount', '--recursive', this.#path(id, 'root')]);
    await this.#network.disconnect(id);
  }

  /** @throws {MachineDown} */
  async #runningLeader(id: string): Promise<number> {
    const leader = await this.#leader(id);
    if (leader === undefined) throw new MachineDown(`machine ${id} is not running`);
    return leader;
  }

  /** The cgroup of what runs on a machine without belonging to one of its services. */
  #runs(id: string): string {
    return `${this.#name(id)}-runs`;
  }

  #name(id: string): string {
    return `${this.#prefix}-${id}`;
  }

  #path(id: string, name: 'root' | 'upper' | 'work' | 'juju' | 'image' | 'console.log'): string {
    return join(this.#directory, id, name);
  }

  async #info(id: string, state: MachineInfo['state']): Promise<MachineInfo> {
    return { id, hostname: this.#hostname(id), address: await this.#network.addressOf(id), state };
  }

  #hostname(id: string): string {
    return `juju-${this.#prefix.slice(2)}-${id}`;
  }

  async #mountDisk(id: string): Promise<void> {
    const [root, upper, work, juju] = [
      this.#path(id, 'root'),
      this.#path(id, 'upper'),
      this.#path(id, 'work'),
      this.#path(id, 'juju'),
    ];
    for (const folder of [root, upper, work, juju]) await mkdir(folder, { recursive: true });
    const hostname = this.#hostname(id);
    const etc = join(upper, 'etc');
    if (!existsSync(join(etc, 'hostname'))) {
      await this.#seedPackages(id);
      await mkdir(etc, { recursive: true });
      await writeFile(
        join(etc, 'hosts'),
        `127.0.0.1 localhost\n${await this.#network.addressOf(id)} ${hostname}\n::1 localhost ip6-localhost\n`,
      );
      // Last, because it tells that the rest is there.
      await writeFile(join(etc, 'hostname'), `${hostname}\n`);
    }
    // Installing packages takes half the time when nothing waits for the host's disk. A machine's plug being pulled
    // loses nothing by it, but the host's own would; so the kernel wants to be told that this is not what happened.
    await rm(join(work, 'work/incompat'), { recursive: true, force: true });
    const image = (await this.#imageOf(id)).join(':');
    const layers = `lowerdir=${image},upperdir=${upper},workdir=${work},volatile`;
    await command(['mount', '-t', 'overlay', 'overlay', '-o', layers, root]);
  }

  #newImage(progress: (message: string) => void = () => undefined): Promise<readonly string[]> {
    return rootImage(CACHE, this.#packages(), { progress, cancelSignal: this.#destroyed.signal });
  }

  /** The image that a machine was made of: its disk has only what differs from that. */
  async #imageOf(id: string): Promise<readonly string[]> {
    const file = this.#path(id, 'image');
    const known = (await readFile(file, 'utf8').catch(() => '')).split('\n');
    if (known.every((folder) => existsSync(folder))) return known;
    const image = await this.#newImage();
    await writeFile(file, image.join('\n'));
    return image;
  }

  async #boot(id: string, namespace: string): Promise<ChildProcess> {
    const name = this.#name(id);
    const binds = this.#mounts().map(({ host, machine }) => `--bind-ro=${host}:${machine}`);
    await using log = await open(this.#path(id, 'console.log'), 'a');
    const [program, ...args] = await inCgroup(name, [
      'systemd-nspawn',
      '--quiet',
      '--register=no',
      '--keep-unit',
      '--boot',
      `--directory=${this.#path(id, 'root')}`,
      `--machine=${name}`,
      `--network-namespace-path=${namespace}`,
      '--capability=CAP_NET_ADMIN,CAP_NET_RAW',
      '--resolv-conf=copy-host',
      '--console=pipe',
      // A host may have no machine-id for it, being a container itself.
      '--link-journal=no',
      `--bind=${this.jujuDirectory(id)}:/var/lib/juju`,
      ...binds,
    ]);
    this.#destroyed.signal.throwIfAborted();
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network' },
    });
    child.on('error', () => undefined); // the wait below notices that there is no machine
    child.unref();
    return child;
  }

  /** @param nspawn what boots it, if this process has started it: once that has ended there is nothing to wait for */
  async #awaitBoot(id: string, nspawn: ChildProcess | undefined): Promise<void> {
    const end = performance.now() + BOOT_TIMEOUT;
    while (performance.now() < end) {
      this.#destroyed.signal.throwIfAborted();
      if (typeof nspawn?.exitCode === 'number' || typeof nspawn?.signalCode === 'string') break;
      const leader = await this.#leader(id);
      if (leader !== undefined) {
        const { stdout } = await run(enter(leader, ['systemctl', 'is-system-running']));
        if (['running', 'degraded'].includes(stdout.trim())) return;
      }
      await sleep(50);
    }
    const problem = await this.#whyNotBooted(id, nspawn);
    // The next start begins anew, and does not wait for this one.
    await this.#unplug(id);
    throw new Error(problem);
  }

  async #whyNotBooted(id: string, nspawn: ChildProcess | undefined): Promise<string> {
    const leader = await this.#leader(id);
    const ask = async (...args: readonly string[]): Promise<string> => {
      if (leader === undefined) return '';
      const asked = run(enter(leader, ['systemctl', ...args, '--no-legend', '--plain']));
      return Promise.race([asked.then(({ stdout }) => stdout.trim()), sleep(5000, 'silent')]);
    };
    const ended = nspawn?.signalCode ?? nspawn?.exitCode;
    return bootProblem(id, {
      ...(typeof ended === 'number' || typeof ended === 'string' ? { ended: String(ended) } : {}),
      ...(leader !== undefined && {
        state: await ask('is-system-running'),
        jobs: await ask('list-jobs'),
        failed: await ask('list-units', '--failed'),
      }),
      console: await readFile(this.#path(id, 'console.log'), 'utf8').catch(() => ''),
      inotify: await inotify(),
      seconds: BOOT_TIMEOUT / 1000,
    });
  }

  /** The machine's own pid 1, as this host numbers it: the child of its systemd-nspawn. */
  async #leader(id: string): Promise<number | undefined> {
    const name = this.#name(id);
    for (const pid of await processesOf(name)) {
      const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (!argv.startsWith('systemd-nspawn\0') || !argv.includes(`\0--machine=${name}\0`)) continue;
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
      for (const child of children.trim().split(' ')) {
        // While nspawn sets the machine up its child still has nspawn's own arguments.
        const init = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
        if (/^\S*(systemd|init)\0/.test(init)) return Number(child);
      }
    }
    return undefined;
  }

  /** Gives a new machine the packages that others have downloaded before. */
  async #seedPackages(id: string): Promise<void> {
    await mkdir(this.#path(id, 'upper'), { recursive: true });
    await using disk = await SharedFolder.open(this.#path(id, 'upper'));
    await using target = await disk.folder(ARCHIVES);
    await using _partial = await target.folder('partial');
    for (const name of await packagesIn(join(CACHE, 'archives')))
      // Another machine may drop it just now.
      await target.put(join(CACHE, 'archives', name), name).catch(ignoreMissing);
  }

  async #harvestPackages(id: string): Promise<void> {
    const target = join(CACHE, 'archives');
    await mkdir(target, { recursive: true });
    await takePackages(this.#path(id, 'upper'), target);
    await dropOldPackages(target);
  }
}

/** Where apt keeps what it has downloaded. */
const ARCHIVES = 'var/cache/apt/archives';

async function packagesIn(folder: string): Promise<string[]> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith('.deb'));
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

/**
 * Copies what a machine has downloaded to where all machines get it from; each file is there whole or not at all. Several
 * machines come and go at a time.
 * @param disk of the machine, which is off
 */
export async function takePackages(disk: string, to: string): Promise<void> {
  if (!existsSync(disk)) return;
  await using root = await SharedFolder.open(disk);
  const folder = await root.existing(ARCHIVES).catch(() => undefined);
  if (!folder) return;
  await using from = folder;
  for (const name of await packagesIn(from.path('.'))) {
    if (existsSync(join(to, name))) continue;
    const unfinished = join(to, `.${randomUUID()}`);
    await from.take(name, unfinished);
    if (existsSync(unfinished)) await rename(unfinished, join(to, name));
  }
}

/** Packages are only ever replaced by newer ones; a few are kept, because machines may have different sources. */
export async function dropOldPackages(folder: string): Promise<void> {
  const versions = Map.groupBy(await readdir(folder), (name) => name.replace(/_[^_]*_/, '_'));
  for (const names of [...versions.values()].filter(({ length }) => length > VERSIONS_KEPT)) {
    const files = await Promise.all(
      names.map(async (name) => ({ name, time: await timeOf(join(folder, name)) })),
    );
    for (const { name } of files.toSorted((a, b) => b.time - a.time).slice(VERSIONS_KEPT))
      await rm(join(folder, name), { force: true });
  }
}

/** When a file was written; of one that is gone, because another machine's packages are looked after too, long ago. */
async function timeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
