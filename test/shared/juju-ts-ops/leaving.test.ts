import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { hookContext } from '../../../shared/juju-ts-ops/src/context.ts';
import { leavingOf, type Leaving } from '../../../shared/juju-ts-ops/src/leaving.ts';

let charmDirectory: string;
beforeEach(async () => {
  charmDirectory = await mkdtemp(join(tmpdir(), 'charm-'));
  await mkdir(join(charmDirectory, '.state'));
});
afterEach(() => rm(charmDirectory, { recursive: true }));

const RELATION = { JUJU_RELATION: 'db', JUJU_RELATION_ID: 'db:7', JUJU_REMOTE_APP: 'mysql' };

/** What unit web/0 knows of its removal in a hook. */
function inHook(path: string, more: Record<string, string> = {}): Promise<Leaving | undefined> {
  const environment = {
    JUJU_CONTEXT_ID: 'web/0-hook-1',
    JUJU_UNIT_NAME: 'web/0',
    JUJU_CHARM_DIR: charmDirectory,
    ...more,
  };
  return leavingOf(hookContext({ ...environment, JUJU_DISPATCH_PATH: `hooks/${path}` }));
}

function departs(unit: string): Promise<Leaving | undefined> {
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
  expect(await inHook('stop')).toEqual(later);
  expect(await departs('web/0')).toEqual(later);
});
