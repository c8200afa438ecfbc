import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { unzipSync } from 'fflate';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { lock } from '../machines/lock.ts';
import { SharedFolder } from '../machines/shared.ts';
import { readYaml } from '../yaml.ts';
import { ActionDefinition, Metadata, OptionDefinition, type CharmInfo } from './info.ts';

const Manifest = z.object({
  bases: z
    .array(z.object({ name: z.string(), channel: z.string('a base\'s channel is quoted: "24.04"') }))
    .min(1, 'charm does not define any bases, not valid'),
});
const Config = z.object({
  options: z
    .record(z.string(), OptionDefinition)
    .nullish()
    .transform((map) => map ?? {}),
});
const Actions = z
  .record(z.string().regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'bad action name'), ActionDefinition)
  .nullish()
  .transform((map) => map ?? {});

/** The charms that were deployed, unpacked, for all models and machines of this host. */
export class CharmStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Where an archive's files are. */
  folder(digest: string): string {
    return join(this.#root, digest);
  }

  /**
   * Reads a `.charm` file, as Juju 4 takes it, and unpacks it.
   * @throws {UsageError} for what Juju refuses.
   */
  async read(path: string): Promise<Omit<CharmInfo, 'revision'>> {
    const bytes = await readFile(path).catch(() => {
      throw new UsageError(`no charm was found at "${path}"`);
    });
    const digest = createHash('sha256').update(bytes).digest('hex');
    const files = readZip(path, bytes);
    const info = { digest, ...describe(path, files) };
    if (!(await this.#touch(digest))) await unpack(files, this.folder(digest));
    return info;
  }

  /**
   * Deletes the charms that no model uses. Those that were read a moment ago stay: the model that they are for may not
   * have written down yet that it uses them.
   * @param used their digests
   */
  async prune(used: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#root, { recursive: true });
    const unlock = await lock(join(this.#root, 'lock'), true);
    try {
      for (const { name } of (await readdir(this.#root, { withFileTypes: true })).filter((entry) =>
        entry.isDirectory(),
      )) {
        // One that was being unpacked has an ending behind its digest.
        const { mtimeMs } = await stat(join(this.#root, name));
        if (used.has(name) || Date.now() - mtimeMs < FRESH) continue;
        await rm(join(this.#root, name), { recursive: true });
      }
    } finally {
      unlock?.();
    }
  }

  /** Keeps a charm from being deleted for a while, and says whether there is such a charm. */
  async #touch(digest: string): Promise<boolean> {
    await mkdir(this.#root, { recursive: true });
    const unlock = await lock(join(this.#root, 'lock'), true);
    try {
      const now = new Date();
      await utimes(this.folder(digest), now, now);
      return true;
    } catch {
      return false;
    } finally {
      unlock?.();
    }
  }

  /**
   * Lays a charm's files into a folder of a machine, over those of the charm that was there before. What only the old
   * charm had goes; what the charm itself has made stays.
   *
   * @param shared the folder that the machine sees; @param path of the charm in it
   */
  async lay(digest: string, shared: string, path: string, before: string | undefined): Promise<void> {
    await using root = await SharedFolder.open(shared);
    await using target = await root.folder(path);
    const folder = this.folder(digest);
    const names = await filesBelow(folder);
    if (before !== undefined) {
      const kept = new Set(names);
      for (const name of (await filesBelow(this.folder(before))).filter((old) => !kept.has(old))) {
        await using parent = await target.existing(dirname(name)).catch(() => undefined);
        await parent?.remove(basename(name));
      }
    }
    for (const name of names) {
      await using parent = await target.folder(dirname(name));
      await parent.put(join(folder, name), basename(name));
    }
  }
}

/** How long a charm that nobody uses stays after it was read, in milliseconds. */
const FRESH = 600_000;

/** Every file and symlink below a folder, by its path in it. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** What a charm says of itself. @throws {UsageError} */
function describe(path: string, files: readonly ZipFile[]): Omit<CharmInfo, 'revision' | 'digest'> {
  const text = (name: string): string | undefined => {
    const file = files.find((candidate) => candidate.name === name);
    return file && new TextDecoder().decode(file.content);
  };
  const read = <T>(name: string, schema: z.ZodType<T>): T | undefined => {
    const content = text(name);
    if (content === undefined) return undefined;
    let value: unknown;
    try {
      value = readYaml(content);
    } catch (error) {
      throw new UsageError(`${path}: ${name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw new UsageError(`${path}: ${name}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  };
  const metadata = read('metadata.yaml', Metadata);
  if (!metadata) throw new UsageError(`${path}: metadata.yaml not found, which every charm has`);
  const isHook = ({ name }: ZipFile) => name.includes('dispatch') || /^hooks\/[^/]+$/.test(name);
  if (!files.some(isHook))
    throw new UsageError(`invalid charm "${metadata.name}": has no hooks nor dispatch file`);
  const manifest = read('manifest.yaml', Manifest);
  if (!manifest) throw new UsageError('charm does not define any bases, not valid');
  const config = text('config.yaml');
  if (config?.trim() === '') throw new UsageError('invalid config: empty configuration');
  return {
    metadata,
    bases: manifest.bases,
    options: read('config.yaml', Config)?.options ?? {},
    actions: read('actions.yaml', Actions) ?? {},
    version: (text('version')?.split('\n')[0] ?? '').replace(/^revision-id: /, '').slice(0, 100),
  };
}

/** One file of an archive. */
interface ZipFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** Unix type and permissions, as stat(2) has them. */
  readonly mode: number;
}

/** @throws {UsageError} for what is no zip, and for entries that would leave the charm's folder. */
function readZip(path: string, bytes: Uint8Array): ZipFile[] {
  let contents: Record<string, Uint8Array>;
  try {
    contents = unzipSync(bytes);
  } catch (cause) {
    throw new UsageError(`${path} is no zip archive, which a charm is`, { cause });
  }
  const modes = unixModes(bytes);
  const files = Object.entries(contents)
    .filter(([name]) => !name.endsWith('/'))
    .map(([name, content]) => ({ name, content, mode: modes.get(name) ?? 0o644 }));
  const links = new Map(
    files
      .filter(({ mode }) => (mode & TYPE) === SYMLINK)
      .map(({ name, content }) => [normalize(name), new TextDecoder().decode(content)]),
  );
  for (const { name } of files) {
    if (isOutside(name)) throw new UsageError(`${path}: ${name} would be unpacked outside of the charm`);
    const way = parents(normalize(name)).find((parent) => links.has(parent));
    if (way !== undefined)
      throw new UsageError(`${path}: ${name} would be unpacked through the symlink "${way}"`);
  }
  for (const [name, target] of links)
    if (leadsOut(links, name))
      throw new UsageError(`${path}: symlink "${name}" links out of the charm: "${target}"`);
  return files;
}

/** `a`, `a/b` of `a/b/c`. */
function parents(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Whether a link of an archive, with whatever other links are on its way, leads out of it, or nowhere. */
function leadsOut(links: ReadonlyMap<string, string>, name: string): boolean {
  const queue = name.split('/');
  const here: string[] = [];
  // As many links as the kernel follows.
  for (let followed = 0; followed <= 40;) {
    const part = queue.shift();
    if (part === undefined) return false;
    if (part === '..' && here.pop() === undefined) return true;
    if (['', '.', '..'].includes(part)) continue;
    const target = links.get([...here, part].join('/'));
    if (target === undefined) here.push(part);
    else if (target.startsWith('/')) return true;
    else {
      queue.unshift(...target.split('/'));
      followed += 1;
    }
  }
  return true;
}

const TYPE = 0o170_000;
const SYMLINK = 0o120_000;

function isOutside(name: string): boolean {
  return name.startsWith('/') || normalize(name).split('/')[0] === '..';
}

async function unpack(files: readonly ZipFile[], folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(`${folder}.`);
  for (const { name, content, mode } of files) {
    const target = join(unfinished, name);
    await mkdir(dirname(target), { recursive: true });
    if ((mode & TYPE) === SYMLINK) await symlink(new TextDecoder().decode(content), target);
    else {
      await writeFile(target, content);
      // Juju itself mends the permissions of hooks/, and of nothing else.
      await chmod(target, (mode & 0o777) | (name.startsWith('hooks/') ? 0o500 : 0));
    }
  }
  await chmod(unfinished, 0o755);
  await rename(unfinished, folder).catch(async (error: unknown) => {
    await rm(unfinished, { recursive: true });
    if (!existsSync(folder)) throw error; // another daemon has unpacked it meanwhile
  });
}

/** Unix modes of a zip's entries, from its central directory (APPNOTE 4.3.12), which the unzip library leaves out. */
function unixModes(bytes: Uint8Array): Map<string, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const modes = new Map<string, number>();
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) return modes;
  let offset = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count -= 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((at) =>
      view.getUint16(offset + at, true),
    );
    const name = new TextDecoder().decode(bytes.subarray(offset + 46, offset + 46 + (nameLength ?? 0)));
    modes.set(name, view.getUint32(offset + 38, true) >>> 16);
    offset += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0);
  }
  return modes;
}
