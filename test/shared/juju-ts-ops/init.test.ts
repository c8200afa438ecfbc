// `juju-ts-ops init` writes a charm that is right as it is: it agrees with its charmcraft.yaml, compiles, and passes its test.
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const PROGRAM = join(ROOT, 'shared/juju-ts-ops/bin/juju-ts-ops.mjs');
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'init-'));
  await symlink(join(ROOT, 'node_modules'), join(project, 'node_modules'));
});
afterAll(() => rm(project, { recursive: true }));

const run = (cwd: string, ...args: readonly string[]) =>
  execa(process.execPath, args, { cwd, reject: false, all: true });

test('a new charm agrees with its YAML, compiles, and passes its own tests', async () => {
  expect((await run(project, PROGRAM, 'init', 'my-web')).all).toBe(
    'init: my-web; go on with: cd my-web && npm install && npm test && npm run build',
  );
  const folder = join(project, 'my-web');
  expect((await run(folder, PROGRAM, 'check')).all).toBe('');
  expect((await run(folder, join(ROOT, 'node_modules/typescript/bin/tsc'))).all).toBe('');
  expect((await run(folder, '--test', 'charm.test.ts')).all).toContain('pass 3');
  expect(await readFile(join(folder, 'charmcraft.yaml'), 'utf8')).toMatch(/^name: my-web$/m);
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  // In a clone nothing comes from a registry that has none of it.
  expect(manifest).toMatchObject({
    name: 'my-web',
    scripts: { test: 'juju-ts-ops check && tsc && node --test charm.test.ts' },
    // npm brings the Node that this needs, whatever the machine has.
    optionalDependencies: { [`node-linux-${process.arch}`]: expect.any(String) },
    dependencies: {
      'juju-ts-host': expect.stringMatching(/^file:.*shared\/host$/),
      'juju-ts-ops': expect.stringMatching(/^file:.*shared\/juju-ts-ops$/),
    },
    devDependencies: { 'juju-local': expect.stringMatching(/^file:.*shared\/juju-local$/) },
  });
});

test('what is there is left alone, also when the names are the same', async () => {
  await run(project, PROGRAM, 'init', 'kept');
  await writeFile(join(project, 'kept/src/charm.ts'), 'my own\n');
  const { exitCode, all } = await run(project, PROGRAM, 'init', 'kept');
  expect([exitCode, all]).toEqual([
    1,
    'juju-ts-ops: kept is not empty: choose another name, or remove what is in it',
  ]);
  expect(await readFile(join(project, 'kept/src/charm.ts'), 'utf8')).toBe('my own\n');
});

test.each(['My-web', 'web_1', 'web-1', '-web', '../web'])('the name %s is refused', async (name) => {
  const { exitCode, all } = await run(project, PROGRAM, 'init', '--', name);
  expect([exitCode, all]).toEqual([
    1,
    `juju-ts-ops: "${name}" cannot be the name of a charm: use lower-case letters, digits and hyphens, such as my-charm`,
  ]);
});

test('it says how it is used when there is no name', async () => {
  const { exitCode, all } = await run(project, PROGRAM, 'init');
  expect([exitCode, all]).toEqual([2, expect.stringContaining('juju-ts-ops init <name>')]);
});
