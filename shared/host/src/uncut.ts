import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { Argv, RunOptions, RunResult } from './run.ts';

/**
 * Runs a program that must not be interrupted: it runs to its end in its own session, even if this process or its
 * whole group is killed, or when the time is up.
 * @param options `timeout` is how long to wait for it
 * @returns `undefined` if it still runs when the time is up
 */
export async function tryRunUncut(
  [program, ...args]: Argv,
  { stdin, env, timeout = 600_000 }: RunOptions = {},
): Promise<RunResult | undefined> {
  const child = execa(program, args, {
    reject: false,
    detached: true,
    cleanup: false,
    env: { HOME: '/root', LC_ALL: 'C.UTF-8', ...env },
    ...(stdin === undefined ? { stdin: 'ignore' } : { input: stdin }),
  });
  const limit = new AbortController();
  const result = await Promise.race([
    child,
    sleep(timeout, undefined, { signal: limit.signal }).catch(() => undefined),
  ]);
  limit.abort();
  if (result === undefined) {
    // Else this process would go on for as long as that one does.
    child.nodeChildProcess.unref();
    child.stdout.destroy();
    child.stderr.destroy();
    return undefined;
  }
  const { exitCode, stdout, stderr } = result;
  if (exitCode === undefined)
    return { stdout: stdout ?? '', stderr: result.shortMessage ?? `${program} was killed` };
  return { exitCode, stdout: stdout ?? '', stderr: stderr ?? '' };
}
