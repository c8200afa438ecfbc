import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Argv } from './command.ts';

/**
 * The cgroup hierarchies in which a machine gets a group of its own. Without one, services of the same name on
 * two machines share a cgroup, and stopping one kills the other.
 */
function hierarchies(): readonly string[] {
  const hybrid = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'].filter((path) => existsSync(path));
  return hybrid.length > 0 ? hybrid : ['/sys/fs/cgroup'];
}

/** Writes its own pid into the files before `--`, and becomes the program after it. */
const LAUNCHER = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"';

/** Makes a group in each hierarchy, and the command that runs a program in them. */
export async function inCgroup(name: string, argv: Argv): Promise<Argv> {
  const folders = hierarchies().map((path) => join(path, name));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const files = folders.map((folder) => join(folder, 'cgroup.procs'));
  return ['sh', '-c', LAUNCHER, 'sh', ...files, '--', ...argv];
}

/** Kills everything in a group, and removes it. */
export async function killCgroup(name: string): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    const pids = await processesOf(name);
    if (pids.length === 0) break;
    for (const pid of pids) killIfThere(pid);
    await sleep(20);
  }
  await removeCgroups(name);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Every process in the groups of a machine, also in groups below them. */
export async function processesOf(name: string): Promise<readonly number[]> {
  const pids = new Set<number>();
  for (const folder of await groupsBelow(name)) {
    const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
    // The kernel may list one that has just ended as 0, which for kill(2) is whoever asks.
    for (const line of text.split('\n')) if (Number(line) > 0) pids.add(Number(line));
  }
  return [...pids];
}

/** The kernel needs a moment to let go of a group whose processes were killed. */
async function removeCgroups(name: string): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    const folders = await groupsBelow(name);
    if (folders.length === 0) return;
    let left = 0;
    for (const folder of folders.toReversed()) {
      await rmdir(folder).catch(() => {
        left += 1;
      });
    }
    if (left === 0) return;
    if (performance.now() > end) throw new Error(`the cgroup ${name} still has processes`);
    await sleep(50);
  }
}

/** Names of all groups that begin with a prefix. */
export async function cgroupNames(prefix: string): Promise<readonly string[]> {
  const lists = await Promise.all(hierarchies().map((path) => readdir(path)));
  return [...new Set(lists.flat().filter((name) => name.startsWith(prefix)))];
}

/** Each group before those below it. */
async function groupsBelow(name: string): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (!entries) return;
    found.push(folder);
    for (const entry of entries) if (entry.isDirectory()) await visit(join(folder, entry.name));
  };
  for (const path of hierarchies()) await visit(join(path, name));
  return found;
}
