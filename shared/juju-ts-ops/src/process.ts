import { spawn } from 'node:child_process';

/** How one run of a hook tool ended. */
export interface ToolResult {
  /** Absent if the tool did not end by itself. */
  readonly exitCode?: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no exit code. */
  readonly problem?: 'missing' | 'timeout' | 'killed';
}

/** Runs a hook tool with its arguments, and with `input`, if any, on its stdin. */
export type ToolRunner = (tool: string, args: readonly string[], input?: string) => Promise<ToolResult>;

/** The process that a hook runs in, as the framework uses it. Tests replace it. */
export interface HookProcess {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly runTool: ToolRunner;
  /** Prints a line, which Juju logs as debug. */
  print(line: string): void;
}

/** How long one hook tool may take, in milliseconds. Juju answers in milliseconds; a tool that hangs must not hang the unit. */
const TOOL_TIMEOUT = 300_000;

/**
 * How many tools run at the same time. Juju answers one after the other, so more would only wait there, and each is
 * a program of many megabytes.
 */
const MOST_TOOLS = 16;

/** How long one word of a command line may be, in bytes: Linux takes 128 KiB with the zero at its end. */
export const LONGEST_WORD = 131_071;

/** A tool on PATH, as a process of its own; the others wait here for their turn. */
export function runToolProcess(timeout = TOOL_TIMEOUT, most = MOST_TOOLS): ToolRunner {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (tool, args, input) => {
    if (running < most) running += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await spawnTool(tool, args, input, timeout);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

function spawnTool(
  tool: string,
  args: readonly string[],
  input: string | undefined,
  timeout: number,
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // What the tool itself has started may hold its output open for longer.
    const deadline = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, timeout);
    const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(deadline);
      if (error.code === 'ENOENT') resolve({ stdout: '', stderr: '', problem: 'missing' });
      else reject(error);
    });
    child.once('close', (exitCode, signal) => {
      clearTimeout(deadline);
      const output = { stdout: text(stdout), stderr: text(stderr) };
      if (exitCode !== null) resolve({ exitCode, ...output });
      else resolve({ ...output, problem: child.killed && signal === 'SIGTERM' ? 'timeout' : 'killed' });
    });
    // A tool that fails before it has read everything closes the pipe; its exit code says why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** The process that Juju started. */
export function currentProcess(): HookProcess {
  return { environment: process.env, runTool: runToolProcess(), print: (line) => console.log(line) };
}
