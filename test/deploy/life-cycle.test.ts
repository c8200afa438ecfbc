// What becomes of a MAAS over the years, on machines, with the relation of the HA guide (`maas-region:db postgresql:db`), as
// Juju 4 tells of it: not of units that were removed. The tests build on each other.
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually, secure } from './client.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { charmFile, LocalModel, regionsOf } from './model.ts';

const model = new LocalModel('test-life');

const STARTED = 'systemctl show --property=ActiveEnterTimestampMonotonic --value maas-rackd.service';

async function onRegions(commandLine: string): Promise<readonly string[]> {
  return Object.values(await model.onEach('maas-region', commandLine));
}

async function versionsOf(app: string): Promise<ReadonlySet<string>> {
  return new Set(Object.values(await model.onEach(app, "dpkg-query -W -f '${Version}' maas-common")));
}

/** From when to when no rackd ran while its packages were upgraded, on each rack, in milliseconds since 1970. */
async function interruptions(): Promise<readonly { readonly began: number; readonly ended: number }[]> {
  const upgraded = "sed -n 's/ upgrade maas-rack-controller.*//p' /var/log/dpkg.log | tail -n 1";
  const started = 'TZ=UTC systemctl show --property=ActiveEnterTimestamp --value maas-rackd.service';
  const times = await model.onEach('maas-rack', `${upgraded}; ${started}`);
  return Object.values(times).map((text) => {
    const [began = '', ended = ''] = text.split('\n');
    return { began: Date.parse(`${began}Z`), ended: Date.parse(ended.replace(/^\w+ /, '')) };
  });
}

describeOnMachines('the life of a MAAS', () => {
  deployed(model, async () => {
    await model.deploy({
      bundle: 'bundle-postgresql-14.yaml',
      version: '3.4',
      units: { 'maas-region': 2, 'maas-rack': 2 },
      juju: '4',
    });
    await model.settle(600);
  });

  test('the regions stand behind the virtual address, and use the database that the relation gave', async () => {
    expect(await regionsOf(await model.freeAddress())).toEqual(await model.hostNamesOf('maas-region'));
    const { name } = await model.unit('postgresql/0');
    const confs = await onRegions('cat /etc/maas/regiond.conf');
    expect(confs).toHaveLength(2);
    // An address of their own machine, from which the kernel sends them on.
    for (const conf of confs) expect(conf).toContain('database_host: "127.54.32.1"');
    for (const { message } of await model.unitsOf('maas-region'))
      expect(message).toContain(`writes to ${name} since`);
  });

  test('what follows the primary hangs: systemd starts it anew', async () => {
    const unit = 'maas-database-proxy.service';
    const { machine } = await model.unit('maas-region/0');
    const pid = (): Promise<string> => model.on(machine, `systemctl show --property=MainPID --value ${unit}`);
    const journal = (): Promise<string> => model.on(machine, `journalctl --unit=${unit}`);
    const hung = await pid();
    expect(await journal()).not.toContain('Watchdog timeout');
    await model.on(machine, `systemctl kill --signal=STOP ${unit}`);
    await eventually(MINUTE / 1000, async () => {
      expect(['0', hung]).not.toContain(await pid());
      expect(await journal()).toContain('Watchdog timeout');
    });
    expect(await regionsOf(await model.freeAddress())).toEqual(await model.hostNamesOf('maas-region'));
  });

  test(
    'an upgrade: every region stops, one migrates, all start, and the racks follow, one after the other',
    async () => {
      const source = `source=${await model.sourceOf('3.7')}`;
      await model.juju('config', 'maas-rack', source);
      await eventually(MINUTE / 1000, async () => {
        for (const { message } of await model.unitsOf('maas-rack'))
          expect(message).toContain('is upgraded to 3.7 after the regions');
      });
      await model.enableExtensions();
      await model.juju('config', 'maas-region', source);
      await eventually(180, async () => {
        for (const app of ['maas-region', 'maas-rack'])
          expect([...(await versionsOf(app))]).toEqual([expect.stringMatching(/^1:3\.7\./)]);
      });
      await model.settle();
      expect(await regionsOf(await model.freeAddress())).toHaveLength(2);
      for (const { name } of await model.unitsOf('maas-rack'))
        await eventually(60, async () => {
          await model.juju('run-hook', name, 'update-status');
          expect((await model.unit(name)).message).toBe('connected to 2 of 2 regions, MAAS 3.7');
        });
      const [first, second] = (await interruptions()).toSorted((a, b) => a.began - b.began);
      expect(first?.ended).toBeLessThanOrEqual(second?.began ?? 0);
      // The stand-in refuses to migrate while an old region runs.
      expect(await model.migrations()).toEqual(['3.4', '3.7']);
      const said = (await onRegions('journalctl --output cat --identifier maas-dbupgrade')).join('\n');
      // One of 3.4's, which the database remembers, and what every migration to 3.7 begins with: each ran once.
      expect(said.match(/Applying maasserver\.0003_secrets/g)).toHaveLength(1);
      expect(said.match(/alembic\.runtime\.migration/g)).toHaveLength(1);
      expect(said).not.toMatch(/deadlock|Error/);
      expect(await model.juju('debug-log', '--replay', '--level', 'ERROR')).toBe('');
    },
    6 * MINUTE,
  );

  test(
    'an older source is refused, and MAAS goes on',
    async () => {
      await model.juju('config', 'maas-region', `source=${await model.sourceOf('3.4')}`);
      await eventually(60, async () => {
        for (const unit of await model.unitsOf('maas-region')) {
          expect(unit.workload).toBe('blocked');
          expect(unit.message).toContain('MAAS 3.7 cannot go back to 3.4');
        }
      });
      expect(await regionsOf(await model.freeAddress())).toHaveLength(2);
      await model.juju('config', 'maas-region', `source=${await model.sourceOf('3.7')}`);
      await model.settle();
    },
    3 * MINUTE,
  );

  test(
    'a new secret: every region uses it, the racks come back with it, and nobody ever saw it',
    async () => {
      const [before] = await onRegions('cat /var/lib/maas/secret');
      expect(await model.action('maas-region/leader', 'rotate-secret')).toMatch(
        /rotation: "1"\s+status: waiting for its turn/,
      );
      await model.settle();
      const secrets = [
        ...(await onRegions('cat /var/lib/maas/secret')),
        ...Object.values(await model.onEach('maas-rack', 'cat /var/lib/maas/secret')),
      ];
      expect(new Set(secrets)).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{32}$/)]));
      expect(secrets[0]).not.toBe(before);
      await eventually(60, () => racksAreConnected(model));
      for (const text of await model.shown()) expect(text).not.toContain(secrets[0]);
    },
    3 * MINUTE,
  );

  test(
    'tls-mode=termination: a CA signs for the balancers, MAAS_URL becomes https, and racks that trust the CA follow',
    async () => {
      const vip = await model.freeAddress();
      const started = await model.onEach('maas-rack', STARTED);
      const urls = async (): Promise<ReadonlySet<string | undefined>> => {
        const confs = [
          ...(await onRegions('cat /etc/maas/regiond.conf')),
          ...Object.values(await model.onEach('maas-rack', 'cat /etc/maas/rackd.conf')),
        ];
        return new Set(confs.map((conf) => /"(https?:.*)"/.exec(conf)?.[1]));
      };
      const { machine } = await model.unit('postgresql/0');
      await model.juju('deploy', charmFile('self-signed-certificates'), '--to', machine);
      await model.juju('integrate', 'haproxy:certificates', 'self-signed-certificates:certificates');
      await model.juju('config', 'maas-region', 'tls-mode=termination');
      await eventually(120, async () => expect(await urls()).toEqual(new Set([`https://${vip}/MAAS`])));
      await model.settle();
      const ca = model.authority();
      expect(await secure(`https://${vip}/MAAS/api/2.0/version/`, ca)).toContain('"version": "3.7.0"');
      const trusted = Buffer.from(`${ca}\n`).toString('base64');
      await model.onEach(
        'maas-rack',
        `echo ${trusted} | base64 -d >/usr/local/share/ca-certificates/maas.crt && update-ca-certificates`,
      );
      for (const { name } of await model.unitsOf('maas-rack'))
        await eventually(60, async () => {
          await model.juju('run-hook', name, 'update-status');
          expect((await model.unit(name)).message).toBe('connected to 2 of 2 regions, MAAS 3.7');
        });
      await model.juju('config', 'maas-region', '--reset', 'tls-mode');
      await model.juju('remove-relation', 'haproxy:certificates', 'self-signed-certificates:certificates');
      await eventually(120, async () => expect(await urls()).toEqual(new Set([`http://${vip}/MAAS`])));
      await model.settle();
      expect(await model.onEach('maas-rack', STARTED)).toEqual(started);
    },
    6 * MINUTE,
  );

  test(
    'a collector is told of every unit on its machine, and reads what a balancer measures',
    async () => {
      await model.juju('deploy', charmFile('collector'));
      for (const app of ['maas-region', 'maas-rack', 'haproxy'])
        await model.juju('integrate', `${app}:cos-agent`, 'collector:cos-agent');
      await model.settle();
      const racks = new Set((await model.unitsOf('maas-rack')).map(({ machine }) => machine));
      const collectors = await model.unitsOf('collector');
      expect(collectors).toHaveLength(4);
      for (const { name, machine } of collectors) {
        const seen = (await model.action(name, 'show-status')).replaceAll(/\s+/g, ' ');
        expect(seen).toMatch(racks.has(machine) ? /\bmaas-rack_/ : /\bmaas-region_/);
        if (!racks.has(machine)) expect(seen).toMatch(/\bhaproxy_\w+: \d{3,} metrics/);
      }
      await model.juju('remove-application', 'collector', '--no-prompt');
      await eventually(60, async () => expect(await model.unitsOf('collector')).toEqual([]));
      await model.settle();
    },
    3 * MINUTE,
  );

  test(
    'a region loses power and is removed by force: the leader has MAAS forget it, and another one gets its backup',
    async () => {
      const lost = await model.unit('maas-region/1');
      const image = '/var/lib/maas/image-storage/f00';
      await model.on(
        lost.machine,
        `install -d -o maas -g maas /var/lib/maas/image-storage && echo an image >${image} && sed -i '$a vault_url: http://vault' /etc/maas/regiond.conf`,
      );
      const made = await model.action(lost.name, 'create-backup', 'database-backup=base-1');
      const [, id = ''] = /backup-id: (\S+)/.exec(made) ?? [];
      const archive = `/var/backups/maas/${id}.tar`;
      expect(await model.on(lost.machine, `stat -c %a:%U ${archive}`)).toBe('600:root');
      const copy = await model.on(lost.machine, `base64 -w0 ${archive}`);
      const hostname = await model.on(lost.machine, 'hostname');
      await model.juju('stop-machine', lost.machine);
      await model.juju('remove-machine', lost.machine, '--force', '--no-prompt');
      await model.juju('add-unit', 'maas-region');
      await model.settle();
      await eventually(120, async () => {
        await model.juju('run-hook', 'maas-region/0', 'update-status');
        const list = await model.action('maas-region/0', 'list-controllers');
        expect(list).not.toContain(hostname);
      });
      const { name, machine } = await model.unit('maas-region/2');
      await model.on(machine, `install -d -m 700 /var/backups/maas && echo ${copy} | base64 -d >${archive}`);
      const wanted = [name, 'restore-backup', `backup-id=${id}`] as const;
      expect(await model.action(...wanted, 'database-backup=base-2')).toContain(
        'belongs to the backup base-1',
      );
      const own = await model.on(machine, 'cat /var/lib/maas/maas_id');
      expect(await model.action(...wanted, 'database-backup=base-1')).toMatch(/status: active/);
      expect(await model.on(machine, `cat ${image}; stat -c %U ${image}`)).toBe('an image\nroot');
      expect(await model.on(machine, 'cat /etc/maas/regiond.conf')).toContain('vault_url: "http://vault"');
      expect(await model.on(machine, 'cat /var/lib/maas/maas_id')).toBe(own);
      expect(await regionsOf(await model.freeAddress())).toHaveLength(2);
    },
    6 * MINUTE,
  );

  test(
    'an administrator, the key, and who is paused and comes back',
    async () => {
      const admin = ['username=ada', 'email=ada@example.com'];
      const made = await model.action('maas-region/leader', 'create-admin', ...admin);
      expect(made).toMatch(/password: \S{20,}/);
      expect(await model.action('maas-region/leader', 'create-admin', ...admin)).toContain('already exists');
      expect(await model.action('maas-region/leader', 'get-api-key', 'username=ada')).toMatch(
        /api-key: \w+:\w+:\w+/,
      );
      const { name, machine } = await model.unit('maas-region/0');
      const hostname = await model.on(machine, 'hostname');
      await model.action(name, 'pause');
      expect((await model.unit(name)).message).toBe(`paused: juju run ${name} resume`);
      expect(await regionsOf(await model.freeAddress())).not.toContain(hostname);
      expect(await model.action(name, 'resume')).toMatch(/status: active/);
      expect(await regionsOf(await model.freeAddress())).toContain(hostname);
    },
    4 * MINUTE,
  );

  test(
    'two racks serve DHCP; one goes and the other has its networks; the last one is named',
    async () => {
      const configure = ['maas-region/leader', 'configure-dhcp-ha'] as const;
      expect(await model.action(...configure)).toContain('has no range of dynamic addresses');
      await model.sql("INSERT INTO maasserver_iprange VALUES ('10.0.0.10', '10.0.0.99', 5001)");
      const pairOf = (said: string): readonly (string | undefined)[] =>
        ['primary', 'secondary'].map((which) => new RegExp(`${which}: (\\S+)`).exec(said)?.[1]);
      const [primary, secondary = ''] = pairOf(await model.action(...configure));
      expect(pairOf(await model.action(...configure))).toEqual([primary, secondary]);
      const racks = await model.unitsOf('maas-rack');
      const names = await Promise.all(racks.map(({ machine }) => model.on(machine, 'hostname')));
      expect(new Set([primary, secondary])).toEqual(new Set(names));
      const first = racks[names.indexOf(primary ?? '')];
      await model.juju('remove-unit', first?.name ?? '', '--no-prompt');
      await eventually(120, async () => {
        await model.juju('run-hook', 'maas-region/0', 'update-status');
        expect(await model.sql('SELECT hostname FROM maasserver_node WHERE node_type = 2')).toEqual([
          secondary,
        ]);
      });
      const provider =
        'SELECT hostname FROM maasserver_vlan JOIN maasserver_node ON system_id = primary_rack WHERE dhcp_on';
      expect(await model.sql(provider)).toEqual([secondary]);
      const last = racks.find(({ name }) => name !== first?.name)?.name ?? '';
      await eventually(60, async () => {
        await model.juju('run-hook', 'maas-region/0', 'update-status');
        expect((await model.unit(last)).message).toMatch(
          /^connected to .*; the only rack with DHCP on fabric-0, VLAN 0: add another unit$/,
        );
      });
      // Until its last hooks hide it, which come within seconds.
      const farewell = eventually(60, async () =>
        expect(model.statusNow(last)).toMatch(/^blocked the only rack with DHCP on fabric-0, VLAN 0 goes/),
      );
      await Promise.all([farewell, model.juju('remove-unit', last, '--no-prompt')]);
      await eventually(120, async () => {
        const leader = (await model.unitsOf('maas-region')).find(({ isLeader }) => isLeader)?.name ?? '';
        await model.juju('run-hook', leader, 'update-status');
        expect((await model.unit(leader)).message).toContain(
          `${secondary} is gone and was the only rack with DHCP on fabric-0, VLAN 0`,
        );
      });
    },
    6 * MINUTE,
  );

  test(
    'a region that goes takes its packages along, and what came with them',
    async () => {
      // So that its machine stays: Juju removes one that nothing is on.
      const { machine } = await model.unit('maas-region/2');
      await model.juju('deploy', charmFile('web'), '--to', machine, '--config', 'port=8099');
      await model.settle();
      await model.juju('remove-unit', 'maas-region/2', '--no-prompt');
      await eventually(120, async () => expect(await model.unitsOf('maas-region')).toHaveLength(1));
      const packages = await model.on(machine, "dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n'");
      expect(packages).not.toMatch(/^(maas-\S+|bind9|postgresql-client|haproxy|keepalived) ii/m);
      expect(await model.on(machine, 'ls /etc/apt/sources.list.d')).not.toContain('maas');
      expect(await model.on(machine, 'ls /var/backups/maas')).toContain('.tar');
    },
    5 * MINUTE,
  );
});
