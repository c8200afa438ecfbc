import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { execa } from 'execa';
import { z } from 'zod';
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

/** A charm and everything that it imports, as one file. */
export async function bundle(folder: string, project: string): Promise<string> {
  const { outputFiles } = await build({
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
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    // Identifiers stay as they are: errors carry the names of their classes.
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [englishOnly],
    logLevel: 'warning',
  });
  return outputFiles.map(({ text }) => text).join('');
}

const OwnPackage = z.object({ optionalDependencies: z.record(z.string(), z.string()) });

/** The Node of an architecture: the installed one, or what its package has. */
export async function nodeProgram(arch: Architecture, work: string): Promise<string> {
  const name = `node-linux-${arch}`;
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(`${name}/bin/node`);
  } catch {
    // npm installs only the one for this machine.
  }
  const { optionalDependencies } = OwnPackage.parse(
    JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')),
  );
  const { stdout } = await execa('npm', ['pack', '--silent', `${name}@${optionalDependencies[name]}`], {
    cwd: work,
  });
  await execa('tar', ['-xzf', stdout.trim(), 'package/bin/node'], { cwd: work });
  return join(work, 'package/bin/node');
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
export async function libatomic(arch: Architecture, work: string): Promise<Buffer> {
  const path = `usr/lib/${TRIPLETS[arch]}/libatomic.so.1`;
  if (arch === process.arch) return readFile(join('/', path));
  const folder = join(work, 'apt');
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  // A package database of its own, so that this machine's stays as it is.
  const options = [
    ['APT::Architecture', DEBIAN_ARCHITECTURES[arch]],
    ['APT::Architectures', DEBIAN_ARCHITECTURES[arch]],
    ['Dir::State', folder],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await execa('apt-get', [...options, 'update', '-q']);
  await execa('apt-get', [...options, 'download', '-q', 'libatomic1'], { cwd: folder });
  const deb = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw new BuildError(`apt has no libatomic1 for ${DEBIAN_ARCHITECTURES[arch]}`);
  await execa('dpkg-deb', ['--extract', deb, 'root'], { cwd: folder });
  return readFile(join(folder, 'root', path));
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
  const wrapped = JSON.stringify(`(function (require) {${code}\n})`);
  await writeFile(
    join(work, main),
    `require('node:vm').runInThisContext(${wrapped}, { filename: 'dispatch.js' })(require);`,
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
  const flags = [...NODE_FLAGS, '--random-seed=1', '--no-warnings'];
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
