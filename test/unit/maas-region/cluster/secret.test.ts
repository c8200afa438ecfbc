// The rotation of the secret: what each region does about it, and when racks are told.
import { expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rpcSecret } from '../../../../charms/maas-region/src/cluster/secret.ts';
import type { State } from '../../../../charms/maas-region/src/state.ts';
import { bagOf, changed, inputsOf, inTurnOf, serving, stepOf, type Changes } from '../states.ts';
import { programsOnPath } from '../../programs.ts';

const STEP = 'step:rotate-secret';
const follower = (changes: Changes = {}): State =>
  changed(serving({ unit: 'maas-region/1', region: { hostname: 'region-1' }, isLeader: false }), changes);
/** Whether racks are given what this region has, and not what they were given before. */
const publishes = (state: State): boolean => rpcSecret(state).content !== 'kept';

const programs = programsOnPath();

test('nobody restarts for a secret that was never changed', () => {
  expect(inTurnOf(serving({ database: { rotation: 0 } }))).not.toContain(STEP);
  expect(bagOf(serving({ database: { rotation: 0 } }), 'region-cluster', 'app')).toMatchObject({
    rotation: undefined,
  });
});

test('the leader makes a new one, uses it, and then tells racks and regions', () => {
  const state = serving({ database: { rotation: 1 } });
  expect(inTurnOf(state)).toContain(STEP);
  // Written only after the machine is as planned, so after the step.
  expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ rotation: 1 });
  expect(publishes(state)).toBe(true);
});

test('the others only follow, and the leader does not do it twice', () => {
  const cluster = { rotation: 1 };
  expect(inputsOf(follower({ cluster }), 'rotate-secret')).toEqual({ number: 1 });
  expect(inputsOf(serving({ cluster, database: { rotation: 1 } }), 'rotate-secret')).toEqual(
    inputsOf(serving({ database: { rotation: 1 } }), 'rotate-secret'),
  );
});

test('a leader that does not serve tells nobody: it may not know the newest secret', () => {
  const cluster = { rotation: 1 };
  expect(publishes(serving({ region: { isServing: false }, cluster }))).toBe(false);
  const asked = serving({ region: { isServing: false }, database: { rotation: 2 }, cluster });
  expect(inTurnOf(asked)).not.toContain(STEP);
  expect(bagOf(asked, 'region-cluster', 'app')).toMatchObject({ rotation: 1 });
});

test('what a leader has begun that is no more, the next one does again', () => {
  const state = follower({
    isLeader: true,
    database: { rotation: 2 },
    cluster: { rotation: 1 },
  });
  expect(inputsOf(state, 'rotate-secret')).toEqual({ number: 2 });
});

test('the new secret is given to MAAS on stdin', async () => {
  // MAAS refuses it, so that the step ends when it has been told.
  await programs.program(
    'maas-region',
    `echo "$@" >>${programs.folder}/argv; cat >>${programs.folder}/stdin; exit 1`,
  );
  const step = stepOf(serving({ database: { rotation: 1 }, cluster: { peers: [] } }), 'rotate-secret');
  await expect(step?.run()).rejects.toThrow('maas-region shell failed');
  const secret = (await readFile(join(programs.folder, 'stdin'), 'utf8')).trim();
  expect(secret).toMatch(/^[0-9a-f]{32}$/);
  const argv = await readFile(join(programs.folder, 'argv'), 'utf8');
  expect(argv).toMatch(/^shell --command import sys/);
  expect(argv).not.toContain(secret);
});
