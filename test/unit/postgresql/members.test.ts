import { expect, test } from '@jest/globals';
import { admit, placeOf } from '../../charms/postgresql/src/members.ts';

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const;

test.each<[string, readonly string[], { addresses: readonly string[]; joined: readonly string[] }, string[]]>(
  [
    ['the first leader begins', [], { addresses: [A, B], joined: [] }, [A]],
    ['nobody is let in before the first has joined', [A], { addresses: [A, B, C], joined: [] }, [A]],
    ['one is let in', [A], { addresses: [A, B, C], joined: [A] }, [A, B]],
    ['the next waits until that one has joined', [A, B], { addresses: [A, B, C], joined: [A] }, [A, B]],
    ['the next is let in', [A, B], { addresses: [A, B, C], joined: [A, B] }, [A, B, C]],
    ['another unit leads now', [A, B], { addresses: [C, A, B], joined: [A, B] }, [A, B, C]],
    ['a unit has gone', [A, B, C], { addresses: [A, C], joined: [A, C] }, [A, C]],
    ['the first unit has gone', [A, B], { addresses: [B], joined: [B] }, [B]],
  ],
)('%s', (_what, before, units, members) => {
  expect(admit(before, units)).toEqual(members);
});

test.each([
  ['who is not let in waits', ['a'], 1, false, 'outside'],
  ['the first is alone', ['b'], 0, false, 'alone'],
  ['with a second one it is a cluster', ['b'], 1, false, 'clustered'],
  ['which it stays', ['b'], 0, true, 'clustered'],
  ['who is let in before it hears of the others is not alone', ['a', 'b'], 0, false, 'clustered'],
] as const)('%s', (_what, members, peers, hasPatroni, place) => {
  expect(placeOf('b', { members, peers, hasPatroni })).toBe(place);
});
