// Groups of processes that may have only so much memory between them, as systemd's `MemoryMax=` makes them.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = '/sys/fs/cgroup';
/** Where the kernel keeps memory's groups, and what it calls their limit and their account of what it killed. */
const [FOLDER, LIMIT, ACCOUNT] = existsSync(join(ROOT, 'memory'))
  ? [join(ROOT, 'memory'), 'memory.limit_in_bytes', 'memory.oom_control']
  : [ROOT, 'memory.max', 'memory.events'];

export class MemoryGroup {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @param limit in bytes */
  static async make(name: string, limit: number): Promise<MemoryGroup> {
    const group = new MemoryGroup(join(FOLDER, name));
    await mkdir(group.#path);
    await writeFile(join(group.#path, LIMIT), String(limit));
    return group;
  }

  /** What runs a program in the group. */
  with(argv: readonly string[]): readonly string[] {
    return ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#path, 'cgroup.procs'), ...argv];
  }

  /** How many processes the kernel has killed because there was no memory left. */
  async killed(): Promise<number> {
    const account = await readFile(join(this.#path, ACCOUNT), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(account)?.[1]);
  }

  /** Once nothing runs in it any more; the kernel takes a moment to see that. */
  async remove(): Promise<void> {
    for (let tries = 0; existsSync(this.#path); tries += 1) {
      await rmdir(this.#path).catch(async (error: unknown) => {
        if (tries > 100) throw error;
        await sleep(50);
      });
    }
  }
}
