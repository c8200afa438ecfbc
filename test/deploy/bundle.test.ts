// bundle.yaml on real machines: what a user does to it, and what must be seen then. The tests build on each other.
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeOnMachines } from '../machines.ts';
import { eventually, watching } from './client.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { LocalModel, regionsOf } from './model.ts';

const model = new LocalModel('test-bundle');
let vip: string;
/** Begins the name of everything that the model makes on this machine. */
let prefix: string;

/** What a command line says on every unit's machine, by unit. */
async function onEach(app: string, commandLine: string): Promise<Readonly<Record<string, string>>> {
  const units = await model.unitsOf(app);
  return Object.fromEntries(
    await Promise.all(
      units.map(async ({ name, machine }) => [name, await model.on(machine, commandLine)] as const),
    ),
  );
}

async function hostNamesOf(app: string): Promise<readonly string[]> {
  return Object.values(await onEach(app, 'hostname')).sort();
}

async function holders(address: string): Promise<readonly string[]> {
  const addresses = await onEach('keepalived-vip', 'ip -brief address');
  return Object.entries(addresses)
    .filter(([, text]) => text.includes(`${address}/`))
    .map(([name]) => name);
}

/** What restarts and writes there were: when services started, and the identity of each file that a charm writes. */
async function fingerprint(): Promise<unknown> {
  const machines = [...new Set((await model.units()).map(({ machine }) => machine))];
  const script = [
    'systemctl show --property=Id,ActiveEnterTimestampMonotonic,MainPID haproxy keepalived maas-regiond maas-rackd named postgresql',
    'find /etc /usr/local /var/lib/juju/agents -xdev -type f -printf "%p %i %T@\\n" | sort',
  ].join('; ');
  return Promise.all(machines.map(async (machine) => [machine, await model.on(machine, script)]));
}

describeOnMachines('bundle.yaml', () => {
  deployed(model, async () => {
    await model.deploy({ bundle: 'bundle.yaml', version: '3.7' });
    vip = await model.freeAddress();
    await model.settle(600);
    const [hostname = ''] = await hostNamesOf('postgresql');
    prefix = hostname.replace(/^juju-(.*)-\d+$/, 'jl$1');
  });

  test('no hook failed on the way', async () => {
    const log = await model.juju('debug-log', '--replay', '--level', 'ERROR');
    expect(log).toBe('');
  });

  test('the virtual address answers for three regions', async () => {
    expect(await regionsOf(vip)).toEqual(await hostNamesOf('maas-region'));
  });

  test('each rack names the virtual address and is connected to every region', async () => {
    for (const text of Object.values(await onEach('maas-rack', 'cat /etc/maas/rackd.conf')))
      expect(text).toContain(`"http://${vip}/MAAS"`);
    await eventually(60, () => racksAreConnected(model));
  });

  test('configuration and secret are the same on all regions, and only root and MAAS read them', async () => {
    const secrets = await onEach('maas-region', 'cat /var/lib/maas/secret');
    expect(new Set(Object.values(secrets)).size).toBe(1);
    const modes = await onEach('maas-region', 'stat -c %a:%U:%G /etc/maas/regiond.conf');
    expect(new Set(Object.values(modes))).toEqual(new Set(['640:root:maas']));
    const balancers = await onEach('haproxy', 'md5sum /etc/haproxy/haproxy.cfg');
    expect(new Set(Object.values(balancers)).size).toBe(1);
  });

  test('one unit holds the virtual address', async () => {
    expect(await holders(vip)).toHaveLength(1);
  });

  test(
    'hooks that run once more write nothing and restart nothing',
    async () => {
      const before = await fingerprint();
      for (const { name } of await model.units()) {
        await model.juju('run-hook', name, 'config-changed');
        await model.juju('run-hook', name, 'update-status');
      }
      expect(await fingerprint()).toEqual(before);
    },
    3 * MINUTE,
  );

  test(
    'a fourth region serves, is behind every balancer, and migrates nothing',
    async () => {
      await model.juju('add-unit', 'maas-region');
      await model.settle();
      expect(await regionsOf(vip)).toEqual(await hostNamesOf('maas-region'));
      const secrets = await onEach('maas-region', 'cat /var/lib/maas/secret');
      expect(Object.keys(secrets)).toHaveLength(4);
      expect(new Set(Object.values(secrets)).size).toBe(1);
      for (const { address } of await model.unitsOf('maas-region'))
        for (const text of Object.values(await onEach('haproxy', 'cat /etc/haproxy/haproxy.cfg')))
          expect(text).toContain(`${address}:5240`);
      expect(await model.migrations()).toEqual(['3.7']);
      await eventually(60, () => racksAreConnected(model));
    },
    6 * MINUTE,
  );

  test(
    'a region that is removed is gone from MAAS, from every balancer and from VRRP',
    async () => {
      const { address } = await model.unit('maas-region/1');
      const watch = await watching(`http://${vip}/MAAS/rpc/`, async () => {
        await model.juju('remove-unit', 'maas-region/1', '--no-prompt');
        await model.settle();
      });
      expect(watch.failures).toEqual([]);
      expect((await model.unitsOf('maas-region')).map(({ name }) => name)).toEqual([
        'maas-region/0',
        'maas-region/2',
        'maas-region/3',
      ]);
      for (const text of Object.values(await onEach('haproxy', 'cat /etc/haproxy/haproxy.cfg')))
        expect(text).not.toContain(address);
      for (const text of Object.values(await onEach('keepalived-vip', 'cat /etc/keepalived/keepalived.conf')))
        expect(text).not.toMatch(new RegExp(`${address}\\b`));
      await eventually(60, async () => {
        expect(await regionsOf(vip)).toEqual(await hostNamesOf('maas-region'));
        await racksAreConnected(model);
      });
    },
    6 * MINUTE,
  );

  test(
    'another virtual address: every configuration follows, and no rack restarts',
    async () => {
      const started = await onEach('maas-rack', 'systemctl show --property=MainPID maas-rackd');
      const [old, next] = [vip, await model.freeAddress(201)];
      await model.juju('config', 'keepalived-vip', `vip=${next}`);
      await eventually(120, async () => {
        expect(await regionsOf(next)).toHaveLength(3);
        expect(await holders(old)).toEqual([]);
        const files = [
          ...Object.values(await onEach('maas-region', 'cat /etc/maas/regiond.conf')),
          ...Object.values(await onEach('maas-rack', 'cat /etc/maas/rackd.conf')),
        ];
        for (const text of files) expect(text).toContain(`"http://${next}/MAAS"`);
      });
      vip = next;
      await model.settle();
      expect(await onEach('maas-rack', 'systemctl show --property=MainPID maas-rackd')).toEqual(started);
    },
    5 * MINUTE,
  );

  test.each([
    ['keepalived-vip', 'vip', '10.0.0.300', /vip/],
    ['haproxy', 'port', '99999', /port/],
    ['haproxy', 'balance', 'fastest', /source, roundrobin, leastconn/],
    ['maas-region', 'source', 'nonsense', /ppa:/],
  ])(
    '%s %s=%s is refused in words, and MAAS goes on',
    async (app, option, value, words) => {
      const good = (await model.juju('config', app, option)).trimEnd();
      const before = await fingerprint();
      await model.juju('config', app, `${option}=${value}`);
      await eventually(60, async () => {
        for (const unit of await model.unitsOf(app)) {
          expect(unit.workload).toBe('blocked');
          expect(unit.message).toMatch(words);
        }
      });
      expect(await regionsOf(vip)).toHaveLength(3);
      await model.juju('config', app, `${option}=${good}`);
      await model.settle();
      expect(await fingerprint()).toEqual(before);
    },
    3 * MINUTE,
  );

  test(
    'a second database is refused with what to type',
    async () => {
      await model.juju('integrate', 'maas-region:db', 'postgresql:db');
      await eventually(60, async () => {
        for (const unit of await model.unitsOf('maas-region')) {
          expect(unit.workload).toBe('blocked');
          expect(unit.message).toContain('juju remove-relation maas-region:db');
        }
      });
      expect(await regionsOf(vip)).toHaveLength(3);
      await model.juju('remove-relation', 'maas-region:db', 'postgresql:db');
      await model.settle();
    },
    3 * MINUTE,
  );

  test(
    'the holder of the virtual address loses power: another machine answers within seconds',
    async () => {
      const [holder = ''] = await holders(vip);
      const { machine } = await model.unit(holder);
      const watch = await watching(`http://${vip}/MAAS/rpc/`, async () => {
        await model.juju('stop-machine', machine);
        await eventually(30, () => regionsOf(vip));
      });
      expect(watch.longestGap).toBeLessThan(10_000);
      await expect(model.on(machine, 'true')).rejects.toThrow();
      const left = (await model.unitsOf('maas-region')).filter((unit) => unit.machine !== machine);
      const addresses = left.map(({ address }) => address).sort();
      for (const rack of await model.unitsOf('maas-rack'))
        expect(await model.regionsOfRack(rack)).toEqual(expect.arrayContaining(addresses));
    },
    3 * MINUTE,
  );

  test(
    'its machine comes back and everything is as before, without the address moving again',
    async () => {
      const off = (await model.units()).find(({ workload }) => workload === 'unknown');
      const watch = await watching(`http://${vip}/MAAS/rpc/`, async () => {
        await model.juju('start-machine', off?.machine ?? '');
        await model.settle();
      });
      expect(watch.longestGap).toBeLessThan(1000);
      expect(await holders(vip)).toHaveLength(1);
      await eventually(60, () => racksAreConnected(model));
    },
    5 * MINUTE,
  );

  test('no secret is in a databag, a status or a log line', async () => {
    const [secret = ''] = Object.values(await onEach('maas-region', 'cat /var/lib/maas/secret'));
    const [conf = ''] = Object.values(await onEach('maas-region', 'cat /etc/maas/regiond.conf'));
    const password = /database_pass: "(.+)"/.exec(conf)?.[1] ?? '';
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    expect(password).not.toBe('');
    const texts = [
      await model.juju('status', '--format', 'json'),
      await model.juju('debug-log', '--replay', '--level', 'TRACE'),
      ...model.relations(),
    ];
    for (const text of texts) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(password);
    }
  });
});

describeOnMachines('after destroy-model', () => {
  test('nothing of the model is left on this machine', async () => {
    const out = async (program: string, ...args: string[]): Promise<string> =>
      (await execa(program, args)).stdout;
    expect(prefix).toMatch(/^jl[0-9a-f]{6}$/);
    // The model's daemon ends a moment after it has answered.
    await eventually(10, async () => {
      const texts = [
        await out('ps', '-eo', 'args'),
        await out('ip', 'netns', 'list'),
        await out('ip', '-brief', 'link'),
        await out('nft', 'list', 'tables'),
        await out('cat', '/proc/self/mounts'),
      ];
      for (const text of texts) {
        expect(text).not.toContain(prefix);
        expect(text).not.toMatch(/juju-local.*test-bundle/);
      }
    });
  });
});
