// What a unit finds out about a newer MAAS before anything stops, with programs in place of apt's.
import { beforeEach, expect, test } from '@jest/globals';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEB, lookAgain, preparation, preparing } from '@maas-ha/maas';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { charm as rack } from '../../../charms/maas-rack/src/charm.ts';
import { charm as region } from '../../../charms/maas-region/src/charm.ts';
import { latestWish } from '../../../charms/maas-region/src/cluster/upgrade.ts';
import { MAAS_34, MAAS_37 } from './states.ts';
import { programsOnPath } from '../programs.ts';

const SOURCE = 'ppa:maas/3.7';

const programs = programsOnPath();

beforeEach(async () => {
  await machine({ installed: MAAS_34, offered: MAAS_37 });
});

async function machine({ installed, offered }: { installed: string; offered: string }): Promise<void> {
  await programs.program('dpkg-query', `echo 'maas-region-api ${installed} ii '`);
  await programs.program(
    'apt-cache',
    offered === '' ? '' : `echo ' maas-region-api | ${offered} | file:/srv ./ Packages'`,
  );
  await programs.program('apt-get', `echo "$*" >>${programs.folder}/calls`);
}

/** What this unit is prepared for, after it has looked where it has to. */
async function look(source = SOURCE, asked = '') {
  const hook = { stateDirectory: programs.folder };
  for (const resource of preparing(DEB, 'region', await preparation(hook, source, asked)))
    if (resource.kind === 'step') await resource.run();
  return (await preparation(hook, source, asked)).version;
}

async function calls(): Promise<string> {
  const text = await readFile(join(programs.folder, 'calls'), 'utf8').catch(() => '');
  await rm(join(programs.folder, 'calls'), { force: true });
  return text;
}

test('the newest version is fetched and not installed, once for each source', async () => {
  expect(await look()).toBe(MAAS_37);
  expect(await calls()).toMatch(
    new RegExp(`^install .*--download-only --allow-change-held-packages maas-region-api=${MAAS_37}\n$`),
  );
  expect(await look()).toBe(MAAS_37);
  expect(await calls()).toBe('');
});

test('the one that is installed needs no fetching', async () => {
  await machine({ installed: MAAS_37, offered: MAAS_37 });
  expect(await look()).toBe(MAAS_37);
  expect(await calls()).toBe('');
});

test('in a source that is known already it is looked for when somebody asks, with lists that are read anew', async () => {
  await machine({ installed: MAAS_34, offered: MAAS_34 });
  await look();
  await machine({ installed: MAAS_34, offered: MAAS_37 });
  expect(await look()).toBe(MAAS_34);
  expect(await look(SOURCE, '2026-11-24T18:00:00Z')).toBe(MAAS_37);
  expect(await calls()).toMatch(/^update .*\ninstall /);
});

test('a refresh of the charm looks again', async () => {
  await machine({ installed: MAAS_34, offered: MAAS_34 });
  await look();
  await machine({ installed: MAAS_34, offered: MAAS_37 });
  expect(await look()).toBe(MAAS_34);
  // A hook may be run again.
  for (let again = 0; again < 2; again += 1) await lookAgain({ stateDirectory: programs.folder });
  expect(await look()).toBe(MAAS_37);
  expect(await calls()).toMatch(/^update .*\ninstall /);
});

const wrong = { options: { source: 'nonsense' } };
test.each([
  ['maas-region', () => inProcess(region, programs.folder).run('upgrade-charm', stateOf(region, wrong))],
  ['maas-rack', () => inProcess(rack, programs.folder).run('upgrade-charm', stateOf(rack, wrong))],
])('%s forgets at a refresh what it had found, though it is blocked', async (_name, refresh) => {
  const prepared = join(programs.folder, '.state/prepared');
  await mkdir(join(programs.folder, '.state'));
  await writeFile(prepared, JSON.stringify({ source: SOURCE, version: MAAS_34, asked: '' }));
  const { exitCode, state } = await refresh();
  expect([exitCode, state.status.level]).toEqual([0, 'blocked']);
  expect(JSON.parse(await readFile(prepared, 'utf8'))).toEqual({ source: SOURCE, asked: '' });
});

test('an older MAAS is refused before anything is fetched', async () => {
  await machine({ installed: MAAS_37, offered: MAAS_34 });
  await expect(look()).rejects.toMatchObject({
    remedy: 'user',
    message: 'MAAS 3.7 cannot go back to 3.4: set source= to one that has 3.7 or a newer one',
  });
  expect(await calls()).toBe('');
});

test('packages for another release are refused, and a source without any', async () => {
  await programs.program('apt-get', 'echo "The following packages have unmet dependencies:"; exit 100');
  await expect(look()).rejects.toMatchObject({
    remedy: 'user',
    message: expect.stringContaining('these packages are not for this machine'),
  });
  await machine({ installed: MAAS_34, offered: '' });
  await expect(look()).rejects.toMatchObject({ remedy: 'user' });
});

test('each wish to upgrade is a new one, whatever the clocks of those who lead show', async () => {
  const asked = (appData: Record<string, string>) =>
    inProcess(region, programs.folder).run(
      { action: 'upgrade' },
      stateOf(region, {
        ...wrong,
        isLeader: true,
        relations: [{ id: 1, endpoint: 'region-cluster', app: 'maas-region', appData }],
      }),
    );
  const wish = () => readFile(join(programs.folder, '.state/look'), 'utf8');
  await asked({});
  expect(await wish()).toBe('1');
  // Another leader has been asked since, or one whose charm wrote the time, by a clock that is years ahead.
  await asked({ look: '7' });
  expect(await wish()).toBe('8');
  expect([latestWish('7', '8'), latestWish('10', '9'), latestWish('2036-01-01T00:00:00.000Z', '1')]).toEqual([
    '8',
    '10',
    '1',
  ]);
});
