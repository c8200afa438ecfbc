// Packs what others install: this package, juju-ts-host and juju-ts-interfaces. Inside this repository a package is its
// TypeScript, and elsewhere compiled JavaScript with its types, because Node strips no types from what is installed.
//
//   node pack.mjs           packs all three into dist/npm of the repository
//   node pack.mjs pack      in a package's folder, before `npm pack`: compiles it to dist/, and points package.json there
//   node pack.mjs restore   in a package's folder, after `npm pack`: undoes that
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = ['juju-ts-ops', 'host', 'interfaces'];

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', cwd });
  if (status !== 0) process.exit(1);
}

function packAll() {
  const target = join(ROOT, 'dist/npm');
  mkdirSync(target, { recursive: true });
  for (const name of PACKAGES)
    run('npm', ['pack', '--silent', '--pack-destination', target], join(ROOT, 'shared', name));
}

const folder = process.cwd();
const [manifest, original, dist] = ['package.json', 'package.json.original', 'dist'].map((name) =>
  join(folder, name),
);

function restore() {
  if (existsSync(original)) renameSync(original, manifest);
  rmSync(dist, { recursive: true, force: true });
}

/** The compiler emits what the package imports from its neighbours as well: that is theirs. */
function compile() {
  const emitted = mkdtempSync(join(tmpdir(), 'pack-'));
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  run(tsc, ['--project', join(folder, 'tsconfig.build.json'), '--outDir', emitted], folder);
  cpSync(join(emitted, basename(folder), 'src'), dist, { recursive: true });
  rmSync(emitted, { recursive: true });
}

function publishable(text) {
  const published = JSON.parse(text);
  const compiled = Object.fromEntries(
    Object.entries(published.exports).map(([name, source]) => {
      const file = source.replace('./src/', './dist/').replace(/\.ts$/, '');
      return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
    }),
  );
  return `${JSON.stringify({ ...published, exports: compiled, scripts: undefined }, null, 2)}\n`;
}

const [command] = process.argv.slice(2);
if (command === undefined) packAll();
else {
  restore();
  if (command === 'pack') {
    compile();
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(original, text);
    writeFileSync(manifest, publishable(text));
  }
}
