import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';
import type { Argv } from './command.ts';
import type { RunOptions, RunResult } from './machines.ts';

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
};

/** The command that runs a program in all namespaces of another process, with no environment but `env`. */
export function enter(leader: number, argv: Argv, { cwd = '/', env = {} }: RunOptions = {}): Argv {
  const variables = Object.entries({ ...ENVIRONMENT, ...env }).map(([name, value]) => `${name}=${value}`);
  const within = ['--target', String(leader), '--all', '--'];
  return ['nsenter', ...within, 'env', '-i', `--chdir=${cwd}`, ...variables, ...argv];
}

/** Runs a program of this host to its end. */
export async function run([program, ...args]: Argv, options: RunOptions = {}): Promise<RunResult> {
  const { stdin, onStdoutLine, onStderrLine, signal } = options;
  // A process group of its own, so that an abort reaches whatever the program has started.
  const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const abort = (): void => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
  signal?.addEventListener('abort', abort);
  try {
    child.stdin.on('error', () => undefined); // a program may end without reading all of it
    child.stdin.end(stdin ?? '');
    const output = Promise.all([collect(child.stdout, onStdoutLine), collect(child.stderr, onStderrLine)]);
    const [exitCode, killedBy] = await exitOf(child);
    const [stdout, stderr] = await output;
    return { exitCode, signal: killedBy, stdout, stderr };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function exitOf(child: ReturnType<typeof spawn>): Promise<[number | null, NodeJS.Signals | null]> {
  await once(child, 'exit');
  return [child.exitCode, child.signalCode];
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** A stream's whole text; `onLine` gets each line as it is complete. A daemon that keeps the pipe open ends it too. */
async function collect(stream: Readable, onLine?: (line: string) => void): Promise<string> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  let rest = '';
  const take = (piece: string): void => {
    text += piece;
    if (!onLine) return;
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
  for await (const chunk of stream)
    take(decoder.write(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))));
  take(decoder.end());
  if (rest !== '') onLine?.(rest);
  return text;
}
