import { afterAll, beforeAll, expect } from '@jest/globals';
import { buildCharms, type LocalModel } from './model.ts';

export const MINUTE = 60_000;

/**
 * Builds the charms and deploys a model before the tests of a `describe`, and destroys the model after them. A run that was
 * cut off may have left a model of that name: it goes first.
 */
export function deployed(model: LocalModel, deploy: () => Promise<void>): void {
  beforeAll(async () => {
    await model.destroyLeftover();
    await buildCharms();
    await deploy();
  }, 12 * MINUTE);

  afterAll(async () => {
    try {
      // Of a test that failed, it is the best that can be known afterwards.
      const errors = await model.juju('debug-log', '--replay', '--level', 'ERROR');
      if (errors !== '') console.log(errors);
    } finally {
      await model.destroy();
    }
  }, MINUTE);
}

/** Each rack is connected to each region, as the kernel sees it. */
export async function racksAreConnected(model: LocalModel): Promise<void> {
  const regions = (await model.unitsOf('maas-region')).map(({ address }) => address).sort();
  for (const rack of await model.unitsOf('maas-rack'))
    expect(await model.regionsOfRack(rack)).toEqual(regions);
}
