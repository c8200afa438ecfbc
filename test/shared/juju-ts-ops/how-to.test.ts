// What docs/how-to.md shows in full compiles, and does what the page says.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const MINUTE = 60_000;

let folder: string;
let page: string;
beforeAll(async () => {
  page = await readFile(join(ROOT, 'shared/juju-ts-ops/docs/how-to.md'), 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'ops-how-to-'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ['Restart one unit at a time', 1],
  ['Test a charm that uses secrets', 3],
])(
  'the charm of "%s" compiles, and its %i tests pass',
  async (title, passes) => {
    const section = page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
    const project = join(folder, title.replaceAll(' ', '-'));
    await mkdir(project);
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    for (const [, path = '', content = ''] of section.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)) {
      await mkdir(dirname(join(project, path)), { recursive: true });
      await writeFile(join(project, path), content);
    }
    const node = (...args: readonly string[]) =>
      execa(process.execPath, args, { cwd: project, reject: false, all: true });
    for (const command of ['types', 'check'])
      expect((await node(join(ROOT, 'shared/juju-ts-ops/bin/juju-ts-ops.mjs'), command)).all).toBe('');
    const options = ['--strict', '--noEmit', '--allowImportingTsExtensions', '--ignoreConfig'];
    const language = ['--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect((await node(tsc, ...options, ...language, 'charm.test.ts')).all).toBe('');
    expect((await node('--test', 'charm.test.ts')).all).toContain(`pass ${passes}`);
  },
  2 * MINUTE,
);
