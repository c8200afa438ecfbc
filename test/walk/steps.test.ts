// What every random walk is made of.
import { describe, expect, test } from '@jest/globals';
import { choices, mend, nextStep, randomBy, start, type Walked } from './steps.ts';

/** The steps of a seed, and the model after each. */
function stepsOf(
  seed: number,
  count: number,
): { readonly words: readonly string[]; readonly after: Walked }[] {
  const random = randomBy(seed);
  const steps = [];
  let walked = start(2, 1);
  for (let taken = 0; taken < count; taken += 1) {
    const step = nextStep(walked, random);
    steps.push(step);
    walked = step.after;
  }
  return steps;
}

describe('the steps of a walk', () => {
  test('a seed always takes the same steps, and another one others', () => {
    const [one, again, other] = [1, 1, 2].map((seed) =>
      stepsOf(seed, 50).map(({ words }) => words.join(' ')),
    );
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  test('whatever the seed: a region and a rack always run, one machine is down at most, and all can be mended', () => {
    const seen = new Set<string>();
    const wrong: unknown[] = [];
    for (let seed = 0; seed < 100; seed += 1) {
      for (const { words, after } of stepsOf(seed, 100)) {
        const { regions, racks, down, cut } = after;
        seen.add(words[0] ?? '');
        if (words.includes('--force')) seen.add('by force');
        const isSound =
          [regions, racks].every(
            (places) =>
              places.some(({ machine }) => machine !== down) &&
              new Set(places.map(({ unit }) => unit)).size === places.length,
          ) &&
          mend(after).length === Number(down !== undefined) + Number(cut !== undefined) &&
          choices(after).length > 20;
        if (!isSound) wrong.push({ seed, words, after });
      }
    }
    expect(wrong).toEqual([]);
    expect([...seen].sort()).toEqual([
      'add-unit',
      'by force',
      'config',
      'integrate',
      'refresh',
      'remove-machine',
      'remove-relation',
      'remove-unit',
      'run',
      'start-machine',
      'stop-machine',
      'upgrade',
    ]);
  });
});
