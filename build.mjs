// Builds the charms of this repository: what `juju-ts-ops` does, for charms by their names.
//
//   node build.mjs [--arch x64|arm64] [charm|folder...]   dist/<charm>.charm, or dist/<charm>_<arch>.charm for another machine
//   node build.mjs --charmcraft ...                 and charms/<charm>/built/<arch>, for `charmcraft pack`
//   node build.mjs --types                         write charmcraft.yaml out as src/charmcraft.ts
//   node build.mjs --check                         only check that YAML, types and code agree
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { builder } from 'juju-ts-ops/builder';

const ROOT = import.meta.dirname;
const { values, positionals } = called();
const command = values.types ? 'types' : values.check ? 'check' : 'build';

function called() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        arch: { type: 'string', default: process.arch },
        charmcraft: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        types: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    console.error(
      `${error.message}\nusage: npm run build -- [--arch x64|arm64] [--charmcraft] [charm|folder...]`,
    );
    process.exit(2);
  }
}

/** The charms that are deployed, and beside them those whose code is only checked. */
const deployed = charmsIn('charms', 'test/charms');
const checked = charmsIn('shared/juju-ts-ops/examples', 'test/bench');
const all = [...deployed, ...(command === 'build' ? [] : checked)];
const folders =
  positionals.length === 0
    ? all
    : positionals.map((name) => all.find((folder) => basename(folder) === name) ?? name);

function charmsIn(...parents) {
  return parents
    .filter((parent) => existsSync(join(ROOT, parent)))
    .flatMap((parent) => readdirSync(join(ROOT, parent)).map((name) => join(ROOT, parent, name)))
    .filter((folder) => existsSync(join(folder, 'charmcraft.yaml')))
    .map((folder) => relative(ROOT, folder));
}

const flags = values.charmcraft ? ['--charmcraft'] : [];
process.exitCode = await builder([command, '--arch', values.arch, ...flags, ...folders], ROOT);
