import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import {
  active,
  blocked,
  HookToolError,
  isAtLeast,
  maintenance,
  Redacted,
  UserError,
  waiting,
  worst,
  worstFirst,
} from 'juju-ts-ops';
import { remedyOf } from '../../../shared/juju-ts-ops/src/errors.ts';
import { holdsRedacted } from '../../../shared/juju-ts-ops/src/redacted.ts';
import { shownText, statusText } from '../../../shared/juju-ts-ops/src/status.ts';

describe('a redacted value', () => {
  const secret = new Redacted('hunter2');

  test.each([
    ['as a text', String(secret)],
    ['joined', ['--password', secret].join('=')],
    ['as JSON', JSON.stringify({ secret })],
    ['inspected', inspect({ deep: { secret } }, { showHidden: true, depth: null })],
    ['in an error', new Error(['failed:', secret].join(' ')).stack ?? ''],
    ['its entries', JSON.stringify(Object.entries(secret))],
    ['made into another', String(secret.map((value) => `postgresql://u:${value}@db`))],
  ])('does not show %s', (_how, shown) => {
    expect(shown).not.toContain('hunter2');
  });

  test('gives itself away to whoever asks for it', () => {
    expect(secret.map((value) => `${value}!`).reveal()).toBe('hunter2!');
    expect([secret.equals(new Redacted('hunter2')), secret.equals(new Redacted('other'))]).toEqual([
      true,
      false,
    ]);
    expect(secret.digest()).toBe('f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7');
  });

  test('is found however deep it lies', () => {
    expect([holdsRedacted({ a: [{ secret }] }), holdsRedacted({ a: ['secret', null, 1] })]).toEqual([
      true,
      false,
    ]);
  });
});

describe('statuses', () => {
  test('the worst is shown, the first of equals', () => {
    const all = [active('fine'), waiting('a'), blocked('b', 'juju config x'), maintenance('c'), waiting('d')];
    expect(worst(all)).toEqual({ level: 'blocked', message: 'b', next: 'juju config x' });
    expect(worstFirst(all).map(({ message }) => message)).toEqual(['b', 'c', 'a', 'd', 'fine']);
    expect(worst([])).toEqual(active());
  });

  test('the next step follows the reason', () => {
    expect(statusText(blocked('no database', 'juju integrate web:db mysql'))).toBe(
      'no database: juju integrate web:db mysql',
    );
  });

  const units = Array.from({ length: 20 }, (_, index) => `web/${index}`);
  const notes = ['writes to postgresql/1 since 12:03', 'web/7 has gone', 'add a rack'];

  test.each([
    [
      'what fits is shown whole',
      waiting((list) => `${list(['web/0', 'web/1'])} to stop`),
      'web/0 and web/1 to stop',
    ],
    [
      'of many names those that fit',
      waiting((list) => `${list(units)} to stop, before the database is migrated`),
      'web/0, web/1, web/2, web/3, web/4, web/5, web/6 and 13 more to stop, before the database is migrated',
    ],
    [
      'the next step is never lost to names',
      blocked((list) => `${list(units)} have no disk`, 'juju add-storage <unit> data'),
      'web/0, web/1, web/2, web/3, web/4, web/5 and 14 more have no disk: juju add-storage <unit> data',
    ],
    [
      'of the notes those that fit',
      active('serves http://web.example.com:5240/MAAS', notes),
      'serves http://web.example.com:5240/MAAS; writes to postgresql/1 since 12:03; 2 more: show-status',
    ],
    [
      'what others say is cut between words',
      blocked(`it says: ${'no such file '.repeat(20)}`),
      'it says: no such file no such file no such file no such file no such file no such… (show-status)',
    ],
  ])('%s', (_what, status, shown) => {
    expect(shownText(status)).toBe(shown);
    expect(shown.length).toBeLessThanOrEqual(100);
  });

  test('the whole is kept', () => {
    expect(statusText(active('serves', notes))).toBe(`serves; ${notes.join('; ')}`);
    expect(statusText(waiting((list) => `${list(units)} to stop`))).toMatch(
      /^web\/0, .*web\/18 and web\/19 to stop$/,
    );
  });
});

test.each([
  ['3.6.28', '3.6', true],
  ['3.6.28', '4.0', false],
  ['4.0-beta2', '4.0', true],
  ['3.10.0', '3.9', true],
  ['', '2.0', false],
])('Juju %s has what %s brought: %s', (have, want, expected) => {
  expect(isAtLeast(have, want)).toBe(expected);
});

describe('errors', () => {
  test('say who can mend them, whoever threw them', () => {
    class HostError extends Error {
      readonly remedy = 'retry';
    }
    expect([new UserError('x'), new HostError('x'), new TypeError('x'), 'x'].map(remedyOf)).toEqual([
      'user',
      'retry',
      'bug',
      'bug',
    ]);
  });

  test('of tools say which tool, hook and relation', () => {
    expect(
      new HookToolError({ tool: 'relation-get', exitCode: 1, relation: 7, during: 'web/0, start' }, 'no'),
    ).toMatchObject({
      name: 'HookToolError',
      code: 'hook-tool',
      message: 'relation-get: no',
      relation: 7,
      during: 'web/0, start',
    });
  });
});
