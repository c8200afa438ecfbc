import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
import { hookContext, type Removal } from '../../../shared/juju-ts-ops/src/context.ts';
import { removalOf } from '../../../shared/juju-ts-ops/src/removal.ts';

let charmDirectory: string;
beforeEach(async () => {
  charmDirectory = await mkdtemp(join(tmpdir(), 'charm-'));
  await mkdir(join(charmDirectory, '.state'));
});
afterEach(() => rm(charmDirectory, { recursive: true }));

const RELATION = { JUJU_RELATION: 'db', JUJU_RELATION_ID: 'db:7', JUJU_REMOTE_APP: 'mysql' };

/** What unit web/0 knows of its removal in a hook. */
function inHook(path: string, more: Record<string, string> = {}): Promise<Removal | undefined> {
  const environment = {
    JUJU_CONTEXT_ID: 'web/0-hook-1',
    JUJU_UNIT_NAME: 'web/0',
    JUJU_CHARM_DIR: charmDirectory,
    ...more,
  };
  const context = hookContext({ ...environment, JUJU_DISPATCH_PATH: `hooks/${path}` });
  return removalOf(context, { cluster: { interface: 'web-cluster', scope: 'global' } });
}

function departs(unit: string): Promise<Removal | undefined> {
  return inHook('db-relation-departed', {
    ...RELATION,
    JUJU_REMOTE_UNIT: 'mysql/0',
    JUJU_DEPARTING_UNIT: unit,
  });
}

test('a unit stays when others leave', async () => {
  expect(await departs('mysql/0')).toBeUndefined();
  expect(await inHook('config-changed')).toBeUndefined();
});

test('a unit that is being removed knows it from the first departure to its last hook', async () => {
  expect(await departs('web/0')).toMatchObject({ isNew: true });
  const later = await inHook('db-relation-broken', RELATION);
  expect(later).toMatchObject({ isNew: false });
  expect(await inHook('stop')).toMatchObject({ isNew: false });
  expect(await departs('web/0')).toMatchObject({ isNew: false });
});

test('Juju 4 removes an application by breaking its peer relations: the unit knows', async () => {
  const peers = { JUJU_RELATION: 'cluster', JUJU_RELATION_ID: 'cluster:0', JUJU_REMOTE_APP: 'web' };
  expect(await inHook('cluster-relation-created', peers)).toBeUndefined();
  expect(await inHook('db-relation-broken', RELATION)).toBeUndefined();
  expect(await inHook('cluster-relation-broken', peers)).toMatchObject({ isNew: true });
  expect(await inHook('db-relation-broken', RELATION)).toMatchObject({ isNew: false });
});

test('how long it has known that goes by no clock that anybody sets', async () => {
  await departs('web/0');
  const mark = join(charmDirectory, '.state/removal');
  const { boot, seconds } = z
    .object({ boot: z.string(), seconds: z.number() })
    .parse(JSON.parse(await readFile(mark, 'utf8')));
  const knowsFor = async (text: string): Promise<number | undefined> => {
    await writeFile(mark, text);
    return (await inHook('stop'))?.forSeconds;
  };
  // The clock was set back an hour in between: the file is from the future.
  const hour = new Date(Date.now() + 3_600_000);
  await utimes(mark, hour, hour);
  expect((await inHook('stop'))?.forSeconds).toBeLessThan(600);
  expect(await knowsFor(JSON.stringify({ boot, seconds: seconds - 2000 }))).toBeGreaterThanOrEqual(2000);
  // The machine was started anew, or the container that it is.
  for (const earlier of [
    { boot: 'another', seconds: 5 },
    { boot, seconds: seconds + 1_000_000 },
  ]) {
    const known = await knowsFor(JSON.stringify(earlier));
    expect([known !== undefined && known >= 0, (known ?? 0) <= uptime()]).toEqual([true, true]);
  }
  for (const broken of ['', 'half']) expect(await knowsFor(broken)).toBe(0);
});
