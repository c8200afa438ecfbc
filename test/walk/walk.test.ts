// A short random walk on machines. Seeds that have failed are kept here.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MINUTE } from '../deploy/deployed.ts';
import { buildCharms, LocalModel } from '../deploy/model.ts';
import { describeOnMachines } from '../machines.ts';
import { walk } from './walk.ts';

describeOnMachines('a random walk', () => {
  const model = new LocalModel('test-walk');
  beforeAll(buildCharms, 10 * MINUTE);
  afterAll(async () => {
    await model.juju('destroy-model', model.name, '--no-prompt');
  }, MINUTE);

  test(
    'no hook fails, and in the end every unit is active',
    async () => {
      const said: string[] = [];
      await walk(model, { steps: 6, seed: 3, juju: '4', minutes: 5 }, (line) => said.push(line));
      expect(said.at(-1)).toBe('# every unit is active, and no hook has failed');
    },
    40 * MINUTE,
  );
});
