// The package lists, with a program in the place of apt-get.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { refreshPackageLists } from '../../../shared/host/src/apt.ts';

const PATH = process.env['PATH'] ?? '';
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apt-'));
  process.env['PATH'] = `${folder}:${PATH}`;
});
afterEach(async () => {
  process.env['PATH'] = PATH;
  await rm(folder, { recursive: true });
});

/** @param says what apt-get says as it fails the first time */
async function aptGet(says: string): Promise<void> {
  const script = `#!/bin/sh
echo "$1" >>${folder}/runs
[ "$(wc -l <${folder}/runs)" -gt 1 ] || { echo '${says}' >&2; exit 100; }
`;
  await writeFile(join(folder, 'apt-get'), script, { mode: 0o755 });
}
const runs = (): Promise<string> => readFile(join(folder, 'runs'), 'utf8');

test('while another program reads the package lists, it is waited for', async () => {
  await aptGet(
    'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/',
  );
  await refreshPackageLists();
  expect(await runs()).toBe('update\nupdate\n');
});

test('what else is wrong is said at once', async () => {
  await aptGet('E: Type "nonsense" is not known on line 1 in source list /etc/apt/sources.list');
  await expect(refreshPackageLists()).rejects.toThrow(/is not known on line 1/);
  expect(await runs()).toBe('update\n');
});
