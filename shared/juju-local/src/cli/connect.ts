import { spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, daemonLog, modelDirectory, STATE } from '../daemon/protocol.ts';
import { keepPrivate } from '../daemon/private.ts';
import { UsageError } from '../errors.ts';
import type { Machines } from '../machines/machines.ts';

/** How long a daemon may take to answer after it was started, in milliseconds. */
const START_TIMEOUT = 15_000;

/** The models of this machine. */
export async function models(): Promise<readonly string[]> {
  const names: string[] = await readdir(STATE).catch(() => []);
  return names.sort();
}

/**
 * The model that a command means: the one named, the one of the environment, or the only one.
 * @param makesModel whether the command makes its model: then `default` is meant where there is none
 * @throws {UsageError} when there is no such model.
 */
export async function chooseModel(named: string | undefined, makesModel: boolean): Promise<string> {
  const known = await models();
  const [only] = known;
  const name = named ?? process.env['JUJU_LOCAL_MODEL'] ?? only ?? 'default';
  if (!/^[a-z0-9][a-z0-9-]{0,29}$/.test(name)) {
    throw new UsageError(`"${name}" is not a valid name: up to 30 lowercase letters, digits and hyphens`);
  }
  if (named === undefined && process.env['JUJU_LOCAL_MODEL'] === undefined && known.length > 1)
    throw new UsageError(
      `there are the models ${known.join(', ')}: name one with -m, or in JUJU_LOCAL_MODEL`,
    );
  if (makesModel || known.includes(name)) return name;
  throw new UsageError(
    known.length === 0
      ? 'there is no model on this machine: "juju-local deploy <bundle.yaml>" makes one'
      : `model "${name}" not found: there is ${known.join(', ')}`,
  );
}

/** @throws {UsageError} */
export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new UsageError('juju-local makes machines, which only root may: use sudo');
}

export async function isRunning(model: string): Promise<boolean> {
  try {
    await ask(model, 'ping', null);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts the daemon of a model unless it runs. It outlives this command.
 * @param juju which Juju the model is like, if it is new
 */
export async function ensureDaemon(model: string, juju: 3 | 4 = 3): Promise<void> {
  requireRoot();
  if (await isRunning(model)) return;
  await keepPrivate(modelDirectory(model));
  const log = daemonLog(model);
  const output = openSync(log, 'a', 0o600);
  const start = (): ChildProcess => {
    const started = spawn(
      process.execPath,
      [join(import.meta.dirname, '../daemon/main.ts'), model, String(juju)],
      {
        detached: true,
        stdio: ['ignore', output, output],
        cwd: '/',
      },
    );
    started.unref();
    return started;
  };
  let child = start();
  const end = performance.now() + START_TIMEOUT;
  while (!(await isRunning(model))) {
    // One that ends well has found another that is starting, or one that was killed and has not let go of its lock yet.
    if (child.exitCode === 0) child = start();
    if (performance.now() > end || (child.exitCode ?? 0) !== 0) {
      throw new Error(
        `the daemon of model ${model} did not start: ${(await readFile(log, 'utf8')).slice(-500)}`,
      );
    }
    await sleep(50);
  }
}

/** Loaded here, because every other command would take longer for it. */
export async function machinesOf(model: string): Promise<Machines> {
  const { nspawnMachines } = await import('../machines/nspawn.ts');
  return nspawnMachines({ model, directory: modelDirectory(model) });
}
