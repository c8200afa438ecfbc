// From one region to five and back to two, from one rack to three, while a client asks through the virtual address all along.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually, watching, type Watch } from './client.ts';
import { buildCharms, LocalModel, regionsOf } from './model.ts';

const MINUTE = 60_000;
const model = new LocalModel('test-scale');
let vip: string;

async function regionNames(): Promise<readonly string[]> {
  const units = await model.unitsOf('maas-region');
  return (await Promise.all(units.map(({ machine }) => model.on(machine, 'hostname')))).sort();
}

/** What a file holds on the machine of every unit. */
async function filesOf(app: string, path: string): Promise<readonly string[]> {
  const units = await model.unitsOf(app);
  return Promise.all(units.map(({ machine }) => model.on(machine, `cat ${path}`)));
}

/** Changes the number of units while the client asks. */
async function scaling(...commands: readonly (readonly string[])[]): Promise<Watch> {
  return watching(`http://${vip}/MAAS/rpc/`, async () => {
    for (const command of commands) await model.juju(...command);
    await model.settle(480);
  });
}

describeOnMachines('scaling under load', () => {
  beforeAll(async () => {
    await buildCharms();
    await model.deploy({
      bundle: 'bundle.yaml',
      version: '3.7',
      units: { 'maas-region': 1, 'maas-rack': 1 },
    });
    vip = await model.freeAddress();
    await model.settle(600);
  }, 12 * MINUTE);

  afterAll(async () => {
    await model.juju('destroy-model', model.name, '--no-prompt');
  }, MINUTE);

  test(
    'from one region to five and from one rack to three, no answer is lost',
    async () => {
      const watch = await scaling(
        ['add-unit', 'maas-region', '--num-units', '4'],
        ['add-unit', 'maas-rack', '--num-units', '2'],
      );
      expect(await regionsOf(vip)).toEqual(await regionNames());
      expect(await regionNames()).toHaveLength(5);
      expect(watch.failures).toEqual([]);
    },
    10 * MINUTE,
  );

  test('every region and rack has the same URL and secret', async () => {
    const confs = [
      ...(await filesOf('maas-region', '/etc/maas/regiond.conf')),
      ...(await filesOf('maas-rack', '/etc/maas/rackd.conf')),
    ];
    expect(confs).toHaveLength(8);
    for (const conf of confs) expect(conf).toContain(`"http://${vip}/MAAS"`);
    const secrets = [
      ...(await filesOf('maas-region', '/var/lib/maas/secret')),
      ...(await filesOf('maas-rack', '/var/lib/maas/secret')),
    ];
    expect(new Set(secrets).size).toBe(1);
  });

  test(
    'from five regions to two, the leader among those that go',
    async () => {
      const units = await model.unitsOf('maas-region');
      const [leader] = units.filter(({ isLeader }) => isLeader);
      const others = units.filter(({ isLeader }) => !isLeader).slice(0, 2);
      const leaving = [leader, ...others].flatMap((unit) => (unit ? [unit.name] : []));
      const watch = await scaling(['remove-unit', ...leaving, '--no-prompt']);
      await eventually(60, async () => {
        expect(await regionsOf(vip)).toEqual(await regionNames());
      });
      expect(await regionNames()).toHaveLength(2);
      // Each time that the address moves, a request that is under way is lost with the connection that it is on.
      expect(watch.failures.slice(leaving.length)).toEqual([]);
    },
    10 * MINUTE,
  );

  test('the schema was migrated once', async () => {
    const { machine } = await model.unit('postgresql/0');
    const sql = "'SELECT version FROM double_migration'";
    expect(await model.on(machine, `runuser -u postgres -- psql -At -d maasdb -c ${sql}`)).toBe('3.7');
  });

  test('no hook failed on the way', async () => {
    expect(await model.juju('debug-log', '--replay', '--level', 'ERROR')).toBe('');
  });
});
