// A rack on a region's machine, and what options make of a MAAS, on machines: the tests build on each other.
import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { describeOnMachines } from '../machines.ts';
import { eventually } from './client.ts';
import { deployed, MINUTE, racksAreConnected } from './deployed.ts';
import { charmFile, EXTENSIONS, LocalModel, type UnitStatus } from './model.ts';

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
    await model.deployRackBesideRegion(await model.sourceOf('3.7'), EXTENSIONS);
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
      await model.juju('run', 'maas-region/leader', 'rotate-secret', '--wait=10m');
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

  test(
    'a rack that somebody installs by hand is left alone until adopt, and keeps who it is',
    async () => {
      const { machine } = await model.unit('maas-region/0');
      const files = (): Promise<string> =>
        model.on(machine, 'cd /var/lib/maas; cat maas_id; echo; cat secret; echo; cat /etc/maas/rackd.conf');
      await model.on(machine, 'apt-get install -y -q maas-rack-controller');
      await model.on(machine, "echo 'cluster_uuid: f00' >>/etc/maas/rackd.conf");
      const before = await files();
      await model.juju('add-unit', 'maas-rack', '--to', machine);
      const joined = async (): Promise<UnitStatus> => {
        const [unit] = await model.unitsOf('maas-rack');
        if (!unit) throw new Error('it has not come yet');
        return unit;
      };
      await eventually(120, async () =>
        expect((await joined()).message).toMatch(/^MAAS was installed here by hand: run the action adopt/),
      );
      expect(await files()).toBe(before);
      const { name } = await joined();
      expect(await model.action(name, 'adopt')).toContain('adopted');
      await model.settle();
      await eventually(60, async () => {
        await model.juju('run-hook', name, 'update-status');
        expect((await joined()).message).toBe('connected to 2 of 2 regions, MAAS 3.7');
      });
      const after = await files();
      // The region on this machine has the same identity and the same secret.
      expect(after.split('\n').slice(0, 2)).toEqual(before.split('\n').slice(0, 2));
      expect(after).toContain('cluster_uuid: "f00"');
    },
    5 * MINUTE,
  );

  test(
    'a region that somebody installed by hand is adopted with its data, as docs/how-to/existing-machines.md has it',
    async () => {
      const { machine } = await model.unit('postgresql/0');
      const psql = (database: string): string => `runuser -u postgres -- psql -qAt -d ${database}`;
      for (const line of [
        'echo "deb [trusted=yes] file:/srv/maas-apt/3.7 ./" >/etc/apt/sources.list.d/maas.list',
        'apt-get update -q && apt-get install -y -q maas-region-api',
        `${psql('postgres')} -c "CREATE ROLE maas LOGIN PASSWORD 'by-hand'" -c 'CREATE DATABASE byhand OWNER maas'`,
        `${psql('byhand')} -c 'CREATE EXTENSION btree_gin' -c 'CREATE EXTENSION pgcrypto'`,
        'maas-region local_config_set --database-host localhost --database-name byhand --database-user maas --database-pass by-hand --maas-url http://localhost:5240/MAAS',
        'maas-region dbupgrade && maas-region createadmin --username by-hand --password p --email by-hand@example.com',
        'echo "foreign_key: theirs" >>/etc/maas/regiond.conf && systemctl start maas-regiond',
      ])
        await model.on(machine, line);
      const identity = (): Promise<string> =>
        model.on(machine, 'cat /var/lib/maas/maas_id /var/lib/maas/secret');
      await eventually(60, identity);
      const before = await identity();

      const source = await model.sourceOf('3.7');
      const options = [`source=${source}`, 'database-name=handdb'].flatMap((option) => ['--config', option]);
      await model.juju('deploy', charmFile('maas-region'), 'hand', '--to', machine, ...options);
      await model.juju('integrate', 'hand:database', 'postgresql:database');
      await eventually(120, async () => {
        expect((await model.unit('hand/0')).message).toMatch(
          /^MAAS was installed here by hand: run .* adopt/,
        );
        expect(await model.on(machine, `${psql('postgres')} -l`)).toContain('handdb');
      });
      await model.on(machine, 'systemctl stop maas-regiond; rm /etc/apt/sources.list.d/maas.list');
      await model.on(
        machine,
        `cd /tmp && runuser -u postgres -- pg_dump --no-owner --no-privileges byhand >maas.sql && ${psql('handdb')} <<'EOF'
SELECT format('SET ROLE %I', pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database() \\gexec
\\i maas.sql
EOF`,
      );
      expect(await model.action('hand/0', 'adopt')).toContain('adopted');
      await model.settle();
      expect((await model.unit('hand/0')).message).toMatch(/^serves http:/);
      expect(await identity()).toBe(before);
      expect(await model.on(machine, 'cat /etc/maas/regiond.conf')).toContain('foreign_key: "theirs"');
      expect(await model.on(machine, 'maas-region apikey --username by-hand')).toMatch(/^\w+:\w+:\w+$/);
    },
    8 * MINUTE,
  );

  test(
    'a region goes, whose packages take the DNS of both along, and the rack beside it has its own again',
    async () => {
      const [rack] = await model.unitsOf('maas-rack');
      const region = (await model.unitsOf('maas-region')).find(({ machine }) => machine === rack?.machine);
      if (!rack || !region) throw new Error(await model.juju('status'));
      const named =
        'named-checkconf; systemctl is-active named || journalctl --unit named --lines 60 --no-pager';
      expect(await model.on(rack.machine, named)).toBe('active');
      await model.juju('add-unit', 'maas-rack');
      await model.juju('remove-unit', region.name, '--no-prompt');
      await eventually(180, async () => {
        expect((await model.unitsOf('maas-region')).map(({ name }) => name)).not.toContain(region.name);
      });
      await model.settle();
      expect(await model.on(rack.machine, named)).toBe('active');
      expect(await model.on(rack.machine, 'stat --format %U /etc/bind/maas/named.conf.maas')).toBe('maas');
      expect(await model.on(rack.machine, 'grep -h bind/maas /etc/bind/named.conf.local')).toContain(
        'include',
      );
    },
    6 * MINUTE,
  );

  test(
    'a region comes to a rack that was there first, and serves as the same controller',
    async () => {
      const rack = (await model.unitsOf('maas-rack')).at(-1);
      if (!rack) throw new Error(await model.juju('status'));
      const read = (path: string): Promise<string> => model.on(rack.machine, `cat /var/lib/maas/${path}`);
      const before = [await read('maas_id'), await read('secret')];
      // As who registers a rack by hand leaves it: root's, whom regiond does not run as.
      const byHand =
        'cd /var/lib/maas; secret=$(cat secret); rm secret; echo "$secret" | maas-rack install-shared-secret';
      await model.on(rack.machine, byHand);
      await model.juju('add-unit', 'maas-region', '--to', rack.machine);
      await model.settle();
      const region = (await model.unitsOf('maas-region')).find(({ machine }) => machine === rack.machine);
      expect(region?.message).toMatch(/^serves http:/);
      expect([await read('maas_id'), await read('secret')]).toEqual(before);
      await eventually(60, () => racksAreConnected(model));
    },
    6 * MINUTE,
  );
});
