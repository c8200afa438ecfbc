// Two regions and a rack from the snap store, on machines with a stand-in of snapd: the tests build on each other.
import { expect, test } from '@jest/globals';
import { SNAP } from '@maas-ha/maas';
import { SNAPD_PACKAGE } from '../doubles/maas/build.ts';
import { describeOnMachines } from '../machines.ts';
import { eventually } from './client.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { charmFile, LocalModel, type UnitStatus } from './model.ts';

const model = new LocalModel('test-snap');

const HOME = '/var/snap/maas/common/maas';
const STORE = {
  channels: {
    '3.4/stable': { version: '3.4.10-14366-g.518bf2c', revision: 36889 },
    '3.7/stable': { version: '3.7.3-17487-g.362c9ab', revision: 41649 },
  },
};

/** One PostgreSQL, two regions, and a rack beside the first of them. */
async function deploy(): Promise<void> {
  await model.mountStandIns();
  // A rack says in its next hook what it is connected to.
  await model.juju('model-config', 'update-status-hook-interval=20s');
  // Nothing comes from there until the machines have their stand-in of snapd.
  await model.deployRackBesideRegion('deb file:/srv/nowhere ./');
  await eventually(300, async () => {
    for (const { message } of await model.unitsOf('maas-region'))
      expect(message).toContain('apt cannot use file:/srv/nowhere');
  });
  for (const { machine } of await model.unitsOf('maas-region')) {
    // A hook may use apt at the same time.
    await eventually(180, () =>
      model.on(machine, `apt-get update -qq && apt-get install -y -qq ${SNAPD_PACKAGE}`),
    );
    await model.on(
      machine,
      `mkdir -p /var/lib/snapd && echo '${JSON.stringify(STORE)}' >/var/lib/snapd/double-store.json`,
    );
  }
  await follow('3.4/stable');
}

/** Has regions and racks follow a channel. */
async function follow(channel: string): Promise<void> {
  await model.juju('config', 'maas-region', `source=snap:${channel}`);
  await model.juju('config', 'maas-rack', `source=snap:${channel}`);
}

/** The region that has no rack beside it. */
async function withoutRack(): Promise<UnitStatus> {
  const { machine } = await model.unit('maas-rack/0');
  const found = (await model.unitsOf('maas-region')).find((region) => region.machine !== machine);
  if (!found) throw new Error('every region has a rack beside it');
  return found;
}

async function allServe(version: string): Promise<void> {
  for (const { machine, message } of await model.unitsOf('maas-region')) {
    expect(message).toMatch(/^serves http:/);
    expect(await model.on(machine, 'snap list maas')).toMatch(
      new RegExp(`^maas +${version}\\S+ +\\d+ +${version}/stable +\\S+ +held$`, 'm'),
    );
  }
  await racksAreConnected(model);
  expect((await model.unit('maas-rack/0')).message).toBe(`connected to 2 of 2 regions, MAAS ${version}`);
}

describeOnMachines('MAAS from the snap store', () => {
  deployed(model, async () => {
    await deploy();
    await model.settle(600);
  });

  test(
    'both regions serve, one of them with a rack, and the database was migrated once',
    async () => {
      await eventually(60, () => allServe('3.4'));
      expect(await model.migrations()).toEqual(['3.4']);
      const { machine } = await model.unit('maas-rack/0');
      expect(await model.on(machine, 'cat /var/snap/maas/common/snap_mode')).toBe('region+rack');
    },
    2 * MINUTE,
  );

  test(
    'another channel: both refresh, and the database is migrated once',
    async () => {
      await model.enableExtensions();
      await follow('3.7/stable');
      await eventually(240, () => allServe('3.7'));
      await model.settle();
      expect(await model.migrations()).toEqual(['3.4', '3.7']);
    },
    6 * MINUTE,
  );

  test(
    'a new secret: both regions and the rack have it, and it is nowhere to be read',
    async () => {
      const secrets = async (): Promise<readonly string[]> =>
        Object.values(await model.onEach('maas-region', `cat ${HOME}/secret`));
      const before = await secrets();
      expect(await model.action('maas-region/leader', 'rotate-secret')).toContain('rotation: "1"');
      await model.settle();
      const after = await secrets();
      expect(new Set(after)).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{32}$/)]));
      expect(before).not.toContain(after[0]);
      await eventually(60, () => allServe('3.7'));
      for (const text of await model.shown()) expect(text).not.toContain(after[0]);
    },
    3 * MINUTE,
  );

  test(
    'a region has back what its backup has, and says where its log is',
    async () => {
      const { name, machine } = await withoutRack();
      const image = `${HOME}/image-storage/f00`;
      await model.on(machine, `echo an image >${image}`);
      const made = await model.action(name, 'create-backup', 'database-backup=base-1');
      const [, id = ''] = /backup-id: (\S+)/.exec(made) ?? [];
      await model.on(machine, `rm ${image}`);
      await model.action(name, 'restore-backup', `backup-id=${id}`, 'database-backup=base-1');
      await model.settle();
      expect(await model.on(machine, `cat ${image}`)).toBe('an image');
      expect(await model.on(machine, SNAP.log('region', '3.7'))).toContain('Region controller serves.');
      await eventually(60, () => allServe('3.7'));
    },
    2 * MINUTE,
  );

  test(
    'tls-mode=passthrough: both regions serve HTTPS, and the rack notices nothing',
    async () => {
      await model.juju(
        'deploy',
        charmFile('self-signed-certificates'),
        '--to',
        (await withoutRack()).machine,
      );
      await model.juju('integrate', 'maas-region:certificates', 'self-signed-certificates:certificates');
      await model.juju('config', 'maas-region', 'tls-mode=passthrough');
      await model.settle();
      for (const { machine, address } of await model.unitsOf('maas-region')) {
        await eventually(60, async () =>
          expect(
            await model.on(
              machine,
              `python3 -c "import ssl; print(ssl.get_server_certificate(('${address}', 5443)))"`,
            ),
          ).toContain('BEGIN CERTIFICATE'),
        );
        expect(await model.on(machine, 'ls /var/snap/maas/common/maas-ha/scratch 2>/dev/null || true')).toBe(
          '',
        );
      }
      // A hook comes every twenty seconds, and what it says of the rack is of the moment when it asked.
      await eventually(60, () => allServe('3.7'));
      expect(await model.action('maas-region/leader', 'list-controllers')).toContain('"rackd":"running"');
      await model.juju('config', 'maas-region', 'tls-mode=disabled');
      await model.settle();
    },
    3 * MINUTE,
  );

  test(
    'a region goes, and its machine keeps nothing of MAAS',
    async () => {
      // The CA keeps the machine.
      const gone = await withoutRack();
      await model.juju('remove-unit', gone.name, '--no-prompt');
      await eventually(180, async () => expect(await model.unitsOf('maas-region')).toHaveLength(1));
      await eventually(60, async () =>
        expect((await model.unit('maas-rack/0')).message).toBe('connected to 1 of 1 regions, MAAS 3.7'),
      );
      expect(await model.on(gone.machine, 'ls -d /var/snap/maas /snap/maas 2>/dev/null || true')).toBe('');
    },
    5 * MINUTE,
  );
});
