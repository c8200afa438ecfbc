import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { execa } from 'execa';
import { z } from 'zod';
import type { Resource, ServiceResource } from '../../../shared/host/src/index.ts';
import { nspawnMachines } from '../../../shared/juju-local/src/machines/nspawn.ts';

const DIRECTORY = '/var/lib/juju-local/host-test';
const ROOT = join(import.meta.dirname, '../../..');
const SECONDS = 1000;
const machines = nspawnMachines({
  model: 'host-test',
  directory: DIRECTORY,
  mounts: () => [{ host: join(ROOT, `node_modules/node-linux-${process.arch}`), machine: '/opt/node' }],
});
const shared = machines.jujuDirectory('0');

const Answer = z.object({
  changes: z.array(z.object({ what: z.string(), how: z.string() })),
  error: z.object({ code: z.string(), remedy: z.string(), message: z.string() }).optional(),
});

/** A resource on its way to the machine, where its function is a command. */
type Sent = Resource | (Omit<ServiceResource, 'stop'> & { readonly stop: readonly string[] });

const apply = (...resources: readonly Sent[]): Promise<z.infer<typeof Answer>> => drive(resources);

async function drive(asked: object): Promise<z.infer<typeof Answer>> {
  const { stdout, stderr } = await machines.run('0', ['/opt/node/bin/node', '/var/lib/juju/driver.cjs'], {
    stdin: JSON.stringify(asked),
  });
  if (stdout === '') throw new Error(stderr);
  return Answer.parse(JSON.parse(stdout));
}

async function sh(script: string): Promise<string> {
  const { stdout, stderr } = await machines.run('0', ['sh', '-c', script]);
  return (stdout + stderr).trim();
}

/** A package with a service that says its configuration to the journal, and dies of the word `bad`; and one that it needs. */
async function makeArchive(): Promise<void> {
  await mkdir(join(shared, 'archive'), { recursive: true });
  const entries = [
    await makePackage('greeter', 'Depends: greeter-words, greeter-base\n', {
      'lib/systemd/system/greeter.service': `[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'cat /etc/greeting; ! grep bad /etc/greeting || exit 1; systemd-notify --ready; exec sleep infinity'
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
`,
    }),
    await makePackage('greeter-words', '', { 'usr/share/greeter/words': 'hello\n' }),
    await makePackage('greeter-base', 'Priority: important\n', {}),
    await makePackage('guest', 'Depends: greeter\n', {}),
  ];
  await writeFile(join(shared, 'archive/Packages'), entries.join('\n'));
}

/** Puts a package into the archive, and returns its entry there. */
async function makePackage(
  name: string,
  fields: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const tree = join(shared, name);
  const control = `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Tests <tests@example.com>\nDescription: greets\n${fields}`;
  for (const [path, content] of Object.entries({ ...files, 'DEBIAN/control': control })) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content);
  }
  const deb = join(shared, `archive/${name}.deb`);
  await execa('dpkg-deb', ['--root-owner-group', '--build', tree, deb]);
  const bytes = await readFile(deb);
  const digest = createHash('sha256').update(bytes).digest('hex');
  return `${control}Filename: ./${name}.deb\nSize: ${bytes.length}\nSHA256: ${digest}\n`;
}

beforeAll(async () => {
  await machines.prepare(() => undefined);
  await machines.start('0');
  await build({
    entryPoints: [join(import.meta.dirname, 'driver.ts')],
    outfile: join(shared, 'driver.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  await makeArchive();
  await sh('apt-get install -y -q libatomic1'); // what Node itself needs
  await cp(join(import.meta.dirname, 'signed-archive'), join(shared, 'signed'), { recursive: true });
}, 180 * SECONDS);

afterAll(async () => {
  await machines.destroy();
  await rm(DIRECTORY, { recursive: true, force: true });
}, 30 * SECONDS);

const source = (text: string): Resource => ({ kind: 'source', name: 'test', source: text });
const packages: Resource = { kind: 'packages', names: ['greeter'] };
const greeting = (content: string): Resource => ({
  kind: 'file',
  path: '/etc/greeting',
  content,
  mode: 0o644,
});
const greeter: Extract<Resource, { kind: 'service' }> = {
  kind: 'service',
  name: 'greeter',
  state: 'running',
  enabled: true,
  after: ['/etc/greeting'],
};
/** A key of signed-archive, whose InRelease `key.asc` has signed. */
const key = (name: string): Promise<string> =>
  readFile(join(import.meta.dirname, 'signed-archive', name), 'utf8');
const GOOD = 'deb [trusted=yes] file:/var/lib/juju/archive ./';
const whole = [source(GOOD), packages, greeting('hello\n'), greeter] as const;
const pid = (): Promise<string> => sh('systemctl show --property=MainPID --value greeter');
const listed = (): Promise<string> => sh('cat /etc/apt/sources.list.d/test.sources');

describe('on a machine', () => {
  test('a package from a source of its own, its file and its service come about, once', async () => {
    expect((await apply(packages)).error).toEqual({
      code: 'apt',
      remedy: 'user',
      message: 'no source of this machine has the package greeter: set source= to one that has',
    });
    expect((await apply(...whole)).changes.map(({ what, how }) => [what, how.split('\n')[0]])).toEqual([
      ['source:test', `set to ${GOOD}`],
      ['packages:greeter', 'installed greeter'],
      ['file:/etc/greeting', ''],
      ['service:greeter', 'started, enabled'],
    ]);
    const traces =
      'stat -c %y:%i /etc/greeting /var/log/apt/history.log /var/lib/apt/lists /var/lib/host-test/*';
    const before = [await pid(), await sh(traces)];
    expect(await apply(...whole)).toEqual({ changes: [] });
    expect([await pid(), await sh(traces)]).toEqual(before);
    expect(await sh('systemctl is-active greeter; systemctl is-enabled greeter')).toBe('active\nenabled');
  }, 60_000);

  test('a held package counts as installed', async () => {
    await sh('apt-mark hold greeter');
    expect(await apply(packages)).toEqual({ changes: [] });
    await sh('apt-mark unhold greeter');
  });

  test('a changed file restarts its service, or reloads it, also when a crash came between the two', async () => {
    const first = await pid();
    await apply(greeting('good day\n'));
    expect((await apply(greeting('good day\n'), greeter)).changes).toEqual([
      { what: 'service:greeter', how: 'restarted' },
    ]);
    const second = await pid();
    expect(second).not.toBe(first);
    const reloading: Resource = { ...greeter, onChange: 'reload' };
    expect((await apply(greeting('hello\n'), reloading)).changes.at(-1)?.how).toBe('reloaded');
    expect(await pid()).toBe(second);
  });

  test('a service that died is started again, and one that was masked too', async () => {
    await sh('systemctl kill --signal=KILL greeter; sleep 0.2');
    expect((await apply(greeter)).changes).toEqual([{ what: 'service:greeter', how: 'started' }]);
    await sh('systemctl mask --now greeter');
    expect((await apply(greeter)).changes[0]?.how).toContain('started');
    expect(await sh('systemctl is-active greeter')).toBe('active');
    expect(await apply(greeter)).toEqual({ changes: [] });
  });

  test('one that has to be killed is stopped once, and no failure; settings for it leave no folder behind', async () => {
    const folder = '/etc/systemd/system/stubborn.service.d';
    const stopped = { kind: 'service', name: 'stubborn', state: 'stopped', enabled: false } as const;
    const settings = `${folder}/quick.conf`;
    await sh(`cat >/etc/systemd/system/stubborn.service <<'END'
[Service]
ExecStart=/bin/sh -c 'trap "" TERM; while true; do sleep 1; done'
END`);
    await apply({ kind: 'file', path: settings, content: '[Service]\nTimeoutStopSec=1\n', mode: 0o644 });
    await sh('systemctl daemon-reload; systemctl start stubborn');
    expect((await apply(stopped)).changes).toEqual([{ what: 'service:stubborn', how: 'stopped' }]);
    expect(await sh('systemctl is-failed stubborn')).toBe('inactive');
    expect((await apply(stopped)).changes).toEqual([]);
    await sh(`touch ${folder}/other.conf`);
    await apply({ kind: 'absent-file', path: settings });
    expect(await sh(`ls ${folder}`)).toBe('other.conf');
    await apply({ kind: 'absent-file', path: `${folder}/other.conf` });
    expect(await sh(`ls -d ${folder} 2>/dev/null || echo gone`)).toBe('gone');
    await sh('rm /etc/systemd/system/stubborn.service; systemctl daemon-reload');
  });

  test('what a service said when it did not start is told, and the right file mends it', async () => {
    const { error } = await apply(greeting('bad\n'), greeter);
    expect(error).toMatchObject({ code: 'service', remedy: 'retry' });
    expect(error?.message).toMatch(/^greeter did not restart: .*bad/);
    expect((await apply(greeting('hello\n'), greeter)).error).toBeUndefined();
    expect(await sh('systemctl is-active greeter')).toBe('active');
  });

  test('restarting often is no failure', async () => {
    for (const n of [1, 2, 3, 4, 5, 6, 7]) {
      expect((await apply(greeting(`hello ${n}\n`), greeter)).error).toBeUndefined();
    }
  }, 30_000);

  test.each([
    ['file:/nowhere ./', 'apt cannot use file:/nowhere ./'],
    ['file:/var/lib/juju/archive ./', 'apt cannot use file:/var/lib/juju/archive ./'],
    [`[trusted=yes check-date=no] file:/var/lib/juju/archive ./`, 'the option [check-date]'],
  ])('a source that cannot be used leaves the one before it: %s', async (line, message) => {
    const before = await listed();
    const { error } = await apply(source(`deb ${line}`));
    expect(error).toMatchObject({ code: 'source', remedy: 'user' });
    expect(error?.message).toContain(message);
    expect(await listed()).toBe(before);
    expect(await apply(...whole.slice(0, 2))).toEqual({ changes: [] });
  });

  test('a source that is in conflict with another is taken away again', async () => {
    const before = await listed();
    await sh("echo 'deb [trusted=yes] file:/var/lib/juju/signed ./' >/etc/apt/sources.list.d/other.list");
    await sh(
      "sed -i 's/trusted=yes/signed-by=\\/var\\/lib\\/juju\\/signed\\/key.asc/' /etc/apt/sources.list.d/other.list",
    );
    const { error } = await apply(source(`deb file:/var/lib/juju/signed ./\n${await key('key.asc')}`));
    expect(error?.message).toMatch(/Conflicting values set for option Signed-By/);
    expect(await listed()).toBe(before);
    await sh('rm /etc/apt/sources.list.d/other.list');
    expect(await sh('apt-get indextargets >/dev/null && echo fine')).toBe('fine');
  });

  test('a signed source needs the key that it is signed with', async () => {
    const line = 'deb file:/var/lib/juju/signed ./';
    const { error } = await apply(source(`${line}\n${await key('other-key.asc')}`));
    expect(error).toMatchObject({ code: 'source', remedy: 'user' });
    expect(error?.message).toContain('NO_PUBKEY');
    const { changes } = await apply(source(`${line}\n${await key('key.asc')}`));
    expect(changes).toEqual([{ what: 'source:test', how: `set to ${line}` }]);
  });

  test('a source that a crash left unread is taken away again when it cannot be used', async () => {
    await sh(
      "printf 'Types: deb\\nURIs: file:/nowhere\\nSuites: ./\\n' >/etc/apt/sources.list.d/test.sources",
    );
    expect((await apply(source('deb file:/nowhere ./'))).error?.code).toBe('source');
    expect(await sh('ls /etc/apt/sources.list.d/test.sources')).toContain('No such file');
    expect((await apply(source(GOOD))).error).toBeUndefined();
  });

  test('a PPA is refused where there are none', async () => {
    const { error } = await apply(source('ppa:maas/3.7'));
    expect(error).toMatchObject({ code: 'source', remedy: 'user' });
  });

  test('what an interrupted dpkg left is finished', async () => {
    await sh('apt-get remove -y greeter; dpkg --unpack /var/lib/juju/archive/greeter.deb');
    // What dpkg had not yet merged into its database when the power went.
    await sh('dpkg-query --status greeter >/var/lib/dpkg/updates/0000; systemctl daemon-reload');
    expect(await sh('apt-get install -y greeter')).toContain('dpkg was interrupted');
    expect((await apply(packages)).error).toBeUndefined();
    expect(await sh("dpkg-query --show --showformat='${db:Status-Abbrev}' greeter")).toBe('ii');
  }, 30_000);

  test('kernel parameters count at once and after a boot; modules are the affair of the container’s host', async () => {
    const sysctl: Resource = {
      kind: 'sysctl',
      name: '60-test',
      values: { 'net.ipv4.ip_nonlocal_bind': '1', 'net.ipv4.ip_local_port_range': '32000 60000' },
    };
    expect((await apply(sysctl)).changes).toHaveLength(1);
    expect(await sh('cat /proc/sys/net/ipv4/ip_nonlocal_bind')).toBe('1');
    expect(await sh('cat /etc/sysctl.d/60-test.conf')).toContain('net.ipv4.ip_nonlocal_bind = 1');
    expect(await apply(sysctl, { kind: 'kernel-module', name: 'ip_vs' })).toEqual({ changes: [] });
    const refused = await apply({ kind: 'sysctl', name: '60-none', values: { 'net.ipv4.no_such': '1' } });
    expect(refused.error?.message).toContain('this machine does not let net.ipv4.no_such be 1');
  });

  test('a command is run once, later; a timer replaces a waiting one of its name', async () => {
    const say = (word: string, delay: number | null) =>
      drive({ schedule: ['later', delay, ['/bin/sh', '-c', `echo ${word} >>/run/later`]] });
    await say('first', 600);
    await say('second', 2);
    await sh('for i in $(seq 100); do [ -e /run/later ] && break; sleep 0.1; done; sleep 0.5');
    expect(await sh('cat /run/later; systemctl list-timers --all --plain | grep -c later')).toBe('second\n0');
    await say('third', 1);
    await sh('for i in $(seq 100); do grep -q third /run/later && break; sleep 0.1; done');
    expect(await sh('cat /run/later')).toBe('second\nthird');
    const timers = (): Promise<string> => sh('systemctl list-timers --all --plain | grep -c later');
    await say('fourth', 600);
    expect(await timers()).toBe('1');
    await say('', null);
    expect(await timers()).toBe('0');
  });

  test('a user comes and goes with the charm; one that was there before stays', async () => {
    const user: Resource = { kind: 'user', name: 'greeter', home: '/srv/greeter', groups: ['adm', 'tty'] };
    expect((await apply(user)).changes).toEqual([{ what: 'user:greeter', how: 'made, added to adm, tty' }]);
    expect(await sh('getent passwd greeter')).toMatch(/:\/srv\/greeter:\/usr\/sbin\/nologin$/);
    expect(await sh('id --name --groups greeter')).toBe('greeter adm tty');
    expect(await apply(user)).toEqual({ changes: [] });
    await sh('gpasswd --delete greeter tty; useradd --system visitor');
    const visitor: Resource = { kind: 'user', name: 'visitor' };
    expect((await apply(user, visitor)).changes).toEqual([{ what: 'user:greeter', how: 'added to tty' }]);
    const { changes } = await apply(
      { kind: 'absent-user', name: 'greeter' },
      { kind: 'absent-user', name: 'visitor' },
    );
    expect(changes).toEqual([{ what: 'absent-user:greeter', how: 'removed' }]);
    expect(await sh('getent passwd greeter visitor | cut -d: -f1')).toBe('visitor');
  });

  test('what is held is held, whoever lets it go, and is upgraded and removed all the same', async () => {
    const held: Resource = { kind: 'packages', names: ['greeter'], held: true };
    await apply(source(GOOD));
    expect((await apply(held)).changes).toEqual([{ what: 'packages:greeter', how: 'held greeter' }]);
    expect(await apply(held)).toEqual({ changes: [] });
    expect(await sh('apt-mark showhold')).toBe('greeter');
    await sh('dpkg --force-all --purge greeter; apt-mark hold greeter');
    expect((await apply(held)).changes[0]?.how).toContain('installed greeter');
    expect(await sh('apt-mark showhold')).toBe('greeter');
  }, 60_000);

  test('what something else needs that came later, stays until that has gone', async () => {
    await sh('apt-get install -y -q guest');
    const leaving: Resource = { kind: 'absent-packages', names: ['greeter'] };
    expect((await apply(leaving)).changes.map(({ how }) => how)).toEqual(['holds greeter no more']);
    expect(await apply(leaving)).toEqual({ changes: [] });
    expect(await sh('dpkg-query --show guest greeter greeter-words')).toMatch(
      /^greeter\t.*^greeter-words\t.*^guest\t/ms,
    );
    await sh('apt-get purge -y -q guest');
  }, 60_000);

  test('what is to go, goes, once, and what came along with it', async () => {
    await apply(greeter);
    expect(await sh('ls /usr/share/greeter')).toBe('words');
    const leaving: readonly Sent[] = [
      {
        kind: 'service',
        name: 'greeter',
        state: 'stopped',
        enabled: false,
        // It is asked while it runs, and once.
        stop: ['sh', '-c', 'systemctl is-active greeter >>/run/asked'],
      },
      { kind: 'absent-packages', names: ['greeter', 'bash'] },
      source(''),
    ];
    // Its script fails for a moment.
    const once = '[ "$1" != purge ] || [ -e /run/tried ] || { touch /run/tried; exit 1; }';
    await sh(
      `printf '%s\\n' '#!/bin/sh' '${once}' >/var/lib/dpkg/info/greeter.postrm; chmod 755 /var/lib/dpkg/info/greeter.postrm`,
    );
    expect((await apply(...leaving)).changes.map(({ how }) => how)).toEqual([
      'stopped, disabled',
      'removed greeter, greeter-words',
      'taken away',
    ]);
    expect(await apply(...leaving)).toEqual({ changes: [] });
    expect(await sh('cat /run/asked')).toBe('active');
    expect(await sh('ls /etc/apt/sources.list.d/test.sources /bin/bash')).toContain('/bin/bash');
    expect(await sh('dpkg-query --show greeter greeter-words')).not.toContain('1.0');
    // What a machine cannot do without stays, whoever brought it.
    expect(await sh('dpkg-query --show greeter-base')).toContain('1.0');
    expect(await sh('ls /run/tried')).toBe('/run/tried');
  }, 30_000);
});
