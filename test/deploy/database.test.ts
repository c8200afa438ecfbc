// Regions on a PostgreSQL whose primary comes and goes: what was acknowledged is there, and no region restarts.
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { deployed, MINUTE } from './deployed.ts';
import { charmFile, LocalModel, regionsOf } from './model.ts';
import { eventually } from './client.ts';

const model = new LocalModel('database-test');
const REGIOND =
  'cat /etc/maas/regiond.conf; systemctl show --property=MainPID maas-regiond maas-apiserver maas-temporal';

describeOnMachines('a database that fails over', () => {
  deployed(model, async () => {
    const options = { source: await model.sourceOf('3.7') };
    await model.deployBundle({
      'default-base': 'ubuntu@24.04',
      applications: {
        postgresql: { charm: charmFile('postgresql'), num_units: 2 },
        'maas-region': { charm: charmFile('maas-region'), num_units: 2, options },
      },
      relations: [['maas-region:db', 'postgresql:db']],
    });
    await model.settle(600);
  });

  test(
    'the primary is killed and its standby promoted: every region writes there, and none restarts',
    async () => {
      const [old, standby] = await model.unitsOf('postgresql');
      if (!old || !standby) throw new Error('two databases were deployed');
      const before = await model.onEach('maas-region', REGIOND);
      expect(Object.values(before).join()).toContain('database_host: "127.54.32.1"');
      await model.juju('stop-machine', old.machine);
      await model.action(standby.name, 'promote-to-primary', 'scope=unit');
      await eventually(30, async () => {
        for (const { address } of await model.unitsOf('maas-region'))
          expect(await regionsOf(`${address}:5240`)).toEqual(await model.hostNamesOf('maas-region'));
      });
      expect(await model.onEach('maas-region', REGIOND)).toEqual(before);
    },
    5 * MINUTE,
  );
});
