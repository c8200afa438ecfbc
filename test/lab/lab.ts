// A network of machines that are no more than namespaces: each with its own interface, its own /run and its own
// files of the daemons under test. They share this machine's kernel and programs, and start in milliseconds.
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** Folders that each machine has for itself. */
const OWN_FOLDERS = ['/run', '/etc/haproxy', '/etc/keepalived'];

/** A namespace with the processes in it. All of it is gone when the process that holds it is. */
export class Machine {
  readonly name: string;
  readonly #holder: ChildProcess;
  /** The first process in the namespaces. */
  readonly #pid: number;
  /** The programs that enter the namespaces, from outside. */
  readonly #entered: ChildProcess[] = [];

  private constructor(name: string, holder: ChildProcess, pid: number) {
    this.name = name;
    this.#holder = holder;
    this.#pid = pid;
  }

  static async start(name: string): Promise<Machine> {
    const holder = spawn(
      'unshare',
      ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sleep', 'infinity'],
      { stdio: 'ignore' },
    );
    await once(holder, 'spawn');
    const machine = new Machine(name, holder, await firstChild(holder));
    await machine.run(['ip', 'link', 'set', 'lo', 'up']);
    for (const folder of OWN_FOLDERS) await machine.run(['mount', '-t', 'tmpfs', 'tmpfs', folder]);
    return machine;
  }

  get pid(): number {
    return this.#pid;
  }

  /** Starts a program on this machine. */
  spawn(argv: readonly string[]): ChildProcess {
    const child = spawn('nsenter', this.#enter(argv), { stdio: 'ignore' });
    this.#entered.push(child);
    return child;
  }

  /** Starts a program on this machine that is spoken with. */
  spawnPiped(argv: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
    return spawn('nsenter', this.#enter(argv), { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /**
   * Sends a signal to every process of a program on this machine, or to the oldest, by their ids.
   * @throws when there is none: a test that ends nothing sees nothing
   */
  async signal(program: string, signal: NodeJS.Signals, which: 'all' | 'oldest' = 'all'): Promise<void> {
    const { output } = await this.try(['pgrep', '--exact', program]);
    const ids = output === '' ? [] : output.split('\n').toSorted((a, b) => Number(a) - Number(b));
    const chosen = which === 'all' ? ids : ids.slice(0, 1);
    if (chosen.length === 0) throw new Error(`${this.name} runs no ${program}`);
    await this.try(['kill', `-${signal.slice(3)}`, ...chosen]);
  }

  /** Runs a program on this machine to its end. @returns what it printed @throws when it fails */
  async run(argv: readonly string[], input?: string): Promise<string> {
    const { stdout } = await execa(
      'nsenter',
      this.#enter(argv),
      input === undefined ? { stdin: 'ignore' } : { input },
    );
    return stdout;
  }

  /** Runs a program on this machine, and says how it ended and what it printed. */
  async try(argv: readonly string[], input = ''): Promise<{ exitCode: number; output: string }> {
    const { exitCode, all } = await execa('nsenter', this.#enter(argv), { input, reject: false, all: true });
    return { exitCode: exitCode ?? -1, output: all };
  }

  /** Writes a file through a temporary one, as the charms do. */
  async write(path: string, content: string, mode = 0o644): Promise<void> {
    await this.run(['tee', `${path}.new`], content);
    await this.run(['chmod', mode.toString(8), `${path}.new`]);
    await this.run(['mv', `${path}.new`, path]);
  }

  /** As if its power went: no process of it does anything more. */
  async kill(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const gone = once(this.#holder, 'exit');
    process.kill(this.#pid, 'SIGKILL');
    // nsenter stops with the program that it runs, and would then never see it end.
    for (const child of this.#entered) child.kill('SIGKILL');
    await gone;
  }

  #enter(argv: readonly string[]): string[] {
    return ['--target', String(this.#pid), '--net', '--mount', '--pid', ...argv];
  }
}

/** One Ethernet segment and the machines on it. */
export class Lab {
  readonly #switch: Machine;
  readonly #machines: Machine[] = [];

  private constructor(switchMachine: Machine) {
    this.#switch = switchMachine;
  }

  static async start(): Promise<Lab> {
    const bridge = await Machine.start('switch');
    await bridge.run([
      'ip',
      'link',
      'add',
      'br0',
      'type',
      'bridge',
      'mcast_snooping',
      '0',
      'forward_delay',
      '0',
    ]);
    await bridge.run(['ip', 'link', 'set', 'br0', 'up']);
    return new Lab(bridge);
  }

  /** Adds a machine with an interface `eth0`. @param addresses with their prefixes: `10.9.0.11/24` */
  async machine(name: string, addresses: readonly string[]): Promise<Machine> {
    const machine = await Machine.start(name);
    this.#machines.push(machine);
    // The kernel takes its time with the link of a machine of that name that was killed.
    await this.#switch.try(['ip', 'link', 'delete', 'dev', name]);
    // Without the switch's own /proc, which does not know the other machine.
    const link = ['ip', 'link', 'add', 'dev', name, 'type', 'veth', 'peer', 'name', 'eth0'];
    const target = ['--target', String(this.#switch.pid), '--net'];
    await execa('nsenter', [...target, ...link, 'netns', String(machine.pid)]);
    await this.#switch.run(['ip', 'link', 'set', 'dev', name, 'master', 'br0', 'up']);
    await machine.run(['ip', 'link', 'set', 'eth0', 'up']);
    for (const address of addresses) {
      const nodad = address.includes(':') ? ['nodad'] : [];
      await machine.run(['ip', 'address', 'add', address, 'dev', 'eth0', ...nodad]);
    }
    return machine;
  }

  /** The switch forwards nothing from or to the machine any more, whose own link stays up. */
  async cut({ name }: Machine): Promise<void> {
    await this.#switch.run(['bridge', 'link', 'set', 'dev', name, 'state', '0']);
  }

  async heal({ name }: Machine): Promise<void> {
    await this.#switch.run(['bridge', 'link', 'set', 'dev', name, 'state', '3']);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#machines, this.#switch].map((machine) => machine.kill()));
  }
}

async function firstChild({ pid = 0 }: ChildProcess): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const child = Number(children.trim());
    // Only once the program runs are the namespaces and its /proc ready.
    if (child > 0 && (await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')).trim() === 'sleep') {
      return child;
    }
    await sleep(20);
  }
  throw new Error('unshare did not start: this needs root, and a kernel with namespaces');
}
