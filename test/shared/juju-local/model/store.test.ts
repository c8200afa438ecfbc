import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ModelLog } from '../../../../shared/juju-local/src/agent/log.ts';
import { keepPrivate } from '../../../../shared/juju-local/src/daemon/private.ts';
import { Store } from '../../../../shared/juju-local/src/model/store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const Thing = z.object({ name: z.string() });

test('what was saved is there again, and what was left out is gone', () => {
  const file = join(folder, 'model.sqlite');
  const store = new Store(file);
  store.save(
    new Map([
      ['thing a', { name: 'a' }],
      ['thing b', { name: 'b' }],
      ['other a', { name: 'x' }],
    ]),
  );
  store.save(new Map([['thing b', { name: 'B' }]]));
  store.close();
  const again = new Store(file);
  expect(again.load('thing', Thing)).toEqual([{ name: 'B' }]);
  expect(again.load('other', Thing)).toEqual([]);
  again.close();
});

test('of a set that cannot be written nothing is, and the next attempt writes it', () => {
  const file = join(folder, 'model.sqlite');
  const store = new Store(file);
  store.save(new Map([['thing a', { name: 'a' }]]));
  const other = new Store(file);
  const circular: { name: string; self?: unknown } = { name: 'b' };
  circular.self = circular;
  expect(() =>
    store.save(
      new Map<string, unknown>([
        ['thing a', { name: 'A' }],
        ['thing b', circular],
      ]),
    ),
  ).toThrow();
  expect(new Store(file).load('thing', Thing)).toEqual([{ name: 'a' }]);
  store.save(new Map([['thing a', { name: 'A' }]]));
  other.close();
  expect(new Store(file).load('thing', Thing)).toEqual([{ name: 'A' }]);
  store.close();
});

test('nobody but root reads a model: its folder, its documents, the log', async () => {
  const directory = join(folder, 'models/mine');
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  writeFileSync(join(directory, 'daemon.log'), '', { mode: 0o644 });
  await keepPrivate(directory);
  const store = new Store(join(directory, 'model.sqlite'));
  store.save(new Map([['thing a', { name: 'a' }]]));
  new ModelLog(join(directory, 'debug-log.ndjson')).write('unit-a-0', 'INFO', 'x', 'said');
  const modes = Object.fromEntries(
    ['.', '..', ...readdirSync(directory)].map((name) => [
      name,
      (statSync(join(directory, name)).mode & 0o777).toString(8),
    ]),
  );
  store.close();
  expect(modes).toEqual({
    '.': '700',
    '..': '700',
    'daemon.log': '600',
    'debug-log.ndjson': '600',
    'model.sqlite': '600',
    'model.sqlite-shm': '600',
    'model.sqlite-wal': '600',
  });
});
