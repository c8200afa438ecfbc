import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'yaml';
import { ZipFile } from 'yazl';
import { z } from 'zod';
import { BUNDLE_MAP } from '../stack.ts';
import type { Declaration } from './declaration.ts';
import {
  bundle,
  DEBIAN_ARCHITECTURES,
  libatomic,
  makeExecutable,
  nodeProgram,
  strippedNode,
  type Architecture,
} from './executable.ts';
import { npmLicences } from './licences.ts';

/** The releases of Ubuntu that the executable runs on. */
const BASES = ['22.04', '24.04', '26.04'];
const ZIP_TIME = new Date('2026-01-01T00:00:00Z');

/** A charm to build: where it is, and what its charmcraft.yaml says. */
export interface Source {
  readonly folder: string;
  readonly declaration: Declaration;
}

/** What the charms of one build share. */
interface Workshop {
  /** The folder whose package.json has the version, and where `dist` is. */
  readonly project: string;
  readonly arch: Architecture;
  /** Whether the files are also written into the charm's folder, where `charmcraft pack` finds them. */
  readonly isForCharmcraft: boolean;
  readonly version: string;
  readonly work: string;
  /** The Node of the architecture and this machine's own, made when the first charm needs them. */
  readonly nodes: () => Promise<Awaited<ReturnType<typeof makeNodes>>>;
}

/** The files that charmcraft writes itself, from charmcraft.yaml. */
const CHARMCRAFTS_OWN = ['metadata.yaml', 'config.yaml', 'actions.yaml', 'manifest.yaml'];

/**
 * Builds charms into the project's `dist`, and says where each is, relative to the project. One whose sources are
 * those of the last build is left alone, unless its files are wanted for charmcraft.
 */
export async function buildCharms(
  sources: readonly Source[],
  project: string,
  { arch, isForCharmcraft }: Pick<Workshop, 'arch' | 'isForCharmcraft'>,
): Promise<readonly string[]> {
  await mkdir(join(project, 'dist'), { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'charm-build-'));
  try {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(await readFile(join(project, 'package.json'), 'utf8')));
    let made: ReturnType<Workshop['nodes']> | undefined;
    const nodes = () => (made ??= makeNodes(arch, project, work));
    return await Promise.all(
      sources.map((source) => buildCharm(source, { project, arch, isForCharmcraft, version, work, nodes })),
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeNodes(arch: Architecture, project: string, work: string) {
  const { content: program, licences } = await nodeProgram(arch, project, work);
  const base = await strippedNode(program, arch, work);
  const own = process.arch === 'arm64' ? 'arm64' : 'x64';
  return { base, licences, node: own === arch ? program : (await nodeProgram(own, project, work)).content };
}

async function buildCharm({ folder, declaration }: Source, workshop: Workshop): Promise<string> {
  const { project, arch, isForCharmcraft, version, nodes } = workshop;
  const suffix = arch === process.arch ? '' : `_${arch}`;
  const name = `dist/${declaration.name}${suffix}.charm`;
  const target = join(project, name);
  const [{ code, map, sources }, own] = await Promise.all([
    bundle(folder, project),
    charmFiles({ folder, declaration }, project, arch, version),
  ]);
  const files = {
    ...own,
    [BUNDLE_MAP]: Buffer.from(map),
    ...licenceFiles(await npmLicences(sources)),
  };
  const inputs = `${target}.inputs`;
  const wanted = await digestOf(code, files, arch);
  const isCurrent = existsSync(target) && existsSync(inputs) && (await readFile(inputs, 'utf8')) === wanted;
  if (isCurrent && !isForCharmcraft) return name;

  const work = await mkdtemp(join(workshop.work, 'charm-'));
  const { base, node, licences } = await nodes();
  const [dispatch, library] = await Promise.all([
    makeExecutable({ code, arch, work, base, node }),
    libatomic(arch, work),
  ]);
  const all = {
    ...files,
    ...licenceFiles({ ...licences, ...library.licences }),
    'lib/libatomic.so.1': library.content,
    dispatch,
  };
  const modeOf = (entry: string): number => (entry === 'dispatch' ? 0o755 : 0o644);
  const zip = new ZipFile();
  for (const [entry, content] of Object.entries(all))
    zip.addBuffer(content, entry, {
      mtime: ZIP_TIME,
      mode: 0o100000 | modeOf(entry),
      forceDosTimestamp: true,
    });
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(`${target}.new`));
  await rename(`${target}.new`, target);
  await writeFile(inputs, wanted);
  if (isForCharmcraft) {
    const built = join(folder, 'built', DEBIAN_ARCHITECTURES[arch]);
    await rm(built, { recursive: true, force: true });
    for (const [entry, content] of Object.entries(all).filter(
      ([entry]) => !CHARMCRAFTS_OWN.includes(entry),
    )) {
      await mkdir(dirname(join(built, entry)), { recursive: true });
      await writeFile(join(built, entry), content, { mode: modeOf(entry) });
    }
  }
  return name;
}

type Files = Readonly<Record<string, Buffer>>;

/** Whose licences are not the charm's own: those of Node, of its library, and of the packages in the bundle. */
function licenceFiles(licences: Files): Files {
  return Object.fromEntries(Object.entries(licences).map(([name, text]) => [`licenses/${name}`, text]));
}

/** Everything in the zip but the executable, in Juju's own files. https://documentation.ubuntu.com/juju/3.6/reference/charm/ */
async function charmFiles(
  { folder, declaration }: Source,
  project: string,
  arch: Architecture,
  version: string,
): Promise<Files> {
  const { name, title, summary, description, subordinate, assumes, links, config, actions } = declaration;
  const { provides, requires, peers, storage, resources } = declaration;
  const yaml = (value: unknown): Buffer => Buffer.from(stringify(value));
  const metadata = {
    name,
    'display-name': title,
    summary,
    description,
    ...linksOf(links),
    subordinate,
    assumes,
    provides,
    requires,
    peers,
    storage,
    resources,
  };
  const bases = BASES.map((channel) => ({
    name: 'ubuntu',
    channel,
    architectures: [DEBIAN_ARCHITECTURES[arch]],
  }));
  return {
    'metadata.yaml': yaml(metadata),
    'config.yaml': yaml(config),
    'actions.yaml': yaml(actionsOf(actions)),
    'manifest.yaml': yaml({ bases }),
    version: Buffer.from(`${version}\n`),
    ...(await optionalFiles(project, ['LICENSE'])),
    ...(await optionalFiles(folder, ['LICENSE', 'README.md', 'icon.svg'])),
  };
}

/** Juju 3.6 takes parameters that are not declared, and Juju 4 does not, unless an action says which it is. */
function actionsOf(actions: Declaration['actions']): object {
  return Object.fromEntries(
    Object.entries(actions).map(([name, action]) => [name, { additionalProperties: false, ...action }]),
  );
}

/** What charmcraft makes of the links in charmcraft.yaml. */
function linksOf({ contact, documentation, ...others }: Declaration['links']): object {
  return {
    ...(contact !== undefined && { maintainers: [contact].flat() }),
    ...(documentation !== undefined && { docs: documentation }),
    ...others,
  };
}

async function optionalFiles(folder: string, names: readonly string[]): Promise<Files> {
  const there = names.filter((name) => existsSync(join(folder, name)));
  return Object.fromEntries(
    await Promise.all(there.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
}

/** Of everything that the archive is made from: this builder and its Node too. */
async function digestOf(code: string, files: Files, arch: Architecture): Promise<string> {
  const digest = createHash('sha256').update(process.version).update(arch).update(code);
  for (const [name, content] of Object.entries(files)) digest.update(name).update(content);
  const builder = (await readdir(import.meta.dirname)).sort();
  for (const name of builder) digest.update(await readFile(join(import.meta.dirname, name)));
  return digest.digest('hex');
}
