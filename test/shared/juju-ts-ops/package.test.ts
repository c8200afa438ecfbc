// What `npm run pack` gives: another project compiles against it, tests with it and runs it.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const MINUTE = 60_000;
const CHARM = `
import { machine, type Resource } from 'juju-ts-host';
import { http } from 'juju-ts-interfaces/http';
import { active, defineCharm, defineEndpoints } from 'juju-ts-ops';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { z } from 'zod';

const charmcraft = {
  name: 'other', subordinate: false, requires: {}, peers: {}, actions: {},
  provides: { website: { interface: 'http', scope: 'global' } },
  options: { title: { type: 'string', default: 'Hello' } },
} as const;
const charm = defineCharm(charmcraft, {
  options: { title: z.string() },
  endpoints: defineEndpoints(charmcraft, { website: http }),
  events: { moved: z.object({ to: z.string() }) },
  machine,
  read: (juju) => juju.options(),
  plan: ({ title }) => ({
    machine: [{ kind: 'file', path: '/srv/title', content: title, mode: 0o644 }],
    status: [active(title)],
  }),
  teardown: async () => [{ kind: 'absent-file', path: '/srv/title' }],
  actions: {},
});
const { state } = await inProcess(charm).run('start', stateOf(charm, { options: { title: 'Good day' } }));
console.log(state.status.message);
const packages: Resource = { kind: 'packages', names: ['no-such-package'] };
console.log((await machine.preview([packages], { stateDirectory: '/nonexistent' })).map(({ what }) => what).join());
// @ts-expect-error
export const withoutContent: Resource = { kind: 'file', path: '/srv/title' };
// As the how-to says, in a project that is strict and no more.
inProcess({ ...charm, read: async (juju) => ({ ...(await charm.read(juju)), hostname: 'web-0' }) });
// @ts-expect-error
stateOf(charm, { options: { colour: 'red' } });
`;

const PACKAGES = ['juju-ts-ops', 'juju-ts-host', 'juju-ts-interfaces'] as const;

let folder: string;
let project: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-package-'));
  const source = join(folder, 'source');
  await mkdir(join(source, 'shared'), { recursive: true });
  for (const name of ['juju-ts-ops', 'host', 'interfaces'])
    await cp(join(ROOT, 'shared', name), join(source, 'shared', name), { recursive: true });
  await cp(join(ROOT, 'tsconfig.json'), join(source, 'tsconfig.json'));
  await symlink(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  await execa(process.execPath, [join(source, 'shared/juju-ts-ops/pack.mjs')]);

  project = join(folder, 'project');
  for (const name of PACKAGES) {
    const installed = join(project, 'node_modules', name);
    await mkdir(installed, { recursive: true });
    const archive = join(source, `dist/npm/${name}-0.1.0.tgz`);
    await execa('tar', ['-xzf', archive, '--strip-components=1', '-C', installed]);
  }
  for (const name of ['zod', 'yaml', 'yazl', 'esbuild', 'execa', 'diff', '@types'])
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
    expect(stdout).toBe('Good day\npackages:no-such-package');
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

test(
  'the charm of its README compiles, and is one that can be built',
  async () => {
    const installed = join(project, 'node_modules/juju-ts-ops');
    const readme = await readFile(join(installed, 'README.md'), 'utf8');
    const charm = /^```ts\n(.*?)^```$/ms.exec(readme)?.[1] ?? '';
    await mkdir(join(project, 'src'));
    await writeFile(join(project, 'charmcraft.yaml'), CHARMCRAFT);
    await writeFile(join(project, 'src/charm.ts'), charm);
    const run = (...args: readonly string[]) =>
      execa(process.execPath, args, { cwd: project, reject: false, all: true });
    for (const command of ['types', 'check'])
      expect((await run(join(installed, 'bin/juju-ts-ops.mjs'), command)).all).toBe('');
    // One that cleans up has to outlive its last relation, on Juju 4.
    const file = join(project, 'src/charm.ts');
    await writeFile(file, charm.replace('  actions: {},', '  teardown: async () => [],\n  actions: {},'));
    const check = () => run(join(installed, 'bin/juju-ts-ops.mjs'), 'check');
    expect(await check()).toMatchObject({
      exitCode: 0,
      all: expect.stringContaining('cleans up (teardown), and has no peer relation'),
    });
    await writeFile(join(project, 'charmcraft.yaml'), `${CHARMCRAFT}peers: { others: { interface: web } }\n`);
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('{ db: database }', '{ db: database, others: database }'),
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

test.each(PACKAGES)('%s has its licence, README, reference and types', async (name) => {
  const files = await readdir(join(project, 'node_modules', name), { recursive: true });
  const entries = name === 'juju-ts-interfaces' ? ['http/index'] : ['index'];
  expect(files).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'docs/reference.md',
      ...entries.flatMap((entry) => [`dist/${entry}.js`, `dist/${entry}.d.ts`]),
    ]),
  );
});

test('they know no MAAS', async () => {
  for (const name of PACKAGES) {
    const installed = join(project, 'node_modules', name);
    const entries = await readdir(installed, { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name);
      // The tutorial is followed beside a clone of this repository, which has that name.
      const text = (await readFile(path, 'utf8')).replaceAll('maas-ha', '');
      expect([path, /.*maas.*/i.exec(text)?.[0]]).toEqual([path, undefined]);
    }
  }
});
