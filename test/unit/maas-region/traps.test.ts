// The traps of TRAPS.md that no other test is about, and whether TRAPS.md names tests that there are.
import { expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { postgresqlConnection } from 'juju-ts-interfaces/postgresql_client';
import { DEB, forgetIdentity, MAAS_SECRET, parseMaasConfig, renderMaasConfig, SNAP } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { parse } from 'yaml';
import { createAdmin } from '../../../charms/maas-region/src/cluster/controllers.ts';
import {
  findDnsProblem,
  isNamedDown,
  migrateDnsOptions,
  startNamed,
} from '../../../charms/maas-region/src/config/dns.ts';
import { plan } from '../../../charms/maas-region/src/plan.ts';
import { findPortConflict } from '../../../charms/maas-region/src/config/port-conflict.ts';
import { liveRegions, restartRegion } from '../../../charms/maas-region/src/region/regiond.ts';
import type { State } from '../../../charms/maas-region/src/state.ts';
import { bagOf, changed, fresh, inputsOf, machineOf, serving } from './states.ts';
import { until } from '../maas-double/host.ts';
import { programsOnPath } from '../programs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const programs = programsOnPath();

test('the package that brings a PostgreSQL of its own is never installed', () => {
  const names = plan(fresh()).machine.flatMap((resource) => ('names' in resource ? resource.names : []));
  expect(names).toContain('maas-region-api');
  expect(names).not.toContain('maas-region-controller');
});

test('the identity of a reused machine is forgotten once, before the first start, and never again', () => {
  const steps = machineOf(fresh());
  expect(steps.indexOf('step:forget-identity')).toBeLessThan(steps.indexOf('service:maas-regiond:running'));
  const inputs = [fresh(), serving(), serving({ region: { version: '3.8' } })].map((state) =>
    plan(state).machine.find((resource) => resource.kind === 'step' && resource.id === 'forget-identity'),
  );
  for (const step of inputs) expect(step).toMatchObject({ inputs: {} });
  expect(DEB.identity).toEqual(
    expect.arrayContaining(['/var/lib/maas/maas_id', '/var/lib/maas/secret', '/var/lib/maas/certificates']),
  );
});

test('that the packages are the charm’s is written down before they come; of an adopted MAAS nothing is forgotten', () => {
  const steps = machineOf(fresh());
  const mark = steps.indexOf('file:/var/lib/maas-ha/region');
  expect(mark).toBeGreaterThanOrEqual(0);
  expect(mark).toBeLessThan(steps.findIndex((step) => step.startsWith('packages:')));
  const adopted = machineOf(fresh({ region: { isAdopted: true } }));
  expect(adopted).not.toContain('step:forget-identity');
  // It says that it is adopted, and the plan leaves that as it is.
  expect(adopted).not.toContain('file:/var/lib/maas-ha/region');
});

test('nothing of another MAAS stays on a reused machine, certificates included', async () => {
  await programs.program('systemctl', `echo "$@" >>${programs.folder}/called`);
  const stale = ['maas_id', 'secret', 'certificates/cluster.key', 'certificates/cacerts.pem', 'rpc.state'];
  const left = async (): Promise<readonly string[]> =>
    (await readdir(join(programs.folder, 'var/lib/maas'), { recursive: true })).toSorted();
  const fill = async (): Promise<void> => {
    await mkdir(join(programs.folder, 'var/lib/maas/certificates'), { recursive: true });
    for (const name of [...stale, 'image'])
      await writeFile(join(programs.folder, 'var/lib/maas', name), 'old');
  };
  await fill();
  await chown(join(programs.folder, 'var/lib/maas/certificates'), 65_534, 65_534);
  await chmod(join(programs.folder, 'var/lib/maas/certificates'), 0o750);
  await forgetIdentity(DEB, 'region', programs.folder);
  // MAAS' package ships the folder from 3.5 on, and nothing makes it again.
  expect(await left()).toEqual(['certificates', 'image']);
  const kept = await stat(join(programs.folder, 'var/lib/maas/certificates'));
  expect({ uid: kept.uid, mode: kept.mode & 0o7777 }).toEqual({ uid: 65_534, mode: 0o750 });
  // regiond does not run meanwhile, or it would write them again.
  expect(await readFile(join(programs.folder, 'called'), 'utf8')).toBe('stop maas-regiond.service\n');

  // A rack that is here too has them for its own.
  await fill();
  await mkdir(join(programs.folder, 'usr/lib/systemd/system'), { recursive: true });
  await writeFile(join(programs.folder, 'usr/lib/systemd/system/maas-rackd.service'), '');
  await forgetIdentity(DEB, 'region', programs.folder);
  expect(await left()).toEqual(expect.arrayContaining(stale));
});

test.each([true, false])(
  'what MAAS sets itself is taken out of BIND’s own file, and nothing that MAAS has written is lost; named takes it: %s',
  async (takesIt) => {
    for (const name of ['maas-common', 'maas-region', 'systemctl'])
      await programs.program(name, `echo "${name} $@" >>${programs.folder}/called`);
    await programs.program('checker', takesIt ? 'true' : 'echo "unknown option \'x\'"; exit 1');
    const checker = join(programs.folder, 'checker');
    await migrateDnsOptions(DEB, checker);
    expect((await readFile(join(programs.folder, 'called'), 'utf8')).trim().split('\n')).toEqual([
      'maas-region edit_named_options --migrate-conflicting-options',
      ...(takesIt ? ['systemctl restart named.service'] : []),
    ]);
    expect(await findDnsProblem(DEB, checker)).toBe(takesIt ? undefined : "unknown option 'x'");
  },
);

test('a program that listens where MAAS would is named', async () => {
  const holders = (port: number, ...names: readonly string[]): string =>
    names
      .map((name) => `echo 'LISTEN 0 32 0.0.0.0:${port} 0.0.0.0:* users:(("${name}",pid=7,fd=4))'`)
      .join('\n');
  await programs.program('ss', [holders(53, 'systemd-resolve', 'named'), holders(5240, 'nginx')].join('\n'));
  expect(await findPortConflict()).toBeUndefined();
  await programs.program('ss', holders(53, 'systemd-resolve', 'dnsmasq'));
  expect(await findPortConflict()).toEqual({ port: 53, holder: 'dnsmasq', part: 'named' });
  await programs.program('ss', holders(5240, 'apache2'));
  expect(await findPortConflict()).toMatchObject({ port: 5240, holder: 'apache2' });
});

test('the status says who is in the way, and waits for nothing', () => {
  const state = serving({
    region: { isServing: false },
    config: { portConflict: { port: 53, holder: 'dnsmasq', part: 'named' } },
  });
  expect(machineOf(state)).toContain('service:maas-regiond:running');
  expect(machineOf(state)).not.toContain('step:await-serving');
  expect(plan(state).status).toEqual([
    { level: 'blocked', message: 'dnsmasq listens on port 53, where named would: stop and remove it' },
  ]);
});

test("balancers send nobody to another program on MAAS' port, which would see what clients sign with their keys", () => {
  const occupied = (port: number): State =>
    serving({
      region: { isServing: false },
      config: { portConflict: { port, holder: 'apache2', part: "MAAS' web server" } },
    });
  expect(bagOf(occupied(5240), 'api', 'unit')).toEqual({});
  expect(bagOf(occupied(53), 'api', 'unit')).toMatchObject({ port: 5240 });
});

test('named that has failed is started again in every hook, once what was in its way is gone', async () => {
  const called = join(programs.folder, 'called');
  const named = (active: string, file: string): Promise<void> =>
    programs.program(
      'systemctl',
      `case $1 in show) printf 'LoadState=loaded\\nActiveState=${active}\\nSubState=\\nUnitFileState=${file}\\n' ;; *) echo "$@" >>${called} ;; esac`,
    );
  await named('failed', 'enabled');
  expect(await isNamedDown(DEB)).toBe(true);
  await startNamed();
  expect(await readFile(called, 'utf8')).toBe('reset-failed named.service\nstart named.service\n');
  await named('active', 'enabled');
  expect(await isNamedDown(DEB)).toBe(false);
  // Somebody wants none here.
  await named('inactive', 'disabled');
  expect(await isNamedDown(DEB)).toBe(false);
  await named('failed', 'enabled');
  expect(await isNamedDown(SNAP)).toBe(false);

  const down = serving({ config: { isNamedDown: true } });
  expect(machineOf(down)).toContain('step:start-named');
  expect(inputsOf(down, 'start-named')).not.toEqual(
    inputsOf({ ...down, hook: 'maas-region/0-update-status-2' }, 'start-named'),
  );
  expect(machineOf(serving())).not.toContain('step:start-named');
  expect(plan(down).status).toEqual([
    { level: 'blocked', message: expect.stringContaining('journalctl -u named') },
  ]);
  const portConflict = { port: 53, holder: 'dnsmasq', part: 'named' };
  expect(plan(changed(down, { config: { portConflict } })).status).toEqual([
    { level: 'blocked', message: 'dnsmasq listens on port 53, where named would: stop and remove it' },
  ]);
});

test('a region writes no secret: regiond does, and the database decides which', () => {
  const paths = plan(serving()).machine.flatMap((resource) =>
    resource.kind === 'file' ? resource.path : [],
  );
  expect(paths).not.toContain('/var/lib/maas/secret');
});

test.each(['', 'abc', 'F'.repeat(32), `${'a'.repeat(32)}\n`, 'g'.repeat(32)])('%j is no secret', (text) => {
  expect(MAAS_SECRET.test(text)).toBe(false);
});

test.each(['12345', '0777', 'yes', 'abc #x', '@abc', `a'b"c: #x`, 'a\\b', 'null', '1e3', '2026-01-01'])(
  'the password %s stays a text in YAML 1.1 too',
  (password) => {
    const text = renderMaasConfig({}, { database_pass: password, database_port: 5432 }).reveal();
    expect(parse(text, { version: '1.1' })).toEqual({ database_pass: password, database_port: 5432 });
  },
);

test('a key that is there twice is what MAAS takes it for, and no other key is lost', () => {
  const text = 'vault_url: http://vault\nnum_workers: 2\nnum_workers: 6\ndebug: yes\n';
  expect(parseMaasConfig(text, 'regiond.conf')).toEqual({
    vault_url: 'http://vault',
    num_workers: 6,
    debug: true,
  });
  expect(parseMaasConfig('', 'regiond.conf')).toEqual({});
});

test.each([
  ['a: 1\ndatabase_pass: !vault hunter2\n', ' (line 2)'],
  ['database_pass: [hunter2\n', ' (line'],
  ['- hunter2\n', ''],
  ['hunter2', ''],
])('what MAAS cannot read is kept, and named by its line alone: %j', (text, where) => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  let problem: unknown;
  try {
    parseMaasConfig(text, '/etc/maas/regiond.conf');
  } catch (error) {
    problem = error;
  }
  expect(problem).toMatchObject({ remedy: 'user' });
  expect(String(problem)).toContain(`MAAS cannot read /etc/maas/regiond.conf${where}`);
  expect(String(problem)).not.toContain('hunter2');
  expect(warned).not.toHaveBeenCalled();
  warned.mockRestore();
});

test('a region whose host name another one has is not started, and told what to type', () => {
  const state = serving({
    unit: 'maas-region/2',
    region: { hostname: 'region-1', isServing: false },
    isLeader: false,
    cluster: {
      peers: [
        { unit: 'maas-region/0', hostname: 'region-0', address: '10.0.0.10' },
        { unit: 'maas-region/1', hostname: 'region-1', address: '10.0.0.11' },
      ],
    },
  });
  expect(machineOf(state).join()).not.toContain('running');
  expect(plan(state).status).toEqual([
    {
      level: 'blocked',
      message: 'maas-region/1 is called region-1 too: hostnamectl set-hostname <another>',
    },
  ]);
  expect(machineOf(serving({ unit: 'maas-region/0', region: { hostname: 'region-1' } }))).toContain(
    'service:maas-regiond:running',
  );
});

test('two host names that differ in their domains only are one to MAAS, also where the first one answers for the second', () => {
  const state = serving({
    unit: 'maas-region/1',
    region: { hostname: 'maas.b.example.com', isServing: true },
    isLeader: false,
    cluster: {
      peers: [{ unit: 'maas-region/0', hostname: 'maas.a.example.com', address: '10.0.0.11' }],
    },
  });
  expect(machineOf(state).join()).not.toContain('running');
  expect(plan(state).status[0]).toMatchObject({
    level: 'blocked',
    message: expect.stringContaining('maas-region/0 is called maas too'),
  });
});

test('one address for two units is named', () => {
  const peers = [{ unit: 'maas-region/1', hostname: 'region-1', address: '10.0.0.10' }];
  expect(plan(serving({ cluster: { peers } })).status[0]).toEqual({
    level: 'blocked',
    message: 'maas-region/1 has the address 10.0.0.10 too',
    next: 'juju bind maas-region <the space of the machines>',
  });
});

test('balancers ask for what only a region that serves can answer, also with TLS', () => {
  expect(bagOf(serving(), 'api', 'unit')).toMatchObject({
    hostname: '10.0.0.10',
    port: 5240,
    'health-check': '/MAAS/rpc/',
  });
  expect(bagOf(fresh({ isLeader: false }), 'api', 'unit')).toBeUndefined();
});

test('the database is the primary, never one that only reads', async () => {
  const relation = {
    id: 4,
    endpoint: 'database',
    app: 'postgresql',
    units: [],
    problems: [],
    phase: 'active' as const,
    appData: {
      database: 'maasdb',
      endpoints: ['10.0.0.5:5432'],
      'read-only-endpoints': ['10.0.0.6:5432'],
      username: 'maas',
      password: new Redacted('x'),
    },
  };
  const noSecret = (): Promise<never> => Promise.reject(new Error('none'));
  expect(await postgresqlConnection(relation, noSecret)).toMatchObject({
    kind: 'ready',
    connection: { host: '10.0.0.5' },
  });
  const without = { ...relation, appData: { ...relation.appData, endpoints: [] } };
  expect(await postgresqlConnection(without, noSecret)).toMatchObject({ kind: 'waiting' });
});

test.each([
  ['502 of the web server before a dead regiond', 502, '<html></html>', undefined],
  [
    'another region answers for one that has not joined',
    200,
    '{"eventloops": {"other:pid=1": [["10.0.0.9", 5250]]}}',
    false,
  ],
  ['nobody is there yet', 200, '{"eventloops": null}', false],
  ['it is in the list', 200, '{"eventloops": {"region-0:pid=1": [["10.0.0.9", 5250]]}}', true],
])('serving is what MAAS says, not systemd: %s', async (_name, status, body, serves) => {
  const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(
    5240,
    '127.0.9.1',
  );
  await once(server, 'listening');
  try {
    expect((await liveRegions('127.0.9.1'))?.has('region-0')).toBe(serves);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test('a changed file restarts all that has read it: those whose configuration regiond writes, once it serves', async () => {
  const said = join(programs.folder, 'called');
  await programs.program(
    'systemctl',
    `if [ "$1" = restart ]; then echo "$@" >>${said}; exit; fi
shift 2
for unit; do case $unit in *-worker.service) echo ActiveState=inactive ;; *) echo ActiveState=active ;; esac; echo; done`,
  );
  // As MAAS 3.8 has them.
  const services = [
    ...serving().region.services.slice(0, 2),
    'maas-openfga',
    ...serving().region.services.slice(2),
  ];
  let before = '';
  const server = createServer((_request, response) => {
    before = readFileSync(said, 'utf8');
    response.end('{"eventloops": {"region-0:pid=1": [["10.0.0.9", 5250]]}}');
  }).listen(5240, '127.0.0.1');
  await once(server, 'listening');
  try {
    await restartRegion({ maas: DEB, services, hostname: 'region-0' });
  } finally {
    server.close();
    server.closeAllConnections();
  }
  expect(before).toBe('restart maas-regiond.service maas-apiserver.service maas-openfga.service\n');
  // What does not run reads the file when it starts.
  expect((await readFile(said, 'utf8')).replace(before, '')).toBe('restart maas-temporal.service\n');
});

/**
 * Ends what a process that leads a group has left of it. Not by the program `kill`: of a group whose number begins with 1 it
 * reads that digit alone, and ends every process of the machine.
 */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}

test('regiond is asked to stop itself, once balancers are turned away: systemd would kill it', async () => {
  const said = join(programs.folder, 'called');
  await programs.program(
    'regiond',
    `trap 'echo TERM >>${said}; exit' TERM\necho starts >>${said}\nwhile :; do sleep 0.05; done`,
  );
  // As its unit runs it: below a shell.
  const shell = spawn('sh', ['-c', `${programs.folder}/regiond; :`], { detached: true, stdio: 'ignore' });
  await programs.program('systemctl', `[ "$1" = show ] && echo ${shell.pid} || echo "$@" >>${said}`);
  try {
    await until(
      () => existsSync(said),
      (hasStarted) => hasStarted,
    );
    await DEB.stopRegion();
  } finally {
    killGroup(shell);
  }
  expect((await readFile(said, 'utf8')).trim().split('\n')).toEqual([
    'starts',
    'disable --quiet maas-regiond.service',
    'stop maas-http.service',
    'TERM',
    'stop maas-regiond.service',
  ]);
});

test('a regiond that has said goodbye and does not end, as that of 3.7, is killed: systemd would wait for 90 s', async () => {
  const said = join(programs.folder, 'called');
  await programs.program(
    'regiond',
    `trap 'echo TERM >>${said}' TERM\necho starts >>${said}\nwhile :; do sleep 0.05; done`,
  );
  const regiond = spawn(join(programs.folder, 'regiond'), { detached: true, stdio: 'ignore' });
  await programs.program(
    'systemctl',
    `case "$1" in show) echo ${regiond.pid};; kill) kill -KILL ${regiond.pid};; esac; [ "$1" = show ] || echo "$@" >>${said}`,
  );
  try {
    await until(
      () => existsSync(said),
      (hasStarted) => hasStarted,
    );
    await DEB.stopRegion(500);
  } finally {
    killGroup(regiond);
  }
  expect((await readFile(said, 'utf8')).trim().split('\n').slice(-3)).toEqual([
    'TERM',
    'kill --signal=KILL maas-regiond.service',
    'stop maas-regiond.service',
  ]);
});

test('every service of a region stops in seconds, and the API server does not start before there are certificates', () => {
  const files = plan(fresh()).machine.filter((resource) => resource.kind === 'file');
  const settings = new Map(files.map(({ path, content }) => [path, content]));
  for (const name of ['regiond', 'apiserver', 'openfga', 'temporal', 'temporal-worker'])
    expect(settings.get(`/etc/systemd/system/maas-${name}.service.d/maas-ha.conf`)).toMatch(
      /^\[Service\]\nTimeoutStopSec=(5|10|20)$/m,
    );
  const apiserver = settings.get('/etc/systemd/system/maas-apiserver.service.d/maas-ha.conf');
  expect(apiserver).toContain('[Unit]\nConditionPathExists=/var/lib/maas/certificates/cacerts.pem\n');
  // It is started once regiond serves, which is when they are there.
  const steps = machineOf(
    serving({ region: { isServing: false, services: ['maas-regiond', 'maas-apiserver'] } }),
  );
  const order = ['service:maas-regiond:running', 'step:await-serving', 'service:maas-apiserver:running'];
  expect(steps.filter((step) => order.includes(step))).toEqual(order);
});

test('an administrator is made without a question that nobody answers, and without a password in the arguments', async () => {
  await programs.program(
    'maas-region',
    `if (: </dev/tty) 2>/dev/null; then exit 3; fi\necho "$@" >${programs.folder}/argv\ncat >${programs.folder}/stdin`,
  );
  await createAdmin(DEB, 'admin', 'admin@example.com', new Redacted('s3cret'));
  expect(await readFile(join(programs.folder, 'argv'), 'utf8')).toBe(
    'createadmin --username admin --email admin@example.com\n',
  );
  expect(await readFile(join(programs.folder, 'stdin'), 'utf8')).toMatch(/^s3cret\ns3cret\n\n/);
});

test('an administrator who exists already is told in the words of MAAS, and what they leave open', async () => {
  const words = 'AlreadyExistingUser: A user with the email admin@example.com already exists.';
  await programs.program('maas-region', `cat >/dev/null; echo "${words}" >&2; exit 1`);
  const made = createAdmin(DEB, 'admin', 'admin@example.com', new Redacted('s3cret'));
  await expect(made).rejects.toMatchObject({
    remedy: 'user',
    message: `MAAS makes no user admin, whose name or address another one has: ${words}`,
  });
});

test('TRAPS.md has every trap, and names tests that there are', async () => {
  const lines = (await readFile(join(ROOT, 'charms/maas-region/TRAPS.md'), 'utf8')).split('\n');
  const rows = lines.filter((line) => /^\| *\d+ /.test(line));
  expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(
    Array.from({ length: 34 }, (_, index) => index + 1),
  );
  for (const row of rows) {
    for (const [, file = '', title = ''] of row.matchAll(/`([\w./-]+\.test\.ts)`: “([^”]+)”/g)) {
      const text = (await readFile(join(ROOT, 'test/unit', file), 'utf8')).replaceAll(/\s+/g, ' ');
      expect(text).toContain(title);
    }
  }
});
