/** One machine of the model, as the rest of juju-local sees it. */
export interface MachineInfo {
  /** Juju's machine number, as a string: `"0"`. */
  readonly id: string;
  readonly hostname: string;
  /** IPv4 address on the model's bridge. */
  readonly address: string;
  readonly state: 'running' | 'stopped';
}

/** A program cannot run because the machine does not. */
export class MachineDown extends Error {}

/** What a process on a machine is started with. Nothing of the caller's environment reaches it. */
export interface RunOptions {
  /** Working directory on the machine; default `/`. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Absent: `/dev/null`. */
  readonly stdin?: string;
  /** Called with each complete line, without its newline, as it arrives. */
  readonly onStdoutLine?: (line: string) => void;
  readonly onStderrLine?: (line: string) => void;
  /** Aborting kills the process (SIGKILL) and everything it started that still runs in its process group. */
  readonly signal?: AbortSignal;
}

/** How a process on a machine ended: exactly one of `exitCode` and `signal` is null. */
export interface RunResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The machines of one model. Every method may be called again after a crash of its caller: it finds what is
 * already there and goes on from it.
 */
export interface Machines {
  /** Makes what all machines share (packages of the host, root image, bridge, NAT), saying what it does. */
  prepare(progress: (message: string) => void): Promise<void>;
  /** Makes machine `id` if it does not exist, boots it if it is down, and returns once its systemd is up. */
  start(id: string): Promise<MachineInfo>;
  /** Powers the machine off at once, as pulling the plug would. Its disk and its address stay. */
  stop(id: string): Promise<void>;
  /** Powers the machine off and deletes its disk, its network and everything else of it. */
  remove(id: string): Promise<void>;
  /** The network that all machines are on, `10.213.0.0/24`; its addresses from .200 to .254 are never given to a machine. */
  subnet(): Promise<string>;
  /** Every machine that has been started and not removed. */
  list(): Promise<MachineInfo[]>;
  /**
   * Runs a program on a running machine, as root, in the machine's own namespaces.
   * @throws {MachineDown}
   */
  run(id: string, argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
  /** Kills whatever `run` has started on a machine and has not ended, whoever started it. */
  killRuns(id: string): Promise<void>;
  /** As `run`, with this process' own stdin, stdout and stderr: the exit code. @throws {MachineDown} */
  attach(id: string, argv: readonly [string, ...string[]]): Promise<number>;
  /** What this host lacks to run machines, each with what to install; empty when it can. */
  missing(): Promise<readonly string[]>;
  /**
   * The folder of this host that the machine sees as `/var/lib/juju`: agents, charms and hook tools are laid
   * there, and a unix socket bound there can be reached from the machine. It survives `stop`.
   */
  jujuDirectory(id: string): string;
  /** Removes every machine, the bridge, mounts, namespaces, cgroups and firewall rules of this model, whoever made them. */
  destroy(): Promise<void>;
}
