// Makes the charms: checks charmcraft.yaml against the code, bundles the code, turns it into an executable and
// packs that with what Juju reads.
//
//   node build.mjs [--arch x64|arm64] [charm|folder...]   dist/<charm>.charm, or dist/<charm>_<arch>.charm for another machine
//   node build.mjs --types                         write charmcraft.yaml out as src/charmcraft.ts
//   node build.mjs --check                         only check that YAML, types and code agree
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { build as bundle } from 'esbuild';
import { execa } from 'execa';
import { BUILT_IN_ACTIONS } from 'juju-ts-ops';
import { parse, stringify } from 'yaml';
import { ZipFile } from 'yazl';
import { z } from 'zod';

process.env.TZ = 'UTC'; // zip entries carry local time

const ROOT = import.meta.dirname;
const BASES = ['22.04', '24.04', '26.04'];
const TRIPLET = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };
const DEBIAN_ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' };
// The snapshot is only the same in every build, and only accepted when it runs, with one hash seed in both.
const NODE_FLAGS = ['--hash-seed=1'];
const ZIP_TIME = new Date('2026-01-01T00:00:00Z');

const Endpoint = z.union([
  z.string().transform((name) => ({ interface: name, scope: 'global' })),
  z.strictObject({
    interface: z.string(),
    scope: z.enum(['global', 'container']).default('global'),
    limit: z.int().optional(),
    optional: z.boolean().optional(),
  }),
]);
const Option = z.strictObject({
  type: z.enum(['string', 'int', 'float', 'boolean', 'secret']),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  description: z.string(),
});
const Action = z.strictObject({
  description: z.string(),
  params: z.record(z.string(), z.looseObject({ type: z.string(), description: z.string() })).default({}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.boolean().default(false),
});
const Storage = z.looseObject({ type: z.enum(['filesystem', 'block']) });
const Resource = z.looseObject({ type: z.literal('file'), filename: z.string() });
const Charmcraft = z.strictObject({
  name: z.string(),
  type: z.literal('charm'),
  title: z.string(),
  summary: z.string(),
  description: z.string(),
  subordinate: z.boolean().default(false),
  assumes: z.array(z.unknown()).default([]),
  provides: z.record(z.string(), Endpoint).default({}),
  requires: z.record(z.string(), Endpoint).default({}),
  peers: z.record(z.string(), Endpoint).default({}),
  storage: z.record(z.string(), Storage).default({}),
  resources: z.record(z.string(), Resource).default({}),
  config: z.strictObject({ options: z.record(z.string(), Option) }).default({ options: {} }),
  actions: z.record(z.string(), Action).default({}),
});

/** The folders of the charms that are named, by name or by path; of all in the usual places if none is. */
async function findCharms(named) {
  const folders = await Promise.all(
    ['charms', 'test/charms'].map(async (parent) =>
      existsSync(join(ROOT, parent))
        ? (await readdir(join(ROOT, parent))).map((name) => join(ROOT, parent, name))
        : [],
    ),
  );
  const charms = folders.flat().filter((folder) => existsSync(join(folder, 'charmcraft.yaml')));
  if (named.length === 0) return charms;
  return named.map((name) => charms.find((folder) => basename(folder) === name) ?? resolve(name));
}

async function readCharmcraft(folder) {
  const parsed = Charmcraft.safeParse(parse(await readFile(join(folder, 'charmcraft.yaml'), 'utf8')));
  if (!parsed.success) throw new Error(`${folder}/charmcraft.yaml:\n${z.prettifyError(parsed.error)}`);
  if (parsed.data.name !== basename(folder))
    throw new Error(`${folder}: the charm is called ${parsed.data.name}`);
  return parsed.data;
}

/** What the code is checked against: the shape of juju-ts-ops' type Charmcraft. */
function typedPart({ name, subordinate, provides, requires, peers, storage, resources, config, actions }) {
  const endpoints = (map) =>
    mapValues(map, (endpoint) => ({ interface: endpoint.interface, scope: endpoint.scope }));
  return {
    name,
    subordinate,
    provides: endpoints(provides),
    requires: endpoints(requires),
    peers: endpoints(peers),
    options: mapValues(config.options, ({ type, default: value }) =>
      value === undefined ? { type } : { type, default: value },
    ),
    actions: mapValues(actions, ({ params, required }) => ({
      params: mapValues(params, ({ type, default: value }) =>
        value === undefined ? { type } : { type, default: value },
      ),
      required,
    })),
    ...withTypes({ storage, resources }),
  };
}

/** What few charms have, where they do. */
function withTypes(declared) {
  const typed = mapValues(declared, (items) => mapValues(items, ({ type }) => ({ type })));
  return Object.fromEntries(Object.entries(typed).filter(([, items]) => Object.keys(items).length > 0));
}

function mapValues(map, change) {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

function typesSource(charmcraft) {
  const json = JSON.stringify(typedPart(charmcraft), null, 2);
  return `// Written by \`node build.mjs --types\` from charmcraft.yaml.\nexport const charmcraft = ${json} as const;\n`;
}

/** Refuses a charm whose YAML, types and code disagree. */
async function verify(folder, charmcraft) {
  const file = join(folder, 'src/charmcraft.ts');
  if (!existsSync(file) || (await readFile(file, 'utf8')) !== typesSource(charmcraft)) {
    throw new Error(`${file} is not what charmcraft.yaml says; run: node build.mjs --types`);
  }
  const { charm } = await import(pathToFileURL(join(folder, 'src/charm.ts')).href);
  if (!isDeepStrictEqual(charm.charmcraft, typedPart(charmcraft))) {
    throw new Error(`${folder}/src/charm.ts does not use the charmcraft.ts beside it`);
  }
  const { provides, requires, peers, config, actions } = charmcraft;
  const expected = {
    options: Object.keys(config.options),
    endpoints: Object.keys({ ...provides, ...requires, ...peers }),
    actions: Object.keys(actions).filter((name) => !BUILT_IN_ACTIONS.includes(name)),
  };
  for (const [kind, names] of Object.entries(expected)) {
    const coded = Object.keys(charm[kind]).sort();
    if (!isDeepStrictEqual(coded, names.sort())) {
      throw new Error(
        `${folder}: charmcraft.yaml declares the ${kind} [${names.join(', ')}], the code has [${coded.join(', ')}]`,
      );
    }
  }
}

/** The Node that becomes the charm's executable, without its symbols where this machine can take them off. */
async function nodeBase(arch, work) {
  const base = join(work, `node-${arch}`);
  const installed = join(ROOT, `node_modules/node-linux-${arch}/bin/node`);
  if (existsSync(installed)) {
    await copyFile(installed, base);
  } else {
    const { optionalDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const name = `node-linux-${arch}`;
    const { stdout } = await execa('npm', ['pack', '--silent', `${name}@${optionalDependencies[name]}`], {
      cwd: work,
    });
    await execa('tar', ['-xzf', stdout.trim(), 'package/bin/node'], { cwd: work });
    await rename(join(work, 'package/bin/node'), base);
  }
  const strip =
    arch === process.arch
      ? 'strip'
      : { x64: 'x86_64-linux-gnu-strip', arm64: 'aarch64-linux-gnu-strip' }[arch];
  const { failed } = await execa(strip, [base], { reject: false });
  if (failed)
    console.log(`build: ${strip} is not here, so the executables keep their symbols and are 30 MB larger`);
  return base;
}

/** zod's messages in one language only: all of them would be a third of the bundle. */
const englishOnly = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: `export { default as en } from './en.js';`,
      resolveDir: dirname(path),
    }));
  },
};

async function bundleCharm(folder) {
  const { outputFiles } = await bundle({
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
    absWorkingDir: ROOT,
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
  return outputFiles[0].text;
}

/** The one library that Node needs and Ubuntu's cloud images do not have; it goes into the charm. */
async function libatomic(arch, work) {
  const path = `usr/lib/${TRIPLET[arch]}/libatomic.so.1`;
  if (arch === process.arch) return readFile(join('/', path));
  const folder = join(work, 'apt');
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  // A package database of its own, so that this machine's stays as it is.
  const options = [
    ['APT::Architecture', DEBIAN_ARCHITECTURE[arch]],
    ['APT::Architectures', DEBIAN_ARCHITECTURE[arch]],
    ['Dir::State', folder],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await execa('apt-get', [...options, 'update', '-q']);
  await execa('apt-get', [...options, 'download', '-q', 'libatomic1'], { cwd: folder });
  const [deb] = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
  await execa('dpkg-deb', ['--extract', deb, 'root'], { cwd: folder });
  return readFile(join(folder, 'root', path));
}

/**
 * The charm as a program. On the machine it is for, Node starts from a snapshot, taken after the bundle was loaded;
 * for another machine it loads the bundle each time.
 */
async function makeExecutable(code, base, arch, work) {
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
      execArgv: native ? NODE_FLAGS : [],
      execArgvExtension: 'none',
    }),
  );
  const flags = [...NODE_FLAGS, '--random-seed=1', '--no-warnings'];
  // By its name alone, because what it is called by would stand in the snapshot too.
  const [program, ...args] = [...(await ownProcessIds()), 'node', ...flags, '--build-sea', config];
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
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
    throw new Error(`Node makes no executable of this charm: ${hint}`);
  }
  // Only now: what has been through patchelf does not survive --build-sea.
  await execa('patchelf', ['--set-rpath', '$ORIGIN/lib', join(work, output)]);
  return readFile(join(work, output));
}

/** How to run a program as process 1 of a namespace of its own: the number stands in the snapshot. */
async function ownProcessIds() {
  for (const command of [
    ['unshare', '--pid', '--fork'],
    ['unshare', '--user', '--map-root-user', '--pid', '--fork'],
  ]) {
    const [program, ...args] = command;
    const { failed } = await execa(program, [...args, 'true'], { reject: false });
    if (!failed) return command;
  }
  console.log('build: unshare is not allowed here, so each build of a charm differs in a few bytes');
  return [];
}

/** Everything in the zip but the executable, in Juju's own files. https://documentation.ubuntu.com/juju/3.6/reference/charm/ */
async function charmFiles(folder, charmcraft, arch, version) {
  const { name, summary, description, subordinate, assumes, config, actions } = charmcraft;
  const { provides, requires, peers, storage, resources } = charmcraft;
  const metadata = {
    name,
    summary,
    description,
    subordinate,
    assumes,
    provides,
    requires,
    peers,
    storage,
    resources,
  };
  const yaml = (value) => Buffer.from(stringify(value));
  return {
    'metadata.yaml': yaml(metadata),
    'config.yaml': yaml(config),
    'actions.yaml': yaml(actions),
    'manifest.yaml': yaml({
      bases: BASES.map((channel) => ({
        name: 'ubuntu',
        channel,
        architectures: [DEBIAN_ARCHITECTURE[arch]],
      })),
    }),
    version: Buffer.from(`${version}\n`),
    LICENSE: await readFile(join(ROOT, 'LICENSE')),
    ...(await optionalFiles(folder, ['README.md', 'icon.svg'])),
  };
}

async function optionalFiles(folder, names) {
  const there = names.filter((name) => existsSync(join(folder, name)));
  return Object.fromEntries(
    await Promise.all(there.map(async (name) => [name, await readFile(join(folder, name))])),
  );
}

async function buildCharm(folder, charmcraft, arch, base, work, version) {
  const suffix = arch === process.arch ? '' : `_${arch}`;
  const target = join(ROOT, 'dist', `${charmcraft.name}${suffix}.charm`);
  const [code, files] = await Promise.all([
    bundleCharm(folder),
    charmFiles(folder, charmcraft, arch, version),
  ]);
  const digest = createHash('sha256').update(process.version).update(arch).update(code);
  for (const [name, content] of Object.entries(files)) digest.update(name).update(content);
  digest.update(await readFile(import.meta.filename));
  const inputs = `${target}.inputs`;
  const wanted = digest.digest('hex');
  if (existsSync(target) && existsSync(inputs) && (await readFile(inputs, 'utf8')) === wanted) return target;

  const dispatch = await makeExecutable(code, await base(), arch, work);
  const zip = new ZipFile();
  const add = (name, content, mode) =>
    zip.addBuffer(content, name, { mtime: ZIP_TIME, mode, forceDosTimestamp: true });
  for (const [name, content] of Object.entries(files)) add(name, content, 0o100644);
  add('lib/libatomic.so.1', await libatomic(arch, work), 0o100644);
  add('dispatch', dispatch, 0o100755);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(`${target}.new`));
  await rename(`${target}.new`, target);
  await writeFile(inputs, wanted);
  return target;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: 'string', default: process.arch },
    check: { type: 'boolean', default: false },
    types: { type: 'boolean', default: false },
  },
});
const arch = { amd64: 'x64' }[values.arch] ?? values.arch;
if (!(arch in DEBIAN_ARCHITECTURE))
  throw new Error(`--arch is one of: ${Object.keys(DEBIAN_ARCHITECTURE).join(', ')}`);

const charms = await Promise.all(
  (await findCharms(positionals)).map(async (folder) => ({
    folder,
    charmcraft: await readCharmcraft(folder),
  })),
);
if (values.types) {
  for (const { folder, charmcraft } of charms) {
    await mkdir(join(folder, 'src'), { recursive: true });
    await writeFile(join(folder, 'src/charmcraft.ts'), typesSource(charmcraft));
  }
} else {
  for (const { folder, charmcraft } of charms) await verify(folder, charmcraft);
}
if (!values.types && !values.check) {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'charm-build-'));
  try {
    let made;
    const base = () => (made ??= nodeBase(arch, work));
    const build = async ({ folder, charmcraft }) => {
      const own = await mkdtemp(join(work, 'charm-'));
      const target = await buildCharm(folder, charmcraft, arch, base, own, version);
      console.log(`build: ${target.slice(ROOT.length + 1)}`);
    };
    await Promise.all(charms.map(build));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
