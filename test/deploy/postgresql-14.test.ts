// The same deployment over the relation of the HA guide, `maas-region:db postgresql:db`, with an older MAAS.
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually } from './client.ts';
import { deployed, MINUTE } from './deployed.ts';
import { LocalModel, regionsOf } from './model.ts';

const model = new LocalModel('test-db');

describeOnMachines('bundle-postgresql-14.yaml', () => {
  deployed(model, async () => {
    await model.deploy({
      bundle: 'bundle-postgresql-14.yaml',
      version: '3.4',
      units: { 'maas-region': 2, 'maas-rack': 1 },
    });
    await model.settle(600);
  });

  test('ends active, with the regions behind the virtual address', async () => {
    const regions = await model.unitsOf('maas-region');
    expect(regions).toHaveLength(2);
    expect(await regionsOf(await model.freeAddress())).toHaveLength(2);
  });

  test('the regions use the database that the relation gave', async () => {
    const database = await model.unit('postgresql/0');
    for (const { machine } of await model.unitsOf('maas-region'))
      expect(await model.on(machine, 'cat /etc/maas/regiond.conf')).toContain(
        `database_host: "${database.address}"`,
      );
  });

  test(
    'the database by the other relation is refused with what to type',
    async () => {
      await model.juju('integrate', 'maas-region:database', 'postgresql:database');
      await eventually(60, async () => {
        for (const { workload, message } of await model.unitsOf('maas-region'))
          expect(`${workload} ${message}`).toMatch(/^blocked .*juju remove-relation maas-region:d/);
      });
    },
    2 * MINUTE,
  );
});
