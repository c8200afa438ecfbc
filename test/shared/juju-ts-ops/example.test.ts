// The example charm is that of the tutorial, and its own tests pass.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { tutorialSteps } from './tutorial.ts';

const EXAMPLE = join(import.meta.dirname, '../../../shared/juju-ts-ops/examples/hello');

test('the tutorial writes every file of it', async () => {
  const written = (await tutorialSteps()).flatMap((step) =>
    step.kind === 'file' ? [[step.path, step.content] as const] : [],
  );
  for (const [path, content] of written)
    expect([path, await readFile(join(EXAMPLE, path), 'utf8')]).toEqual([path, content]);
  const files = await readdir(EXAMPLE, { recursive: true, withFileTypes: true });
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

test('its tests pass', async () => {
  const { stdout } = await execa(process.execPath, ['--test', 'charm.test.ts'], { cwd: EXAMPLE });
  expect(stdout).toContain('pass 3');
});
