import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupNames, makeCgroups, processesOf, removeCgroups } from './cgroup.ts';
import { attempt, command, type Argv } from './command.ts';
import { runInside } from './enter.ts';
import { rootImage } from './image.ts';
import type { MachineInfo, Machines, RunOptions, RunResult } from './machines.ts';
import { ModelNetwork } from './network.ts';

/** What all models share: root images and downloaded packages. */
const CACHE = '/var/cache/juju-local';

/** How long a machine may take to boot, in milliseconds. */
const BOOT_TIMEOUT = 120_000;

/** Writes its own pid into the files before `--`, and becomes the program after it. */
const LAUNCHER = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"';

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
  readonly #network: ModelNetwork;
  #image: string | undefined;

  constructor({ model, directory, mounts = () => [] }: NspawnOptions) {
    this.#prefix = `jl${createHash('sha256').update(model).digest('hex').slice(0, 6)}`;
    this.#directory = join(directory, 'machines');
    this.#mounts = mounts;
    this.#network = new ModelNetwork(this.#prefix, directory);
  }

  async prepare(progress: (message: string) => void): Promise<void> {
    this.#image = await rootImage(CACHE, progress);
    await this.#network.prepare();
  }

  async start(id: string): Promise<MachineInfo> {
    if ((await this.#leader(id)) === undefined) {
      const namespace = await this.#network.connect(id);
      await this.#mountDisk(id);
      await this.#boot(id, namespace);
    }
    return this.#info(id, 'running');
  }

  async stop(id: string): Promise<void> {
    await this.#powerOff(this.#name(id));
    await attempt(['umount', '--recursive', this.#path(id, 'root')]);
    await this.#network.disconnect(id);
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
    const leader = await this.#leader(id);
    if (leader === undefined) throw new Error(`machine ${id} is not running`);
    return runInside(leader, argv, options);
  }

  jujuDirectory(id: string): string {
    return this.#path(id, 'juju');
  }

  async destroy(): Promise<void> {
    for (const name of await cgroupNames(`${this.#prefix}-`)) await this.#powerOff(name);
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

  #name(id: string): string {
    return `${this.#prefix}-${id}`;
  }

  #path(id: string, name: 'root' | 'upper' | 'work' | 'juju' | 'console.log'): string {
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
    const isNew = !existsSync(upper);
    for (const folder of [root, upper, work, juju]) await mkdir(folder, { recursive: true });
    if (await attempt(['mountpoint', '--quiet', root])) return;
    if (isNew) await this.#seedPackages(id);
    if (this.#image === undefined) throw new Error('the machines are not prepared');
    const layers = `lowerdir=${this.#image},upperdir=${upper},workdir=${work}`;
    await command(['mount', '-t', 'overlay', 'overlay', '-o', layers, root]);
    if (!isNew) return;
    const hostname = this.#hostname(id);
    await writeFile(join(root, 'etc/hostname'), `${hostname}\n`);
    await writeFile(
      join(root, 'etc/hosts'),
      `127.0.0.1 localhost\n${await this.#network.addressOf(id)} ${hostname}\n::1 localhost ip6-localhost\n`,
    );
  }

  async #boot(id: string, namespace: string): Promise<void> {
    const name = this.#name(id);
    const groups = await makeCgroups(name);
    const binds = this.#mounts().map(({ host, machine }) => `--bind-ro=${host}:${machine}`);
    const log = await open(this.#path(id, 'console.log'), 'a');
    const nspawn = [
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
      `--bind=${this.jujuDirectory(id)}:/var/lib/juju`,
      ...binds,
    ];
    const child = spawn('sh', ['-c', LAUNCHER, 'sh', ...groups, '--', ...nspawn], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network' },
    });
    child.on('error', () => undefined); // the wait below notices that there is no machine
    child.unref();
    await log.close();
    await this.#awaitBoot(id);
  }

  async #awaitBoot(id: string): Promise<void> {
    const end = Date.now() + BOOT_TIMEOUT;
    while (Date.now() < end) {
      const leader = await this.#leader(id);
      if (leader !== undefined) {
        const { stdout } = await runInside(leader, ['systemctl', 'is-system-running']);
        if (['running', 'degraded'].includes(stdout.trim())) return;
      }
      await sleep(50);
    }
    const log = await readFile(this.#path(id, 'console.log'), 'utf8').catch(() => '');
    throw new Error(`machine ${id} did not boot: ${log.trim().split('\n').slice(-5).join(' | ')}`);
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

  /** Kills everything in the machine's cgroup, its pid 1 first, which takes the rest with it. */
  async #powerOff(name: string): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      const pids = await processesOf(name);
      if (pids.length === 0) break;
      for (const pid of pids) killIfThere(pid);
      await sleep(20);
    }
    await removeCgroups(name);
  }

  /** Gives a new machine the packages that others have downloaded before. */
  async #seedPackages(id: string): Promise<void> {
    const target = join(this.#path(id, 'upper'), 'var/cache/apt/archives');
    await mkdir(join(target, 'partial'), { recursive: true });
    await linkPackages(join(CACHE, 'archives'), target);
  }

  async #harvestPackages(id: string): Promise<void> {
    const target = join(CACHE, 'archives');
    await mkdir(target, { recursive: true });
    await linkPackages(join(this.#path(id, 'upper'), 'var/cache/apt/archives'), target);
  }
}

async function linkPackages(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch(() => []);
  for (const name of names) {
    if (name.endsWith('.deb') && !existsSync(join(to, name))) await link(join(from, name), join(to, name));
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
