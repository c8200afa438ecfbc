// Before `npm pack` and after it: inside this repository the package is its TypeScript, and elsewhere compiled
// JavaScript with its types, because Node strips no types from what is installed.
//
//   node pack.mjs pack      compiles to dist/, and points package.json there
//   node pack.mjs restore   undoes it
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const [manifest, original, dist] = ['package.json', 'package.json.original', 'dist'].map((name) =>
  join(folder, name),
);

function restore() {
  if (existsSync(original)) renameSync(original, manifest);
  rmSync(dist, { recursive: true, force: true });
}

restore();
if (process.argv[2] === 'pack') {
  const tsc = join(folder, '../../node_modules/.bin/tsc');
  const { status } = spawnSync(tsc, ['--project', join(folder, 'tsconfig.build.json')], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const text = readFileSync(manifest, 'utf8');
  writeFileSync(original, text);
  const published = JSON.parse(text);
  const compiled = Object.fromEntries(
    Object.entries(published.exports).map(([name, source]) => {
      const file = source.replace('./src/', './dist/').replace(/\.ts$/, '');
      return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
    }),
  );
  writeFileSync(
    manifest,
    `${JSON.stringify({ ...published, exports: compiled, scripts: undefined }, null, 2)}\n`,
  );
}
