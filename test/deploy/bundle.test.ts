// bundle.yaml on real machines, with one region and one rack at first: what a user does to it, and what must be seen then.
// The tests build on each other.
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeOnMachines } from '../machines.ts';
import { eventually, watching, type Watch } from './client.ts';
import { membersSeenBy } from './database-cluster.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { LocalModel, regionsOf } from './model.ts';

const model = new LocalModel('test-bundle', { isBare: true });
let vip: string;
/** Begins the name of everything that the model makes on this machine. */
let prefix: string;

interface Seen extends Watch {
  /** How often the virtual address went to another machine. */
  readonly moves: number;
}

/** Does something to the model while the client asks, and waits until every unit is idle and active. */
async function seen(what: string, happen: () => Promise<unknown>): Promise<Seen> {
  // This machine's own neighbour table tells behind which hardware address the virtual one is.
  const neighbours = execa('ip', ['-oneline', 'monitor', 'neigh'], { reject: false });
  const before = (await execa('ip', ['neigh', 'show', vip])).stdout;
  const watch = await watching(`http://${vip}/MAAS/rpc/`, async () => {
    await happen();
    await model.settle(480);
  });
  neighbours.kill();
  const holders = `${before}\n${(await neighbours).stdout}`.split('\n').flatMap((line) => {
    const [, address, hardware] = /^(\S+) .*lladdr (\S+)/.exec(line) ?? [];
    return address === vip && hardware !== undefined ? [hardware] : [];
  });
  const moves = holders.filter((hardware, index) => index > 0 && hardware !== holders[index - 1]).length;
  console.log(
    `${what}: ${watch.failures.length} of ${watch.asked} requests failed, the address moved ${moves} times, longest gap ${watch.longestGap} ms\n${watch.failures.join('\n')}`,
  );
  return { ...watch, moves };
}

/** The host names that MAAS itself lists, as an administrator sees them. */
async function listed(): Promise<{ readonly regions: readonly string[]; readonly racks: readonly string[] }> {
  const namesOf = (type: number): Promise<readonly string[]> =>
    model.sql(`SELECT hostname FROM maasserver_node WHERE node_type = ${type} ORDER BY hostname`);
  return { regions: await namesOf(3), racks: await namesOf(2) };
}

/** MAAS lists the units that there are and no others, and every rack is connected to every region. */
async function everybodyIsThere(regions: number, racks: number): Promise<void> {
  const there = {
    regions: await model.hostNamesOf('maas-region'),
    racks: await model.hostNamesOf('maas-rack'),
  };
  expect([there.regions.length, there.racks.length]).toEqual([regions, racks]);
  await eventually(90, async () => {
    expect(await listed()).toEqual(there);
    expect(await regionsOf(vip)).toEqual(there.regions);
    await racksAreConnected(model);
  });
}

/** Every region and every rack has the same URL and secret, and every balancer and VRRP router knows exactly the regions. */
async function everybodyAgrees(): Promise<void> {
  for (const [app, file] of [
    ['maas-region', 'regiond.conf'],
    ['maas-rack', 'rackd.conf'],
  ] as const) {
    for (const conf of Object.values(await model.onEach(app, `cat /etc/maas/${file}`)))
      expect(conf).toContain(`"http://${vip}/MAAS"`);
  }
  const secrets = [
    ...Object.values(await model.onEach('maas-region', 'cat /var/lib/maas/secret')),
    ...Object.values(await model.onEach('maas-rack', 'cat /var/lib/maas/secret')),
  ];
  expect(new Set(secrets)).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{32}$/)]));
  const regions = await model.unitsOf('maas-region');
  const addresses = regions.map(({ address }) => address).sort();
  for (const cfg of Object.values(await model.onEach('haproxy', 'cat /etc/haproxy/haproxy.cfg')))
    expect([...new Set(cfg.match(/\d+\.\d+\.\d+\.\d+(?=:5240)/g))].sort()).toEqual(addresses);
  const routers = await model.onEach('keepalived-vip', 'cat /etc/keepalived/keepalived.conf');
  for (const { name, machine } of await model.unitsOf('keepalived-vip')) {
    const own = regions.find((region) => region.machine === machine)?.address;
    const [, peers = ''] = /unicast_peer \{([^}]*)\}/.exec(routers[name] ?? '') ?? [];
    expect(peers.match(/\d+\.\d+\.\d+\.\d+/g)?.sort() ?? []).toEqual(
      addresses.filter((address) => address !== own),
    );
  }
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
    await model.deploy({
      bundle: 'bundle.yaml',
      version: '3.7',
      units: { 'maas-region': 1, 'maas-rack': 1 },
    });
    vip = await model.freeAddress();
    await model.settle(600);
    const [hostname = ''] = await model.hostNamesOf('postgresql');
    prefix = hostname.replace(/^juju-(.*)-\d+$/, 'jl$1');
  });

  test(
    'from one region to five and from one rack to three, no answer is lost',
    async () => {
      const { failures, moves } = await seen('four regions and two racks come', async () => {
        await model.juju('add-unit', 'maas-region', '--num-units', '4');
        await model.juju('add-unit', 'maas-rack', '--num-units', '2');
      });
      expect(failures).toEqual([]);
      expect(moves).toBe(0);
      await everybodyIsThere(5, 3);
      await everybodyAgrees();
    },
    10 * MINUTE,
  );

  test(
    'from five regions to two, the leader and who holds the address among those that go, no answer is lost',
    async () => {
      const regions = await model.unitsOf('maas-region');
      const [holder] = await model.holdersOf(vip);
      const isFirst = ({ isLeader, machine }: (typeof regions)[number]): boolean =>
        isLeader || machine === holder?.machine;
      const leaving = regions
        .toSorted((a, b) => Number(isFirst(b)) - Number(isFirst(a)))
        .slice(0, 3)
        .map(({ name }) => name);
      const { failures, moves } = await seen(`${leaving.join(', ')} go`, () =>
        model.juju('remove-unit', ...leaving, '--no-prompt'),
      );
      // Who goes gives it away on purpose, so that not even the request under way is lost.
      expect(moves).toBeGreaterThanOrEqual(1);
      expect(failures).toEqual([]);
      await everybodyIsThere(2, 3);
      await everybodyAgrees();
    },
    10 * MINUTE,
  );

  test('the database was migrated once, and no hook failed on the way', async () => {
    expect(await model.migrations()).toEqual(['3.7']);
    expect(await model.juju('debug-log', '--replay', '--level', 'ERROR')).toBe('');
  });

  test('only root and MAAS read the configuration', async () => {
    const modes = await model.onEach('maas-region', 'stat -c %a:%U:%G /etc/maas/regiond.conf');
    expect(new Set(Object.values(modes))).toEqual(new Set(['640:root:maas']));
  });

  test('one unit holds the virtual address', async () => {
    expect(await model.holdersOf(vip)).toHaveLength(1);
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
    'named that does not run is started by the next hook, and one that somebody has disabled is left alone',
    async () => {
      const holders = new Set((await model.holdersOf(vip)).map(({ machine }) => machine));
      const regions = await model.unitsOf('maas-region');
      const { name = '', machine = '' } =
        regions.find((unit) => !holders.has(unit.machine)) ?? regions[0] ?? {};
      const namedAfter = async (command: string): Promise<string> => {
        await model.on(machine, command);
        await model.juju('run-hook', name, 'update-status');
        return model.on(machine, 'systemctl is-active named || true');
      };
      expect(await namedAfter('systemctl disable --now named')).toBe('inactive');
      expect(await namedAfter('systemctl enable named')).toBe('active');
      expect((await model.unit(name)).workload).toBe('active');
    },
    3 * MINUTE,
  );

  test(
    'another virtual address: every configuration follows, and no rack restarts',
    async () => {
      const started = await model.onEach('maas-rack', 'systemctl show --property=MainPID maas-rackd');
      const [old, next] = [vip, await model.freeAddress(201)];
      await model.juju('config', 'keepalived-vip', `vip=${next}`);
      await eventually(120, async () => {
        expect(await regionsOf(next)).toHaveLength(2);
        expect(await model.holdersOf(old)).toEqual([]);
        const files = [
          ...Object.values(await model.onEach('maas-region', 'cat /etc/maas/regiond.conf')),
          ...Object.values(await model.onEach('maas-rack', 'cat /etc/maas/rackd.conf')),
        ];
        for (const text of files) expect(text).toContain(`"http://${next}/MAAS"`);
      });
      vip = next;
      await model.settle();
      expect(await model.onEach('maas-rack', 'systemctl show --property=MainPID maas-rackd')).toEqual(
        started,
      );
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
      expect(await regionsOf(vip)).toHaveLength(2);
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
      expect(await regionsOf(vip)).toHaveLength(2);
      await model.juju('remove-relation', 'maas-region:db', 'postgresql:db');
      await model.settle();
    },
    3 * MINUTE,
  );

  test(
    'the holder of the virtual address loses power: another machine answers within seconds',
    async () => {
      const [holder] = await model.holdersOf(vip);
      const machine = holder?.machine ?? '';
      const losing = async (): Promise<void> => {
        await model.juju('stop-machine', machine);
        await eventually(30, () => regionsOf(vip));
      };
      // What was under way is lost, and its client gives up after a while.
      const watch = await watching(`http://${vip}/MAAS/rpc/`, losing, 3000);
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
      const { failures, moves } = await seen('a machine comes back', () =>
        model.juju('start-machine', off?.machine ?? ''),
      );
      expect([failures, moves]).toEqual([[], 0]);
      expect(await model.holdersOf(vip)).toHaveLength(1);
      await eventually(60, () => racksAreConnected(model));
    },
    10 * MINUTE,
  );

  test(
    'the database loses power: a standby takes over, and every region follows without a restart',
    async () => {
      const old = await model.unit('postgresql/0');
      await model.juju('add-unit', 'postgresql', '-n', '2');
      await model.settle();
      const standbys = (await model.unitsOf('postgresql')).filter(({ name }) => name !== old.name);
      expect(standbys.map(({ message }) => message)).toEqual(standbys.map(() => `standby of ${old.address}`));
      // Patroni promotes no standby that may lack a write: each has to be a synchronous one first.
      await eventually(60, async () => {
        const roles = (await membersSeenBy([old])).map(({ role }) => role);
        expect(roles.filter((role) => role === 'sync_standby')).toHaveLength(2);
      });
      const regiond =
        'cat /etc/maas/regiond.conf; systemctl show --property=MainPID maas-regiond maas-apiserver';
      const before = await model.onEach('maas-region', regiond);
      await model.juju('stop-machine', old.machine);
      const primary = await eventually(60, async () => {
        const unit = (await model.unitsOf('postgresql')).find(
          ({ name, message }) => name !== old.name && message === 'Primary',
        );
        if (!unit) throw new Error('no standby has taken over');
        return unit;
      });
      // Each region sees by itself who writes: long before Juju gives up the leader that is gone.
      await eventually(30, async () => {
        expect(await regionsOf(vip)).toEqual(await model.hostNamesOf('maas-region'));
        await racksAreConnected(model);
      });
      await eventually(180, async () => {
        for (const unit of await model.unitsOf('maas-region'))
          expect(unit.message).toContain(`writes to ${primary.name} since`);
      });
      expect(await model.onEach('maas-region', regiond)).toEqual(before);
      // The one of before has to learn that it is not the primary any more.
      await model.juju('start-machine', old.machine);
      await eventually(120, async () =>
        expect((await model.unit(old.name)).message).toBe(`standby of ${primary.address}`),
      );
      await model.settle();
      expect(await model.migrations()).toEqual(['3.7']);
      expect(await regionsOf(vip)).toEqual(await model.hostNamesOf('maas-region'));
    },
    8 * MINUTE,
  );

  test('no secret is in a databag, a status, a log line or the arguments of a command of MAAS', async () => {
    const [secret = ''] = Object.values(await model.onEach('maas-region', 'cat /var/lib/maas/secret'));
    const [conf = ''] = Object.values(await model.onEach('maas-region', 'cat /etc/maas/regiond.conf'));
    const password = /database_pass: "(.+)"/.exec(conf)?.[1] ?? '';
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    expect(password).not.toBe('');
    const shown = await model.shown();
    const isStandIn = (await model.sourceOf('3.7')) !== '';
    expect(shown.some((text) => text.includes('maas-region local_config_get'))).toBe(isStandIn);
    for (const text of shown) {
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
