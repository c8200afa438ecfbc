import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { execa } from 'execa';
import { z } from 'zod';
import { BUNDLE, BUNDLE_HEAD } from '../stack.ts';
import { BuildError } from './declaration.ts';

/** An architecture that charms can be built for, in Node's words. */
export type Architecture = 'x64' | 'arm64';

/** The same in other words: the folder of its libraries, and Debian's and Juju's name for it. */
const TRIPLETS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' } as const;
export const DEBIAN_ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' } as const;

// The snapshot is only the same in every build, and only accepted when it runs, with one hash seed in both.
const NODE_FLAGS = ['--hash-seed=1'];

// A hook is over before it pays to compile anything: without compilers it takes less time, and 4 MB less memory.
const NO_COMPILERS = ['--no-sparkplug', '--no-maglev', '--no-opt'];

/** zod's messages in one language only: all of them would be a third of the bundle. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup(bundling) {
    bundling.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: `export { default as en } from './en.js';`,
      resolveDir: dirname(path),
    }));
  },
};

/** A charm and everything that it imports. */
export interface Bundle {
  /** As one file. */
  readonly code: string;
  /** Which line of the file is which of the sources, in JSON. https://tc39.es/ecma426/ */
  readonly map: string;
  /** The files that it was made of. */
  readonly sources: readonly string[];
}

export async function bundle(folder: string, project: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: [
        `import { startupSnapshot } from 'node:v8';`,
        `import { main } from 'juju-ts-ops';`,
        `import { charm } from './src/charm.ts';`,
        `const run = () => void main(charm);`,
        `if (startupSnapshot.isBuildingSnapshot()) {`,
        // Where this machine has its Node would stand in the snapshot; Node sets both again when it starts from one.
        `  process.execPath = process.argv[0] = 'node';`,
        `  startupSnapshot.setDeserializeMainFunction(run);`,
        `} else run();`,
      ].join('\n'),
      resolveDir: folder,
      loader: 'ts',
    },
    absWorkingDir: project,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    // Identifiers stay as they are: errors carry the names of their classes.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'external',
    sourcesContent: false,
    outfile: BUNDLE,
    plugins: [englishOnly],
    logLevel: 'warning',
  });
  const [map, code] = outputFiles;
  return {
    code: code?.text ?? '',
    map: map?.text ?? '',
    sources: Object.keys(metafile.inputs).map((path) => resolve(project, path)),
  };
}

const OwnPackage = z.object({ optionalDependencies: z.record(z.string(), z.string()) });

/** A program or a library that goes into a charm, and under which licence. */
export interface Licensed<T> {
  readonly content: T;
  /** Texts of licences, by the names of their files. */
  readonly licences: Readonly<Record<string, Buffer>>;
}

/** The Node of an architecture, its path: the installed one, or what its package has. */
export async function nodeProgram(
  arch: Architecture,
  project: string,
  work: string,
): Promise<Licensed<string>> {
  const folder = await nodePackage(`node-linux-${arch}`, project, work);
  return {
    content: join(folder, 'bin/node'),
    licences: { 'node/LICENSE': await readFile(join(folder, 'LICENSE')) },
  };
}

async function nodePackage(name: string, project: string, work: string): Promise<string> {
  const require = createRequire(import.meta.url);
  try {
    return join(require.resolve(`${name}/bin/node`), '../..');
  } catch {
    // npm installs only the one for this machine.
  }
  const { optionalDependencies } = OwnPackage.parse(
    JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')),
  );
  const wanted = `${name}@${optionalDependencies[name]}`;
  const { stdout } = await execa('npm', ['pack', '--silent', wanted], { cwd: work });
  const archive = join(work, stdout.trim());
  checkIntegrity(wanted, await readFile(archive), await lockedHash(name, project));
  await execa('tar', ['-xzf', archive, 'package/bin/node', 'package/LICENSE'], { cwd: work });
  return join(work, 'package');
}

const Lock = z.object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() })) });

/** What the project's lock file says that a package hashes to. */
async function lockedHash(name: string, project: string): Promise<string> {
  const file = join(project, 'package-lock.json');
  const { packages } = existsSync(file)
    ? Lock.parse(JSON.parse(await readFile(file, 'utf8')))
    : { packages: {} };
  const hash = packages[`node_modules/${name}`]?.integrity;
  if (hash === undefined)
    throw new BuildError(`${file} has no hash of ${name}, which goes into the charm: run npm install`);
  return hash;
}

/**
 * @param hash as npm writes it: `sha512-` and the digest in base64, or several, of which the strongest counts
 * @throws {BuildError} where a package is another one than was locked
 */
export function checkIntegrity(name: string, content: Buffer, hash: string): void {
  const digests = hash.split(' ').filter((item) => item.startsWith('sha512-'));
  const actual = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  if (!digests.includes(actual))
    throw new BuildError(`${name} is not what package-lock.json says: ${actual} instead of ${hash}`);
}

/** A copy of a Node that becomes the executable, without its symbols where this machine can take them off. */
export async function strippedNode(program: string, arch: Architecture, work: string): Promise<string> {
  const base = join(work, `node-${arch}`);
  await copyFile(program, base);
  const strip = arch === process.arch ? 'strip' : `${TRIPLETS[arch]}-strip`;
  const { failed } = await execa(strip, [base], { reject: false });
  if (failed)
    console.log(`build: ${strip} is not here, so the executables keep their symbols and are 30 MB larger`);
  return base;
}

/** The one library that Node needs and Ubuntu's cloud images do not have; it goes into the charm. */
export async function libatomic(arch: Architecture, work: string): Promise<Licensed<Buffer>> {
  const path = `usr/lib/${TRIPLETS[arch]}/libatomic.so.1`;
  const root = arch === process.arch ? '/' : await unpacked(arch, join(work, 'apt'), 'libatomic1');
  const documents = join(root, 'usr/share/doc/libatomic1');
  // Packages of one source have their licence in one of them.
  const [other] = root === '/' ? [] : [await readlink(documents).catch(() => undefined)];
  const place =
    other === undefined
      ? documents
      : join(await unpacked(arch, join(work, 'apt'), basename(other)), 'usr/share/doc', basename(other));
  return {
    content: await readFile(join(root, path)),
    licences: {
      'libatomic1/copyright': await readFile(join(place, 'copyright')),
      'libatomic1/GPL-3': await readFile('/usr/share/common-licenses/GPL-3'),
    },
  };
}

/** Fetches a Debian package, and unpacks it beside those that were fetched before. @returns where */
async function unpacked(arch: Architecture, folder: string, name: string): Promise<string> {
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  // A package database of its own, so that this machine's stays as it is.
  const options = [
    ['APT::Architecture', DEBIAN_ARCHITECTURES[arch]],
    ['APT::Architectures', DEBIAN_ARCHITECTURES[arch]],
    ['Dir::State', folder],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const root = join(folder, 'root');
  if (!existsSync(root)) await execa('apt-get', [...options, 'update', '-q']);
  await execa('apt-get', [...options, 'download', '-q', name], { cwd: folder });
  const deb = (await readdir(folder)).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));
  if (deb === undefined) throw new BuildError(`apt has no ${name} for ${DEBIAN_ARCHITECTURES[arch]}`);
  await execa('dpkg-deb', ['--extract', deb, 'root'], { cwd: folder });
  return root;
}

/** What an executable is made of. */
export interface Parts {
  readonly code: string;
  readonly arch: Architecture;
  /** The Node that becomes the executable. */
  readonly base: string;
  /** The same Node for this machine, which makes it. */
  readonly node: string;
  /** An empty folder. */
  readonly work: string;
}

/**
 * The charm as a program. On the machine it is for, Node starts from a snapshot, taken after the bundle was loaded;
 * for another machine it loads the bundle each time.
 */
export async function makeExecutable({ code, arch, base, node, work }: Parts): Promise<Buffer> {
  // Names without the folder, which would stand in the snapshot.
  const [main, output, config] = ['main.cjs', 'dispatch', 'sea.json'];
  const wrapped = JSON.stringify(`${BUNDLE_HEAD}${code}\n})`);
  await writeFile(
    join(work, main),
    `require('node:vm').runInThisContext(${wrapped}, { filename: '${BUNDLE}' })(require);`,
  );
  const native = arch === process.arch;
  await writeFile(
    join(work, config),
    JSON.stringify({
      main,
      output,
      executable: relative(work, base),
      disableExperimentalSEAWarning: true,
      useSnapshot: native,
      execArgv: [...NO_COMPILERS, ...(native ? NODE_FLAGS : [])],
      execArgvExtension: 'none',
    }),
  );
  // The end of an object that does not fill its words stands in the snapshot too, with whatever was there before.
  const flags = [...NODE_FLAGS, '--random-seed=1', '--clear-free-memory', '--no-warnings'];
  // By its name alone, because what it is called by would stand in the snapshot too.
  const [program, ...args] = [...(await ownProcessIds()), 'node', ...flags, '--build-sea', config];
  const PATH = `${dirname(node)}:${process.env['PATH']}`;
  const { failed, stderr } = await execa(program, args, {
    cwd: work,
    extendEnv: false,
    env: { PATH },
    reject: false,
  });
  if (failed) {
    const hint = stderr.includes('CheckGlobalAndEternalHandles')
      ? 'what its modules make when they are loaded must be plain: no BlockList, Intl object, socket or timer outside of functions'
      : stderr;
    throw new BuildError(`Node makes no executable of this charm: ${hint}`);
  }
  // Only now: what has been through patchelf does not survive --build-sea.
  await execa('patchelf', ['--set-rpath', '$ORIGIN/lib', join(work, output)]);
  return readFile(join(work, output));
}

/** How to run a program as process 1 of a namespace of its own: the number stands in the snapshot. */
async function ownProcessIds(): Promise<readonly string[]> {
  for (const options of [
    ['--pid', '--fork'],
    ['--user', '--map-root-user', '--pid', '--fork'],
  ]) {
    const { failed } = await execa('unshare', [...options, 'true'], { reject: false });
    if (!failed) return ['unshare', ...options];
  }
  console.log('build: unshare is not allowed here, so each build of a charm differs in a few bytes');
  return [];
}

/** @throws {BuildError} with the Debian packages that this machine lacks to build charms. */
export function checkMachine(arch: Architecture): void {
  const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const missing = [
    ...(folders.some((folder) => existsSync(join(folder, 'patchelf'))) ? [] : ['patchelf']),
    ...(arch !== process.arch || existsSync(`/usr/lib/${TRIPLETS[arch]}/libatomic.so.1`)
      ? []
      : ['libatomic1']),
  ];
  if (missing.length > 0)
    throw new BuildError(`building charms needs: apt-get install ${missing.join(' ')} binutils`);
}
