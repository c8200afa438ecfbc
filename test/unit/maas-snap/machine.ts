import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Charm, BagSchema, Charmcraft, Endpoints, OptionSchemas } from 'juju-ts-ops';
import { builtCharm, type TestUnit } from 'juju-ts-ops/testing';
import { stringify } from 'yaml';
import { bundleCharm } from '../../shared/juju-ts-ops/bundle.ts';
import type { Said } from '../maas-double/host.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DOUBLES = join(ROOT, 'test/doubles/maas/files');

/** What this machine's own programs are replaced by: no apt, no systemd and no snapd is asked. */
const PROGRAMS = {
  snap: `echo "$@" >>/var/log/snap-calls\nexec /usr/bin/python3 ${DOUBLES}/snap_double.py "$@"`,
  snapctl: `PYTHONPATH=${DOUBLES} exec /usr/bin/python3 -c 'import snap_double; snap_double.snapctl_main()' "$@"`,
  systemctl: `exec /usr/bin/python3 ${import.meta.dirname}/files/systemctl.py "$@"`,
  // What would be in the journal, by who says it: `systemd-cat --identifier=<who> <program> …`.
  'systemd-cat': `who="\${1#--identifier=}"\nshift\nexec "$@" >>"/var/log/$who" 2>&1`,
  // Everything that is asked for is installed, but for the packages of MAAS.
  'dpkg-query': `shift 2\nfor name; do case $name in maas-*) ;; *) echo "$name 1 ii " ;; esac; done`,
  'apt-get': `echo "$@" >>/var/log/apt-calls`,
} as const;

/** How the stand-in store starts. */
export const STORE = {
  '3.4/stable': { version: '3.4.10-14366-g.518bf2c', revision: 36889 },
  '3.7/stable': { version: '3.7.3-17487-g.362c9ab', revision: 41649 },
} as const;

/**
 * A machine that has this one's files, and keeps to itself what it changes of them: its snaps, its services, its host
 * name. It has this machine's network: MAAS' own ports are on 127.0.0.1.
 */
export class SnapMachine implements AsyncDisposable {
  readonly #keeper: ChildProcess;
  readonly #folder: string;

  private constructor(keeper: ChildProcess, folder: string) {
    this.#keeper = keeper;
    this.#folder = folder;
  }

  static async start(hostname: string): Promise<SnapMachine> {
    const folder = await mkdtemp(join(tmpdir(), 'snap-machine-'));
    const script = [
      'set -e',
      'hostname "$1"',
      'mount -t tmpfs tmpfs "$2"',
      'mkdir "$2/upper" "$2/work" "$2/root"',
      'mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/root"',
      'for path in /proc /dev /sys /run "$3" "$4"; do mkdir -p "$2/root$path"; mount --rbind "$path" "$2/root$path"; done',
      'mount -t tmpfs tmpfs "$2/root/run"',
      // Ready only there: a file that came before it would be this machine's own.
      `exec chroot "$2/root" sh -c 'echo ready; exec sleep infinity'`,
    ].join('\n');
    const keeper = spawn(
      'unshare',
      [
        '--mount',
        '--uts',
        '--propagation',
        'private',
        'sh',
        '-c',
        script,
        'sh',
        hostname,
        folder,
        tmpdir(),
        ROOT,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(keeper.stdout, 'data');
    const machine = new SnapMachine(keeper, folder);
    for (const [name, text] of Object.entries(PROGRAMS)) {
      await machine.write(`/usr/local/sbin/${name}`, `#!/bin/bash\n${text}\n`);
      await machine.on('chmod', '755', `/usr/local/sbin/${name}`);
    }
    await machine.on('ln', '-sf', '/usr/local/sbin/snap', '/usr/bin/snap');
    await machine.offer(STORE);
    await machine.write(
      '/var/snap/maas/common/double.conf',
      stringify({ time_scale: 0.02, dbupgrade_seconds: 0.3, region_start_seconds: 0, address: '127.0.0.1' }),
    );
    return machine;
  }

  /** What the store has, and which snapd asks it. */
  async offer(
    channels: Readonly<Record<string, { version: string; revision: number }>>,
    { online = true, snapd = '2.63' } = {},
  ): Promise<void> {
    await this.write('/var/lib/snapd/double-store.json', JSON.stringify({ channels, online, snapd }));
  }

  /** Runs a program there, to its good end. */
  async on(program: string, ...args: readonly string[]): Promise<string> {
    return (await execa('nsenter', [...this.#enter, program, ...args])).stdout;
  }

  /** How a program ends there. */
  async tryOn(argv: readonly string[], input = ''): Promise<Said> {
    const { exitCode, stdout, stderr } = await execa('nsenter', [...this.#enter, ...argv], {
      input,
      reject: false,
    });
    return { exitCode, stdout: stdout ?? '', stderr: stderr ?? '' };
  }

  async write(path: string, text: string): Promise<void> {
    await execa(
      'nsenter',
      [...this.#enter, 'sh', '-c', 'mkdir -p "$(dirname "$1")" && cat >"$1"', 'sh', path],
      {
        input: text,
      },
    );
  }

  /** The text of a file; empty where there is none. */
  async read(path: string): Promise<string> {
    return (await execa('nsenter', [...this.#enter, 'cat', path], { reject: false })).stdout ?? '';
  }

  /** What `snap` was called with since this was asked last. */
  async calls(): Promise<readonly string[]> {
    const text = await this.read('/var/log/snap-calls');
    await this.write('/var/log/snap-calls', '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** Where a charm's unit keeps its files. */
  folderOf(name: string): string {
    return `${this.#folder}-${name}`;
  }

  /** A unit of a charm on this machine, run as Juju runs it. */
  async unit<
    const C extends Charmcraft,
    S extends OptionSchemas<C>,
    E extends Endpoints<C>,
    CharmState,
    R,
    B extends BagSchema,
  >(charm: Charm<C, S, E, CharmState, R, B>): Promise<TestUnit<C>> {
    const { name } = charm.charmcraft;
    const folder = this.folderOf(name);
    await mkdir(folder);
    const outfile = await bundleCharm(folder, `./charms/${name}/src/charm.ts`, ROOT);
    const command = ['/usr/bin/nsenter', ...this.#enter, process.execPath, outfile] as const;
    return builtCharm(charm.charmcraft, command, { charmDirectory: folder });
  }

  get #enter(): readonly string[] {
    return ['--target', String(this.#keeper.pid), '--mount', '--uts', '--root', '--wdns=/', '--'];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of ['pebble', 'supervisor'])
      await this.on('systemctl', 'stop', `snap.maas.${name}`).catch(() => undefined);
    this.#keeper.kill('SIGKILL');
    await once(this.#keeper, 'exit');
    await rm(this.#folder, { recursive: true });
    for (const name of ['maas-region', 'maas-rack'])
      await rm(this.folderOf(name), { recursive: true, force: true });
  }
}
