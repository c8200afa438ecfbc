import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, open, readlink, rm, symlink, type FileHandle } from 'node:fs/promises';

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/**
 * A folder of this host that a machine sees and may have changed. Every path is walked part by part, from one open
 * folder to the next (Linux shows them in /proc/self/fd), and no part is ever followed that is a link: a machine could
 * have laid one that leads to files of this host.
 */
export class SharedFolder implements AsyncDisposable {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** @param path of a folder that no machine can replace */
  static async open(path: string): Promise<SharedFolder> {
    return new SharedFolder(await open(path, O_RDONLY | O_DIRECTORY));
  }

  /** A folder below this one; what is in the way of one is removed. */
  async folder(path: string): Promise<SharedFolder> {
    return this.#walk(path, async (here, name) => {
      const found = await here.#child(name);
      if (found) return found;
      await here.remove(name);
      await mkdir(here.path(name));
      return here.#child(name);
    });
  }

  /** A folder below this one, if each part of its path is one. @throws when there is none */
  async existing(path: string): Promise<SharedFolder> {
    return this.#walk(path, (here, name) => here.#child(name));
  }

  /** Where a file of this folder is. Not to be used with what follows a link in the last part of a path. */
  path(name: string): string {
    if (name === '' || name === '..' || name.includes('/')) throw new Error(`"${name}" is no name of a file`);
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  /** Removes a file, a link or a folder with all that is in it. */
  async remove(name: string): Promise<void> {
    await rm(this.path(name), { force: true, recursive: true });
  }

  /** Copies a file or a link of this host, with its mode, in the place of whatever is there. */
  async put(from: string, name: string): Promise<void> {
    await this.remove(name);
    if ((await lstat(from)).isSymbolicLink()) await symlink(await readlink(from), this.path(name));
    // A copy, and not another name of the same file: the machine may write to it.
    else await copyFile(from, this.path(name), COPYFILE_EXCL | COPYFILE_FICLONE);
  }

  /** Copies a regular file of this folder to where no machine can write; what is no regular file is left out. */
  async take(name: string, to: string): Promise<void> {
    const file = await open(this.path(name), O_RDONLY | O_NOFOLLOW).catch(() => undefined);
    if (!file) return;
    try {
      if ((await file.stat()).isFile()) await copyFile(`/proc/self/fd/${file.fd}`, to, COPYFILE_FICLONE);
    } finally {
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #walk(
    path: string,
    step: (here: SharedFolder, name: string) => Promise<SharedFolder | undefined>,
  ): Promise<SharedFolder> {
    const [name, ...rest] = path.split('/').filter((part) => part !== '' && part !== '.');
    const next =
      name === undefined
        ? new SharedFolder(await open(`/proc/self/fd/${this.#handle.fd}`, O_RDONLY))
        : await step(this, name);
    if (!next) throw new Error(`${path}: no such folder`);
    if (rest.length === 0) return next;
    await using here = next;
    return await here.#walk(rest.join('/'), step);
  }

  async #child(name: string): Promise<SharedFolder | undefined> {
    const handle = await open(this.path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(() => undefined);
    return handle && new SharedFolder(handle);
  }
}
