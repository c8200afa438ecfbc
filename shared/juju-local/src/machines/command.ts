import { execa } from 'execa';

/** A program of this host and its arguments. */
export type Argv = readonly [string, ...string[]];

/** Runs a program of this host. @throws with its error output when it fails. */
export async function command(
  [program, ...args]: Argv,
  options: { readonly input?: string; readonly cancelSignal?: AbortSignal } = {},
): Promise<string> {
  const { stdout } = await execa(program, args, {
    ...(options.cancelSignal && { cancelSignal: options.cancelSignal, killSignal: 'SIGKILL' }),
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  });
  return stdout;
}

/** Runs a program whose failure means that there is nothing to do. */
export async function attempt([program, ...args]: Argv): Promise<boolean> {
  const { failed } = await execa(program, args, { stdin: 'ignore', reject: false });
  return !failed;
}
