// A rack on a region's machine, and what options make of a MAAS, on machines: the tests build on each other.
import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually } from './client.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { charmFile, LocalModel } from './model.ts';

const model = new LocalModel('test-shared');

/** What is on the machine that region and rack have in common. */
const there = async (commandLine: string): Promise<string> =>
  model.on((await model.unit('maas-rack/0')).machine, commandLine);

const SECRET = 'cat /var/lib/maas/secret';
const STARTED = 'systemctl show --property=ActiveEnterTimestampMonotonic --value maas-rackd.service';

async function rackIsConnected(): Promise<void> {
  // What it says is of its last hook.
  await model.juju('run-hook', 'maas-rack/0', 'update-status');
  await racksAreConnected(model);
  const { length } = await model.unitsOf('maas-region');
  expect((await model.unit('maas-rack/0')).message).toBe(
    `connected to ${length} of ${length} regions, MAAS 3.7`,
  );
}

/** A setting as MAAS has it in its database, in JSON. */
function settingOf(name: string): Promise<readonly string[]> {
  return model.sql(`SELECT value FROM maasserver_config WHERE name = '${name}'`);
}

describeOnMachines('a rack on a region’s machine', () => {
  deployed(model, async () => {
    await model.deployRackBesideRegion(await model.sourceOf('3.7'));
    await model.settle(600);
  });

  test(
    'both serve, as one controller, and the rack is connected to both regions',
    async () => {
      await eventually(60, rackIsConnected);
      const listed = await model.juju('run', 'maas-region/leader', 'list-controllers');
      const id = await there('cat /var/lib/maas/maas_id');
      expect(listed.match(new RegExp(id, 'g'))).toHaveLength(2);
    },
    MINUTE,
  );

  test(
    'a region that restarts writes its secret anew, and rackd is not restarted for it',
    async () => {
      const started = await there(STARTED);
      const secret = await there(SECRET);
      await model.juju('config', 'maas-region', 'debug=true');
      await model.settle();
      await model.juju('config', 'maas-rack', 'debug=true');
      await model.settle();
      expect(await there(SECRET)).toBe(secret);
      expect(await there(STARTED)).toBe(started);
      expect(await there("stat -c '%a %G' /var/lib/maas/secret")).toBe('640 maas');
    },
    3 * MINUTE,
  );

  test(
    'a new secret reaches the rack whoever writes it first',
    async () => {
      const before = await there(SECRET);
      await model.juju('run', 'maas-region/leader', 'rotate-secret');
      await model.settle();
      await eventually(60, rackIsConnected);
      expect(await there(SECRET)).not.toBe(before);
      const secrets = await Promise.all(
        (await model.unitsOf('maas-region')).map(({ machine }) => model.on(machine, SECRET)),
      );
      expect(new Set(secrets).size).toBe(1);
    },
    3 * MINUTE,
  );

  test(
    'options become settings of MAAS, and what is set there by hand stays when they go',
    async () => {
      await model.juju(
        'config',
        'maas-region',
        'http-proxy=http://proxy.example.com:3128',
        'upstream-dns=9.9.9.9',
      );
      await model.settle();
      expect(await settingOf('http_proxy')).toEqual(['"http://proxy.example.com:3128/"']);
      expect(await settingOf('upstream_dns')).toEqual(['"9.9.9.9"']);
      await model.juju('config', 'maas-region', 'upstream-dns=dns.example.com');
      await eventually(60, async () =>
        expect((await model.unit('maas-region/0')).message).toContain('dns.example.com is no IP address'),
      );
      await model.juju('config', 'maas-region', '--reset', 'http-proxy,upstream-dns');
      await model.settle();
      expect(await settingOf('http_proxy')).toEqual(['""']);
      expect(await settingOf('upstream_dns')).toEqual(['""']);
    },
    3 * MINUTE,
  );

  test(
    'tls-mode=passthrough: a CA signs, every region serves HTTPS, and racks notice nothing',
    async () => {
      await model.juju('deploy', charmFile('self-signed-certificates'), '--to', '0');
      await model.juju('integrate', 'maas-region:certificates', 'self-signed-certificates:certificates');
      await model.juju('config', 'maas-region', 'tls-mode=passthrough');
      await model.settle();
      const started = await there(STARTED);
      for (const { machine, address } of await model.unitsOf('maas-region')) {
        const asking = `python3 -c "import ssl, urllib.request as r; print(r.urlopen('https://${address}:5443/MAAS/api/2.0/version/', context=ssl._create_unverified_context()).read().decode())"`;
        await eventually(60, async () =>
          expect(await model.on(machine, asking)).toContain('"version": "3.7.0"'),
        );
        expect(await model.on(machine, 'ls /run/maas-ha/tls 2>&1 || true')).toContain('No such file');
      }
      await rackIsConnected();
      const [first] = await model.unitsOf('maas-region');
      const pem = await model.on(
        first?.machine ?? '',
        `python3 -c "import ssl; print(ssl.get_server_certificate(('${first?.address}', 5443)))"`,
      );
      expect(new X509Certificate(pem).subjectAltName).toContain(`IP Address:${first?.address}`);
      await model.juju('config', 'maas-region', 'tls-mode=disabled');
      await model.settle();
      await eventually(60, async () =>
        expect(
          (await fetch(`http://${first?.address}:5240/MAAS/api/2.0/version/`, { redirect: 'manual' })).status,
        ).toBe(200),
      );
      expect(await there(STARTED)).toBe(started);
    },
    5 * MINUTE,
  );

  test(
    'the rack goes, and the region keeps what they had in common',
    async () => {
      const { machine } = await model.unit('maas-rack/0');
      const before = await model.on(machine, `${SECRET} /var/lib/maas/maas_id`);
      await model.juju('remove-unit', 'maas-rack/0', '--no-prompt');
      await eventually(120, async () => expect(await model.unitsOf('maas-rack')).toEqual([]));
      await model.settle();
      expect(await model.on(machine, `${SECRET} /var/lib/maas/maas_id`)).toBe(before);
      expect(await model.on(machine, 'systemctl is-active maas-rackd.service || true')).not.toBe('active');
      for (const { message } of await model.unitsOf('maas-region')) expect(message).toMatch(/^serves http:/);
      await eventually(90, async () => {
        const listed = await model.juju('run', 'maas-region/leader', 'list-controllers');
        expect(listed).toMatch(/racks: ['"]?\[\]/);
      });
    },
    5 * MINUTE,
  );
});
