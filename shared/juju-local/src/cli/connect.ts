import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, modelDirectory, STATE } from '../daemon/protocol.ts';
import { UsageError } from '../errors.ts';

/** How long a daemon may take to answer after it was started, in milliseconds. */
const START_TIMEOUT = 15_000;

/** The models of this machine. */
export async function models(): Promise<readonly string[]> {
  return readdir(STATE).catch(() => []);
}

/** The model that a command means: the one named, the one of the environment, the only one, or `default`. */
export async function chooseModel(named: string | undefined): Promise<string> {
  const name = named ?? process.env['JUJU_LOCAL_MODEL'] ?? (await onlyModel());
  if (!/^[a-z0-9][a-z0-9-]{0,29}$/.test(name)) {
    throw new UsageError(`"${name}" is no name for a model: up to 30 of a-z, 0-9 and -`);
  }
  return name;
}

async function onlyModel(): Promise<string> {
  const [only, ...others] = await models();
  return only !== undefined && others.length === 0 ? only : 'default';
}

export async function isRunning(model: string): Promise<boolean> {
  try {
    await ask(model, 'ping', null);
    return true;
  } catch {
    return false;
  }
}

/** Starts the daemon of a model unless it runs. It outlives this command. */
export async function ensureDaemon(model: string): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new UsageError('juju-local makes machines, which only root may: use sudo');
  if (await isRunning(model)) return;
  await mkdir(modelDirectory(model), { recursive: true });
  const log = join(modelDirectory(model), 'daemon.log');
  const output = openSync(log, 'a');
  const child = spawn(process.execPath, [join(import.meta.dirname, '../daemon/main.ts'), model], {
    detached: true,
    stdio: ['ignore', output, output],
    cwd: '/',
  });
  child.unref();
  const end = Date.now() + START_TIMEOUT;
  while (!(await isRunning(model))) {
    if (Date.now() > end || child.exitCode !== null) {
      throw new Error(
        `the daemon of model ${model} did not start: ${(await readFile(log, 'utf8')).slice(-500)}`,
      );
    }
    await sleep(50);
  }
}
