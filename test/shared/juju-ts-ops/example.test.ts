// The small example charm is that of the tutorial, and the tests of both pass.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { tutorialSteps } from './tutorial.ts';

const EXAMPLES = join(import.meta.dirname, '../../../shared/juju-ts-ops/examples');
const HELLO = join(EXAMPLES, 'hello');

test('the tutorial writes every file of it', async () => {
  const written = (await tutorialSteps()).flatMap((step) =>
    step.kind === 'file' ? [[step.path, step.content] as const] : [],
  );
  for (const [path, content] of written)
    expect([path, await readFile(join(HELLO, path), 'utf8')]).toEqual([path, content]);
  const files = await readdir(HELLO, { recursive: true, withFileTypes: true });
  expect(
    files
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort(),
  ).toEqual(
    // The one that is made from charmcraft.yaml.
    ['charmcraft.ts', ...written.map(([path]) => basename(path))].sort(),
  );
});

test.each(['hello', 'guestbook'])('the tests of %s pass', async (name) => {
  const cwd = join(EXAMPLES, name);
  const { stdout } = await execa(process.execPath, ['--test', 'charm.test.ts'], { cwd, reject: false });
  expect(stdout).toMatch(/^. pass [1-9]/m);
  expect(stdout).toMatch(/^. fail 0$/m);
});
