// The two subordinates on a small web server, without MAAS, and a CA: what a user does to them, and what clients see.
// The tests build on each other.
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually, secure, watching } from './client.ts';
import { deployed, MINUTE } from './deployed.ts';
import { charmFile, LocalModel, type UnitStatus } from './model.ts';

const VIP6 = 'fd09::c8';
const model = new LocalModel('test-vip');
let vip: string;

async function deploy(): Promise<void> {
  const bundle = {
    applications: {
      web: { charm: charmFile('web'), num_units: 3 },
      ca: { charm: charmFile('self-signed-certificates'), num_units: 1 },
      haproxy: { charm: charmFile('haproxy') },
      'keepalived-vip': { charm: charmFile('keepalived-vip'), options: { vip } },
    },
    relations: [
      ['web:juju-info', 'haproxy:juju-info'],
      ['web:api', 'haproxy:reverseproxy'],
      ['web:juju-info', 'keepalived-vip:juju-info'],
      ['haproxy:vip', 'keepalived-vip:vip'],
      ['haproxy:certificates', 'ca:certificates'],
    ],
  };
  await model.deployBundle(bundle);
}

async function holder(address = vip): Promise<UnitStatus> {
  const [one, ...more] = await model.holdersOf(address);
  if (!one || more.length > 0) throw new Error(`${more.length + (one ? 1 : 0)} units hold ${address}`);
  return one;
}

describeOnMachines('haproxy and keepalived-vip on any principal', () => {
  deployed(model, async () => {
    await model.juju('add-model', model.name);
    vip = await model.freeAddress();
    await deploy();
    await model.settle(400);
  });

  test('one unit holds the address, behind which every server answers', async () => {
    expect(await model.juju('debug-log', '--replay', '--level', 'ERROR')).toBe('');
    await holder();
    expect(await (await fetch(`http://${vip}/`)).text()).toMatch(/^web\/\d http\n$/);
    for (const { name } of await model.unitsOf('haproxy'))
      await eventually(30, async () => {
        // What it says is of its last hook, when a server may not have answered its first check yet.
        await model.juju('run-hook', name, 'update-status');
        expect((await model.unit(name)).message).toMatch(/^3 of 3 backends up/);
      });
  });

  test('a reload of the firewall of the machine leaves the filter in its place', async () => {
    const { machine } = await holder();
    await model.on(machine, 'systemctl start nftables.service');
    expect(await model.on(machine, 'nft list table inet keepalived-vip')).toContain('ip ttl != 255 drop');
    await model.on(machine, 'nft delete table inet keepalived-vip; systemctl reload nftables.service');
    expect(await model.on(machine, 'nft list table inet keepalived-vip')).toContain('ip ttl != 255 drop');
    await model.on(machine, 'systemctl stop nftables.service');
    expect(await model.on(machine, 'nft list tables')).toContain('table inet keepalived-vip');
  });

  test(
    'a second keepalived-vip on the same machines names the first, and touches nothing, also as it goes',
    async () => {
      const before = await holder();
      const files = (): Promise<string> =>
        model.on(before.machine, 'cat /etc/keepalived/* | sha256sum; systemctl show keepalived -p MainPID');
      const seen = await files();
      await model.juju('deploy', charmFile('keepalived-vip'), 'second');
      await model.juju('config', 'second', `vip=${await model.freeAddress(202)}`);
      await model.juju('integrate', 'second:juju-info', 'web:juju-info');
      await eventually(120, async () => {
        const units = await model.unitsOf('second');
        expect(units).toHaveLength(3);
        for (const { message } of units)
          expect(message).toMatch(/^keepalived-vip\/\d has keepalived on this machine/);
      });
      await model.juju('remove-application', 'second', '--no-prompt');
      await eventually(120, async () => expect(await model.unitsOf('second')).toEqual([]));
      expect(await files()).toBe(seen);
      expect((await holder()).name).toBe(before.name);
    },
    6 * MINUTE,
  );

  test(
    'a second haproxy on the same machines names the first, and touches nothing, also as it goes',
    async () => {
      const units = await model.unitsOf('haproxy');
      const files = (): Promise<readonly string[]> =>
        Promise.all(
          units.map(({ machine }) =>
            model.on(
              machine,
              'find /etc/haproxy -type f | sort | xargs sha256sum; systemctl show haproxy -p MainPID; dpkg-query -W haproxy',
            ),
          ),
        );
      const seen = await files();
      await model.juju('deploy', charmFile('haproxy'), 'second-haproxy');
      await model.juju('config', 'second-haproxy', 'port=8080');
      await model.juju('integrate', 'second-haproxy:juju-info', 'web:juju-info');
      await model.juju('integrate', 'second-haproxy:reverseproxy', 'web:api');
      await eventually(120, async () => {
        const second = await model.unitsOf('second-haproxy');
        expect(second).toHaveLength(3);
        for (const { workload, message } of second) {
          expect(workload).toBe('blocked');
          expect(message).toMatch(/^haproxy\/\d looks after the HAProxy of this machine/);
        }
      });
      expect(await files()).toEqual(seen);
      await model.juju('remove-application', 'second-haproxy', '--no-prompt');
      await eventually(120, async () => expect(await model.unitsOf('second-haproxy')).toEqual([]));
      expect(await files()).toEqual(seen);
      expect(await (await fetch(`http://${vip}/`)).text()).toMatch(/^web\/\d http\n$/);
    },
    6 * MINUTE,
  );

  test('HTTPS is served there with a certificate of the CA', async () => {
    expect(await secure(`https://${vip}/`, model.authority())).toMatch(/^web\/\d https\n$/);
    // On every unit, with a key of its own.
    for (const { address } of await model.unitsOf('haproxy'))
      expect(await secure(`https://${address}/`, model.authority())).toMatch(/https/);
    expect(model.relations().join('\n')).not.toContain('PRIVATE KEY');
  });

  test(
    'two options with one port are refused, and what served goes on, also when HAProxy starts anew',
    async () => {
      const machines = (await model.unitsOf('haproxy')).map(({ machine }) => machine);
      const configs = (): Promise<readonly string[]> =>
        Promise.all(machines.map((machine) => model.on(machine, 'sha256sum /etc/haproxy/haproxy.cfg')));
      const before = await configs();
      await model.juju('config', 'haproxy', 'port=443');
      await eventually(60, async () => {
        for (const { workload, message } of await model.unitsOf('haproxy')) {
          expect(workload).toBe('blocked');
          expect(message).toMatch(/^port=443 is not applied: /);
        }
      });
      for (const machine of machines) await model.on(machine, 'systemctl restart haproxy.service');
      for (const { address } of await model.unitsOf('haproxy')) {
        await eventually(10, async () =>
          expect(await (await fetch(`http://${address}/`)).text()).toMatch(/^web\/\d http\n$/),
        );
        expect(await secure(`https://${address}/`, model.authority())).toMatch(/https/);
      }
      expect(await configs()).toEqual(before);
      await model.juju('config', 'haproxy', '--reset', 'port');
      await model.settle();
      expect(await configs()).toEqual(before);
    },
    3 * MINUTE,
  );

  test(
    'another CA: its certificate is taken, and no client notices',
    async () => {
      const before = model.authority();
      const seen = await watching(`http://${vip}/`, async () => {
        await model.juju('config', 'ca', 'ca-common-name=another');
        await eventually(30, () => {
          expect(model.authority()).not.toBe(before);
          return secure(`https://${vip}/`, model.authority());
        });
      });
      expect(seen.failures).toEqual([]);
      await expect(secure(`https://${vip}/`, before)).rejects.toThrow();
    },
    MINUTE,
  );

  test(
    'release-vip gives it to another unit, no client notices, and every unit knows',
    async () => {
      const before = await holder();
      const seen = await watching(`http://${vip}/`, async () => {
        await model.juju('run', before.name, 'release-vip');
      });
      expect(seen.failures).toEqual([]);
      const after = await eventually(10, () => holder());
      expect(after.name).not.toBe(before.name);
      for (const { name } of await model.unitsOf('keepalived-vip')) {
        await eventually(30, async () => {
          expect(await model.juju('run', name, 'show-owner')).toContain(`${vip} ${after.name} 20`);
        });
      }
      // The action asks Juju anew; the status is of the hook that follows.
      await eventually(30, async () => {
        const messages = (await model.unitsOf('keepalived-vip')).map(({ message }) => message);
        expect(messages.filter((message) => message.startsWith(`holds ${vip} since`))).toHaveLength(1);
        expect(messages.filter((message) => message.startsWith(`${vip} is on ${after.name}`))).toHaveLength(
          2,
        );
      });
    },
    MINUTE,
  );

  test(
    'two that cannot hear each other both hold it, and say so; then one does',
    async () => {
      const before = await holder();
      // Adverts alone are cut off: clients, and Juju, still reach every machine.
      const chain = '{ type filter hook prerouting priority -400; }';
      await model.on(
        before.machine,
        `nft 'add table inet cut; add chain inet cut incoming ${chain}; add rule inet cut incoming meta l4proto 112 drop;` +
          ` add chain inet cut outgoing ${chain.replace('prerouting', 'output')}; add rule inet cut outgoing meta l4proto 112 drop'`,
      );
      const other = await eventually(10, async () => {
        const [second, ...more] = (await model.holdersOf(vip)).filter(({ name }) => name !== before.name);
        expect(more).toEqual([]);
        if (!second) throw new Error('nobody else took it');
        return second;
      });
      await eventually(30, async () => {
        expect((await model.unit(before.name)).message).toMatch(
          new RegExp(`^holds ${vip}, and so does ${other.name}: they cannot hear each other$`),
        );
        expect((await model.unit(other.name)).message).toMatch(`holds ${vip} since`);
      });
      await model.on(before.machine, 'nft delete table inet cut');
      const { name } = await eventually(2, () => holder());
      await eventually(30, async () => {
        const messages = (await model.unitsOf('keepalived-vip')).map(({ message }) => message);
        expect(messages.filter((message) => message.startsWith(`holds ${vip} since`))).toHaveLength(1);
        expect(messages.filter((message) => message.startsWith(`${vip} is on ${name} since`))).toHaveLength(
          2,
        );
        expect(messages.join()).not.toContain('cannot hear');
      });
    },
    MINUTE,
  );

  test(
    'VRRP version 2, with a password that all units share',
    async () => {
      await model.juju('config', 'keepalived-vip', 'vrrp-version=2', 'advert-interval=1');
      await model.settle();
      const units = await model.unitsOf('keepalived-vip');
      const files = await Promise.all(
        units.map(({ machine }) =>
          model.on(
            machine,
            'stat -c %a /etc/keepalived/keepalived.conf; cat /etc/keepalived/keepalived.conf',
          ),
        ),
      );
      const passwords = files.map((file) => {
        expect(file).toMatch(/^600\n/);
        return /auth_type PASS\n\s*auth_pass (\S{8})\n/.exec(file)?.[1] ?? 'none';
      });
      const [password = ''] = passwords;
      expect(passwords).toEqual(units.map(() => password));
      expect(password).not.toBe('none');
      expect(model.relations().join('\n')).not.toContain(password);
      // They heed each other: one holder, and another as soon as that one lets go.
      const before = await eventually(10, () => holder());
      expect(await model.action(before.name, 'release-vip')).toContain(`released: ${vip}`);
      expect((await eventually(10, () => holder())).name).not.toBe(before.name);
      await model.juju('config', 'keepalived-vip', '--reset', 'vrrp-version,advert-interval');
      await model.settle();
      await eventually(10, () => holder());
    },
    6 * MINUTE,
  );

  test(
    'an address that another machine has is not taken',
    async () => {
      const taken = await model.freeAddress(201);
      const { machine } = await model.unit('ca/0');
      await model.on(machine, `ip address add ${taken}/24 dev eth0`);
      const { name } = await holder();
      await model.juju('config', 'keepalived-vip', `vip=${vip} ${taken}`);
      await eventually(60, async () => {
        for (const unit of await model.unitsOf('keepalived-vip'))
          expect(unit.message).toMatch(`vip=${taken} is in use by machine `);
      });
      expect((await holder()).name).toBe(name);
      await model.on(machine, `ip address delete ${taken}/24 dev eth0`);
      await model.juju('config', 'keepalived-vip', `vip=${vip}`);
      await model.settle();
    },
    6 * MINUTE,
  );

  test(
    'a unit takes the place of one whose machine is lost, another goes, and no request is lost',
    async () => {
      const { machine, name: owner } = await holder();
      const [goes, lost] = (await model.unitsOf('web')).filter((unit) => unit.machine !== machine);
      if (!goes || !lost) throw new Error('there were three');
      await model.juju('stop-machine', lost.machine);
      const balancer = (await model.unitsOf('haproxy')).find((unit) => unit.machine === machine)?.name ?? '';
      await eventually(20, async () => {
        expect(await model.action(balancer, 'show-backends')).toMatch('DOWN');
      });
      const routers = await model.unitsOf('keepalived-vip');
      const before = routers.map(({ name }) => name);
      const silent = routers.find((unit) => unit.machine === lost.machine)?.name ?? '';
      const joined = async (): Promise<UnitStatus> => {
        const found = (await model.unitsOf('keepalived-vip')).find(({ name }) => !before.includes(name));
        if (!found) throw new Error('nobody has joined');
        return found;
      };
      const coming = await watching(`http://${vip}/`, async () => {
        await model.juju('add-unit', 'web');
        // Juju itself does not tell that the other is lost.
        await eventually(180, async () => {
          expect((await joined()).message.split(' to learn of this unit')[0]).toBe(silent);
        });
        await model.juju('run-hook', (await joined()).name, 'update-status');
        await eventually(60, async () => expect((await joined()).message).toMatch(`${vip} is on ${owner} `));
      });
      expect(coming.failures).toEqual([]);
      const going = await watching(`http://${vip}/`, async () => {
        await model.juju('remove-unit', lost.name, '--force', '--no-prompt');
        await model.juju('remove-unit', goes.name, '--no-prompt');
        await model.settle(240);
      });
      expect(going.failures).toEqual([]);
      expect(await model.unitsOf('keepalived-vip')).toHaveLength(2);
    },
    6 * MINUTE,
  );

  test(
    'IPv4 and IPv6 at once',
    async () => {
      for (const [index, { machine }] of (await model.unitsOf('keepalived-vip')).entries())
        await model.on(machine, `ip address add fd09::${index + 1}/64 dev eth0 nodad`);
      await model.juju('config', 'keepalived-vip', `vip=${vip} ${VIP6}`);
      await model.settle(120);
      const { machine } = await holder(VIP6);
      await holder();
      const other = (await model.unitsOf('web')).find((unit) => unit.machine !== machine);
      const ask = `exec 3<>/dev/tcp/${VIP6}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
      expect(await model.on(other?.machine ?? '', `bash -c "${ask.replaceAll('"', '\\"')}"`)).toMatch(
        /web\/\d http/,
      );
    },
    2 * MINUTE,
  );

  test(
    'the relation goes, and so do the addresses and every file',
    async () => {
      const machines = (await model.unitsOf('web')).map(({ machine }) => machine);
      await model.juju('remove-relation', 'keepalived-vip', 'web');
      await eventually(60, async () => expect(await model.unitsOf('keepalived-vip')).toEqual([]));
      for (const machine of machines) {
        const left = await model.on(
          machine,
          'ip -brief address; ls /etc/keepalived /etc/systemd/system/keepalived.service.d /etc/sysctl.d; ! command -v nft',
        );
        expect(left).not.toMatch(/\.200\/|c8\/|keepalived\.conf$|keepalived-vip|60-keepalived/m);
      }
      await model.juju('remove-application', 'haproxy', '--no-prompt');
      await eventually(60, async () => expect(await model.unitsOf('haproxy')).toEqual([]));
      for (const machine of machines)
        expect(await model.on(machine, '! pgrep haproxy && ! ls /etc/haproxy/charm*.pem')).toBe('');
    },
    3 * MINUTE,
  );
});
