import { execa } from 'execa';
import { HostError } from './errors.ts';

/** How a program is run. */
export interface RunOptions {
  /** Passed on stdin, and never shown. */
  readonly stdin?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds; ten minutes if absent. */
  readonly timeout?: number;
}

/** How a program ended. */
export interface RunResult {
  /** Absent if it was killed or could not be started. */
  readonly exitCode?: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program and its arguments. */
export type Argv = readonly [string, ...string[]];

/**
 * Runs a program to its end and returns how it ended. It sets HOME, which hooks lack and some programs need. If a
 * process that the program leaves behind holds its output open, it waits until `timeout` at most.
 */
export async function tryRun([program, ...args]: Argv, options: RunOptions = {}): Promise<RunResult> {
  const { stdin, env, timeout = 600_000 } = options;
  const running = execa(program, args, {
    reject: false,
    timeout,
    env: { HOME: '/root', LC_ALL: 'C.UTF-8', ...env },
    ...(stdin === undefined ? { stdin: 'ignore' } : { input: stdin }),
  });
  const deadline = setTimeout(() => {
    running.stdout.destroy();
    running.stderr.destroy();
  }, timeout);
  const result = await running;
  clearTimeout(deadline);
  const { exitCode, stdout, stderr } = result;
  if (exitCode === undefined)
    return { stdout: stdout ?? '', stderr: result.shortMessage ?? `${program} was killed` };
  return { exitCode, stdout, stderr };
}

/**
 * Runs a program and returns what it printed.
 * @throws {HostError} with the last lines of its error output, when it does not exit with 0.
 */
export async function run(argv: Argv, options: RunOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await tryRun(argv, options);
  if (exitCode === 0) return stdout;
  const [program, verb = ''] = commandOf(argv);
  const remedy = DISK_PROBLEM.test(stderr) ? 'user' : 'bug';
  throw new HostError('command', remedy, `${program} ${verb} failed: ${lastLines(stderr || stdout)}`);
}

/** What the C library calls a disk that is full, or cannot be written to. */
const DISK_PROBLEM = /No space left on device|Disk quota exceeded|Read-only file system/;

/** The program and its arguments, without what `env` gives it. */
export function commandOf(argv: Argv): readonly string[] {
  if (argv[0] !== 'env') return argv;
  return argv.slice(1 + argv.slice(1).findIndex((arg) => !/^-|=/.test(arg)));
}

/** The last lines of a program's output, joined into one line for a message. */
export function lastLines(text: string, count = 3): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-count)
    .join(' | ');
}
