// What `npm pack` gives: another project compiles against it, tests with it and runs it.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const MINUTE = 60_000;
const CHARM = `
import { active, defineCharm } from 'juju-ts-ops';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { z } from 'zod';

const charmcraft = {
  name: 'other', subordinate: false, provides: {}, requires: {}, peers: {}, actions: {},
  options: { title: { type: 'string', default: 'Hello' } },
} as const;
const charm = defineCharm(charmcraft, {
  options: { title: z.string() },
  endpoints: {},
  events: { moved: z.object({ to: z.string() }) },
  machine: { apply: async () => [], preview: async () => [] },
  read: (juju) => juju.options(),
  plan: ({ title }) => ({ machine: [], status: [active(title)] }),
  leave: async () => [],
  actions: {},
});
const { state } = await inProcess(charm).run('start', stateOf(charm, { options: { title: 'Good day' } }));
console.log(state.status.message);
// As the how-to says, in a project that is strict and no more.
inProcess({ ...charm, read: async (juju) => ({ ...(await charm.read(juju)), hostname: 'web-0' }) });
// @ts-expect-error
stateOf(charm, { options: { colour: 'red' } });
`;

let folder: string;
let project: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-package-'));
  const source = join(folder, 'source');
  await mkdir(join(source, 'shared'), { recursive: true });
  await cp(join(ROOT, 'shared/juju-ts-ops'), join(source, 'shared/juju-ts-ops'), { recursive: true });
  await cp(join(ROOT, 'tsconfig.json'), join(source, 'tsconfig.json'));
  await symlink(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  await execa('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: join(source, 'shared/juju-ts-ops'),
  });

  project = join(folder, 'project');
  const installed = join(project, 'node_modules/juju-ts-ops');
  await mkdir(installed, { recursive: true });
  await execa('tar', [
    '-xzf',
    join(folder, 'juju-ts-ops-0.1.0.tgz'),
    '--strip-components=1',
    '-C',
    installed,
  ]);
  for (const name of ['zod', 'yaml', 'yazl', 'esbuild', 'execa', '@types'])
    await symlink(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  await writeFile(join(project, 'charm.ts'), CHARM);
}, 3 * MINUTE);
afterAll(() => rm(folder, { recursive: true }));

test(
  'another project compiles and runs a charm with it',
  async () => {
    const compiled = await execa(
      join(ROOT, 'node_modules/.bin/tsc'),
      [
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2024',
        '--types',
        'node',
        'charm.ts',
        '--ignoreConfig',
      ],
      { cwd: project, reject: false },
    );
    expect(compiled.stdout).toBe('');
    const { stdout } = await execa(process.execPath, ['charm.js'], { cwd: project });
    expect(stdout).toBe('Good day');
  },
  2 * MINUTE,
);

const CHARMCRAFT = `
name: web
type: charm
title: Web
summary: Of the README
description: As it stands there.
requires:
  db: { interface: sql }
config:
  options:
    title: { type: string, default: Hello, description: What to show. }
`;
const MACHINE = `
import type { Machine } from 'juju-ts-ops';
type File = { kind: 'file'; path: string; content: string };
export const machine: Machine<File> = { apply: async () => [], preview: async () => [] };
`;

test(
  'the charm of its README compiles, and is one that can be built',
  async () => {
    const installed = join(project, 'node_modules/juju-ts-ops');
    const readme = await readFile(join(installed, 'README.md'), 'utf8');
    const charm = /^```ts\n(.*?)^```$/ms.exec(readme)?.[1] ?? '';
    await mkdir(join(project, 'src'));
    await writeFile(join(project, 'charmcraft.yaml'), CHARMCRAFT);
    await writeFile(join(project, 'src/charm.ts'), charm);
    await writeFile(join(project, 'src/machine.ts'), MACHINE);
    const run = (...args: readonly string[]) =>
      execa(process.execPath, args, { cwd: project, reject: false, all: true });
    for (const command of ['types', 'check'])
      expect((await run(join(installed, 'bin/juju-ts-ops.mjs'), command)).all).toBe('');
    // One that cleans up has to outlive its last relation, on Juju 4.
    const file = join(project, 'src/charm.ts');
    await writeFile(file, charm.replace('  actions: {},', '  leave: async () => [],\n  actions: {},'));
    const check = () => run(join(installed, 'bin/juju-ts-ops.mjs'), 'check');
    expect(await check()).toMatchObject({
      exitCode: 0,
      all: expect.stringContaining('cleans up (leave), and has no peer relation'),
    });
    await writeFile(join(project, 'charmcraft.yaml'), `${CHARMCRAFT}peers: { others: { interface: web } }\n`);
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace(
        'endpoints: { db: database }',
        'endpoints: { db: database, others: database }',
      ),
    );
    await run(join(installed, 'bin/juju-ts-ops.mjs'), 'types');
    expect((await check()).all).toBe('');
    await writeFile(join(project, 'charmcraft.yaml'), CHARMCRAFT);
    await writeFile(file, charm);
    await run(join(installed, 'bin/juju-ts-ops.mjs'), 'types');
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = ['--strict', '--noEmit', '--allowImportingTsExtensions', '--module', 'nodenext'];
    const { all } = await run(tsc, ...options, '--types', 'node', 'src/charm.ts', '--ignoreConfig');
    expect(all).toBe('');
  },
  2 * MINUTE,
);

test('where there is no Node for the builder it says which one it needs', async () => {
  const old =
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "24.0.0" } })';
  const { exitCode, all } = await execa(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(old)}`,
      'node_modules/juju-ts-ops/bin/juju-ts-ops.mjs',
      'check',
    ],
    { cwd: project, reject: false, all: true },
  );
  expect(exitCode).toBe(1);
  expect(all).toMatch(/^juju-ts-ops: this needs Node 26 or later, and here is 24\.0\.0; .*$/);
});

test('it has its licence and its README, and knows no MAAS', async () => {
  const installed = join(project, 'node_modules/juju-ts-ops');
  const files = [
    'LICENSE',
    'README.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/testing/index.js',
    'dist/driver/index.js',
    'package.json',
  ];
  for (const text of await Promise.all(files.map((name) => readFile(join(installed, name), 'utf8'))))
    expect(text).not.toMatch(/maas/i);
});
