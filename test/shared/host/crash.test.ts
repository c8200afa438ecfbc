import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { machine, type Resource } from '../../../shared/host/src/index.ts';

const KILLS = 20;
const BLOCK = 2_000_000;
/** Rewrites one file for ever: a block of `a`, a block of `b`, a block of `a`, … */
const WRITER = `
  import { machine } from './index.ts';
  const [path, stateDirectory] = process.argv.slice(2);
  for (let n = 0; ; n += 1) {
    const content = (n % 2 ? 'a' : 'b').repeat(${BLOCK});
    await machine.apply([{ kind: 'file', path, content, mode: 0o600 }], { stateDirectory });
    // The first one takes longer than the test waits, where the machine is busy.
    if (n === 0) console.log('ready');
  }`;

let folder: string;
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'host-crash-'));
  // As one file, it starts sooner: it is started for each kill.
  program = join(folder, 'program/writer.mjs');
  const resolveDir = join(import.meta.dirname, '../../../shared/host/src');
  await build({
    stdin: { contents: WRITER, resolveDir, loader: 'ts' },
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire('/');` },
  });
});
afterAll(() => rm(folder, { recursive: true }));

test('kill -9 at any moment leaves a whole file, and the next run clears up', async () => {
  const path = join(folder, 'a.conf');
  const stateDirectory = join(folder, 'state');
  await writeFile(path, 'a'.repeat(BLOCK));
  let interrupted = 0;
  for (let kill = 0; kill < KILLS || (interrupted === 0 && kill < 10 * KILLS); kill += 1) {
    const child = spawn(process.execPath, [program, path, stateDirectory]);
    try {
      await once(child.stdout, 'data');
      await sleep(10 + ((kill * 7) % 40));
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    const text = await readFile(path, 'utf8');
    expect([text.length, new Set(text).size]).toEqual([BLOCK, 1]);
    if ((await readdir(folder)).includes('a.conf.new')) interrupted += 1;
  }
  expect(interrupted).toBeGreaterThan(0); // or the kills proved nothing

  const wanted: Resource = { kind: 'file', path, content: 'c', mode: 0o600 };
  await machine.apply([wanted], { stateDirectory });
  expect((await readdir(folder)).filter((name) => name.endsWith('.new'))).toEqual([]);
});
