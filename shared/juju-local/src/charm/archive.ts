import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { unzipSync } from 'fflate';
import { parse } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { ActionDefinition, Metadata, OptionDefinition, type CharmInfo } from './info.ts';

const CACHE = '/var/cache/juju-local/charms';

const Manifest = z.object({
  bases: z
    .array(z.object({ name: z.string(), channel: z.string('a base\'s channel is quoted: "24.04"') }))
    .min(1),
});
const Config = z.object({
  options: z
    .record(z.string(), OptionDefinition)
    .nullish()
    .transform((map) => map ?? {}),
});
const Actions = z
  .record(z.string(), ActionDefinition)
  .nullish()
  .transform((map) => map ?? {});

/**
 * Reads a `.charm` file, as Juju 4 takes it, and unpacks it into the cache that all machines share.
 * @throws {UsageError} for what Juju refuses.
 */
export async function readArchive(path: string): Promise<Omit<CharmInfo, 'revision'>> {
  const bytes = await readFile(path).catch(() => {
    throw new UsageError(`no charm was found at "${path}"`);
  });
  const digest = createHash('sha256').update(bytes).digest('hex');
  const folder = charmFolder(digest);
  if (!existsSync(folder)) await unpack(path, bytes, folder);
  const text = (name: string): Promise<string | undefined> =>
    readFile(join(folder, name), 'utf8').catch(() => undefined);
  const read = async <T>(name: string, schema: z.ZodType<T>, missing: unknown): Promise<T> => {
    const content = await text(name);
    if (content === undefined && missing === undefined) throw new UsageError(`${path} has no ${name}`);
    const parsed = schema.safeParse(content === undefined ? missing : parse(content));
    if (!parsed.success) throw new UsageError(`${path}: ${name}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  };
  const [metadata, manifest, config, actions, version] = await Promise.all([
    read('metadata.yaml', Metadata, undefined),
    read('manifest.yaml', Manifest, undefined),
    read('config.yaml', Config, { options: {} }),
    read('actions.yaml', Actions, {}),
    text('version'),
  ]);
  return {
    digest,
    metadata,
    bases: manifest.bases,
    options: config.options,
    actions,
    version: version?.split('\n')[0] ?? '',
  };
}

/** Where an archive's files are. */
export function charmFolder(digest: string): string {
  return join(CACHE, digest);
}

async function unpack(path: string, bytes: Uint8Array, folder: string): Promise<void> {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes);
  } catch (cause) {
    throw new UsageError(`${path} is no zip archive, which a charm is`, { cause });
  }
  const modes = unixModes(bytes);
  if (!Object.keys(files).some((name) => name === 'dispatch' || name.startsWith('hooks/'))) {
    throw new UsageError(`invalid charm "${path}": has no hooks nor dispatch file`);
  }
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  for (const [name, content] of Object.entries(files)) {
    if (normalize(name).startsWith('..'))
      throw new UsageError(`${path}: ${name} would be unpacked outside of the charm`);
    if (name.endsWith('/')) continue;
    const target = join(unfinished, name);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    await chmod(target, (modes.get(name) ?? 0o644) & 0o777);
  }
  await rename(unfinished, folder);
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
