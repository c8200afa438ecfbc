// A short walk. Of the first hundred seeds this one has most kinds of steps in so few: a refresh and an upgrade, a machine that goes
// down and comes back, a rack that comes, and a region and a rack that go, of which Juju 4 tells nobody.
import { test } from '@jest/globals';
import { deployed, MINUTE } from '../deploy/deployed.ts';
import { LocalModel } from '../deploy/model.ts';
import { describeOnMachines } from '../machines.ts';
import type { Walked } from './steps.ts';
import { begin, walk } from './walk.ts';

const model = new LocalModel('walk-test');
let beginning: Walked;

describeOnMachines('a walk', () => {
  deployed(model, async () => {
    beginning = await begin(model, '4');
  });

  test(
    'of eight steps: no hook fails, and MAAS is what its users expect',
    () => walk(model, beginning, { steps: 8, seed: 5, minutes: 10 }, console.log),
    15 * MINUTE,
  );
});
