import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The cgroup hierarchies in which a machine gets a group of its own. Without one, services of the same name on
 * two machines share a cgroup, and stopping one kills the other.
 */
function hierarchies(): readonly string[] {
  const hybrid = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'].filter((path) => existsSync(path));
  return hybrid.length > 0 ? hybrid : ['/sys/fs/cgroup'];
}

/** Makes the groups of a machine and returns the files to write a pid into. */
export async function makeCgroups(name: string): Promise<readonly string[]> {
  const folders = hierarchies().map((path) => join(path, name));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  return folders.map((folder) => join(folder, 'cgroup.procs'));
}

/** Every process in the groups of a machine, also in groups below them. */
export async function processesOf(name: string): Promise<readonly number[]> {
  const pids = new Set<number>();
  for (const folder of await groupsBelow(name)) {
    const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** Removes the groups of a machine that has been powered off; the kernel needs a moment to let go of them. */
export async function removeCgroups(name: string): Promise<void> {
  const end = Date.now() + 10_000;
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
    if (Date.now() > end) throw new Error(`the cgroup ${name} still has processes`);
    await sleep(50);
  }
}

/** Names of all machines' groups that begin with a prefix. */
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
