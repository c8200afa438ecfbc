import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
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
