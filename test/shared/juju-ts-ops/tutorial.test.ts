// Does what docs/tutorial.md says, in a copy of the clone: writes its files, types its commands, and looks for what
// it promises. All but the last step, which needs machines.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../../..');
const MINUTE = 60_000;
let clone: string;
beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'tutorial-'));
  for (const name of [
    'build.mjs',
    'package.json',
    'package-lock.json',
    'LICENSE',
    'tsconfig.json',
    'test/setup.mjs',
  ]) {
    await mkdir(dirname(join(clone, name)), { recursive: true });
    await cp(join(ROOT, name), join(clone, name), { preserveTimestamps: true });
  }
  await mkdir(join(clone, 'hello'));
  await writeFile(
    join(clone, 'hello/tsconfig.json'),
    '{ "extends": "../tsconfig.json", "include": ["src", "*.test.ts"] }',
  );
  await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
});
afterAll(() => rm(clone, { recursive: true }));

async function type(line: string): Promise<string> {
  const [program = '', ...args] = line.split(' ');
  const { failed, all } = await execa(program, args, { cwd: clone, all: true, reject: false });
  if (failed) throw new Error(`${program} ${args.join(' ')}:\n${all}`);
  return all;
}

test(
  'the tutorial does what it says',
  async () => {
    const page = await readFile(join(ROOT, 'shared/juju-ts-ops/docs/tutorial.md'), 'utf8');
    let printed = '';
    for (const [, language, file, block = ''] of page.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)) {
      if (file !== undefined) {
        await mkdir(dirname(join(clone, file)), { recursive: true });
        await writeFile(join(clone, file), block);
      } else if (block.includes('npx juju-local')) {
        break;
      } else if (language === 'sh') {
        printed = '';
        for (const line of block.trim().split('\n')) printed += await type(line);
      } else {
        for (const line of block.trim().split('\n')) expect(printed).toContain(line);
      }
    }
    expect(printed).toContain('build: dist/hello.charm');
    await type('npx tsc --noEmit --project hello');
  },
  8 * MINUTE,
);
