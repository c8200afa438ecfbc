// The package lists, with a program in the place of apt-get.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  installPackages,
  refreshPackageLists,
  removablePackages,
  removePackages,
  unneededPackages,
} from '../../../shared/host/src/apt.ts';

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

/** An apt-get that answers each `install` or `purge` with the next of these scripts, and `update` well. */
async function answers(...scripts: readonly string[]): Promise<void> {
  const cases = scripts.map((script, index) => `${index + 1}) ${script};;`).join('\n');
  const script = `#!/bin/sh
echo "$@" >>${folder}/argv
[ "$1" = update ] && exit 0
echo "$1" >>${folder}/runs
case "$(wc -l <${folder}/runs)" in
${cases}
esac
`;
  await writeFile(join(folder, 'apt-get'), script, { mode: 0o755 });
}
const verbs = async (): Promise<readonly string[]> =>
  (await readFile(join(folder, 'argv'), 'utf8')).split('\n').flatMap((line) => line.split(' ')[0] || []);

test.each([
  'E: Unable to locate package maas-region-api',
  'E: Unable to correct problems, you have held broken packages.',
  'The following packages have unmet dependencies:',
  'E: Failed to fetch http://archive/x.deb  404  Not Found',
])('lists that do not fit are asked for again by the next hook, and once in one: %s', async (says) => {
  await answers(`echo '${says}' >&2; exit 100`, `echo '${says}' >&2; exit 100`, 'true');
  const attempt = (): Promise<void> => installPackages(['maas-region-api']);
  await expect(attempt()).rejects.toThrow();
  await attempt();
  expect((await verbs()).join(' ').replace(/^update /, '')).toBe('install update install install');
});

test('a removal that fails for a moment is tried again; what it said at last is in the error', async () => {
  const fails = `echo 'dpkg: error processing package maas-common (--purge):' >&2; exit 100`;
  await answers(fails, 'true');
  await removePackages(['maas-common'], 1);
  expect(await verbs()).toEqual(['purge', 'purge']);
  await answers('true', 'true', fails, fails, fails);
  await expect(removePackages(['maas-common'], 1)).rejects.toThrow(
    'dpkg: error processing package maas-common (--purge):',
  );
  expect(await verbs()).toHaveLength(5);
});

/** A machine on which these are installed; for each set of packages to be purged, what would go. */
async function machineWith(
  installed: readonly string[],
  goes: Readonly<Record<string, string>>,
): Promise<void> {
  const known = installed.map((name) => `${name}) echo "${name} 1 ii ";;`).join('\n');
  const dpkg = `#!/bin/sh\nshift 2\ncase "$*" in *Essential*) exit;; esac\nfor name; do case $name in\n${known}\nesac; done`;
  await writeFile(join(folder, 'dpkg-query'), dpkg, { mode: 0o755 });
  await writeFile(join(folder, 'apt-mark'), '#!/bin/sh\n', { mode: 0o755 });
  const cases = Object.entries(goes).map(
    ([asked, answer]) => `*" --allow-change-held-packages ${asked}") printf 'Purg %s [1]\\n' ${answer};;`,
  );
  const apt = `#!/bin/sh\necho "$@" >>${folder}/argv\ncase "$*" in\n${cases.join('\n')}\nesac`;
  await writeFile(join(folder, 'apt-get'), apt, { mode: 0o755 });
}
const simulations = async (): Promise<number> =>
  (await readFile(join(folder, 'argv'), 'utf8').catch(() => '')).split('\n').length - 1;

test('what may go is asked of apt once, and not at all where nothing is left', async () => {
  await machineWith(['a', 'b', 'c'], { 'a b': 'a b c', '--autoremove a b': 'a b c' });
  expect(await removablePackages(['a', 'b'], ['c'])).toEqual(['a', 'b']);
  expect(await simulations()).toBe(1);
  expect(await unneededPackages(['a', 'b', 'c'], ['a', 'b'])).toEqual(['c']);
  expect(await simulations()).toBe(2);
  await machineWith([], {});
  expect(await removablePackages([], ['c'])).toEqual([]);
  expect(await unneededPackages(['a', 'b', 'c'], [])).toEqual([]);
  expect(await simulations()).toBe(2);
});

test('what another package needs stays, also where it needs either of two', async () => {
  await machineWith(['a', 'b', 'guest'], { 'a b': 'a b guest', a: 'a guest', b: 'b' });
  expect(await removablePackages(['a', 'b'], [])).toEqual(['b']);
  await machineWith(['a', 'b', 'guest'], { 'a b': 'a b guest', a: 'a', b: 'b' });
  expect(await removablePackages(['a', 'b'], [])).toEqual(['b']);
});

test('apt goes out through the proxies of the model', async () => {
  await answers(`env >${folder}/environment`);
  process.env['JUJU_CHARM_HTTP_PROXY'] = 'http://proxy:3128';
  process.env['JUJU_CHARM_HTTPS_PROXY'] = '';
  process.env['JUJU_CHARM_NO_PROXY'] = '127.0.0.1,10.0.0.0/24';
  try {
    await installPackages(['maas-region-api']);
  } finally {
    for (const name of ['HTTP', 'HTTPS', 'NO']) delete process.env[`JUJU_CHARM_${name}_PROXY`];
  }
  const environment = (await readFile(join(folder, 'environment'), 'utf8')).split('\n');
  expect(environment).toEqual(
    expect.arrayContaining(['http_proxy=http://proxy:3128', 'no_proxy=127.0.0.1,10.0.0.0/24']),
  );
  expect(environment.filter((line) => line.startsWith('https_proxy='))).toEqual([]);
});
