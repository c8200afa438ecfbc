// A MAAS that a person has installed, by packages or by snap, in whole hooks: left alone until it is handed over.
import { createHash } from 'node:crypto';
import { beforeEach, expect, test } from '@jest/globals';
import { stateOf } from 'juju-ts-ops/testing';
import { parse, stringify } from 'yaml';
import { charm as rack } from '../../../charms/maas-rack/src/charm.ts';
import { charm as region } from '../../../charms/maas-region/src/charm.ts';
import { describeOnMachines } from '../../machines.ts';
import { until } from '../maas-double/host.ts';
import { postgresqlServer } from '../postgresql.ts';
import { SnapMachine, STORE } from './machine.ts';
import { MAAS_URL, rackState, regionState, run } from './states.ts';

const BY_HAND = {
  level: 'blocked',
  message: 'MAAS was installed here by hand: run the action adopt to keep it, or remove it',
};
const DEB_SOURCE = 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./';
const SECRET = '0123456789abcdef0123456789abcdef';
const ID_FILE = '/var/lib/maas/maas_id';
const RACKD_CONF = '/etc/maas/rackd.conf';

/** A machine on which a person has installed MAAS' packages. */
async function withPackages(...daemons: readonly ('regiond' | 'rackd')[]): Promise<SnapMachine> {
  const machine = await SnapMachine.start('region-0');
  const service = '[Service]\nExecStart=/usr/bin/sleep infinity\n';
  for (const name of daemons) await machine.write(`/usr/lib/systemd/system/maas-${name}.service`, service);
  // Where the stand-in of systemctl looks.
  for (const name of ['regiond', 'rackd'])
    await machine.write(`/etc/systemd/system/maas-${name}.service`, service);
  await machine.write(
    '/usr/local/sbin/dpkg-query',
    `#!/bin/bash\nshift 2\nfor name; do case $name in maas-rack-controller) echo "$name 1:3.7.0-1 hi ";; maas-*) ;; *) echo "$name 1 ii " ;; esac; done\n`,
  );
  for (const name of ['apt-mark', 'chown', 'maas-rack'])
    await machine.write(`/usr/local/sbin/${name}`, `#!/bin/bash\necho ${name} "$@" >>/var/log/apt-calls\n`);
  await machine.write(
    '/usr/local/sbin/apt-cache',
    '#!/bin/bash\necho " $2 | 1:3.7.0-1 | file:/srv ./ Packages"\n',
  );
  for (const name of ['dpkg-query', 'apt-mark', 'apt-cache', 'maas-rack'])
    await machine.on('chmod', '755', `/usr/local/sbin/${name}`);
  await machine.on('groupadd', '--force', 'maas');
  await machine.write(ID_FILE, 'abc123');
  await machine.write('/var/lib/maas/secret', SECRET);
  await machine.write(
    '/etc/maas/regiond.conf',
    stringify({ maas_url: 'http://old/MAAS', database_host: 'old' }),
  );
  await machine.write(RACKD_CONF, stringify({ maas_url: 'http://old/MAAS', cluster_uuid: 'f00' }));
  for (const name of daemons) await machine.on('systemctl', 'start', `maas-${name}`);
  return machine;
}

/** What has been written on a machine since a file was, as far as it is a charm's to write. */
function changedSince(machine: SnapMachine, mark: string): Promise<string> {
  const folders = ['/etc', '/usr', '/var/lib/maas'];
  return machine.on('find', ...folders, '-xdev', '-newer', mark, '-not', '-type', 'd');
}

async function stateOfService(machine: SnapMachine, name: string): Promise<string> {
  return (await machine.on('systemctl', 'show', '--property=ActiveState', '--value', name)).trim();
}

describeOnMachines('a MAAS that was installed by hand', () => {
  const server = postgresqlServer();
  beforeEach(() => server.empty());

  test('packages: a region is blocked and touches nothing, neither by its actions nor as it goes', async () => {
    await using machine = await withPackages('regiond');
    const unit = await machine.unit(region);
    const options = { source: DEB_SOURCE, 'maas-url': MAAS_URL };
    await machine.write('/var/log/mark', '');
    let state = await run(unit, regionState(server, { options }), 'install', 'start', 'config-changed');
    expect(state.status).toEqual(BY_HAND);
    // Its data has to be in the database before it is handed over.
    expect(state.relations.find(({ endpoint }) => endpoint === 'database')?.ownAppData).toMatchObject({
      database: 'maasdb',
    });
    for (const action of ['pause', 'resume', 'list-controllers', 'rotate-secret'] as const)
      expect((await unit.run({ action }, state)).action).toMatchObject({
        status: 'failed',
        message: BY_HAND.message,
      });
    state = await run(unit, state, 'update-status');
    expect(state.status).toEqual(BY_HAND);
    await run(unit, state, 'stop', 'remove');
    expect(await changedSince(machine, '/var/log/mark')).toBe('');
    expect(await machine.on('ls', '/var/lib')).not.toContain('maas-ha');
    expect(await machine.read('/var/log/apt-calls')).toBe('');
    expect(await stateOfService(machine, 'maas-regiond')).toBe('active');
  });

  test('packages: a region’s is not a rack’s to add itself to, and a database comes before adopt', async () => {
    await using machine = await withPackages('regiond');
    const unit = await machine.unit(rack);
    expect(
      (await run(unit, rackState(SECRET, '3.7', DEB_SOURCE), 'install', 'config-changed')).status,
    ).toEqual(BY_HAND);
    const other = await machine.unit(region);
    const state = await run(
      other,
      regionState(server, { options: { source: DEB_SOURCE }, relations: [] }),
      'install',
      'config-changed',
    );
    expect((await other.run({ action: 'adopt' }, state)).action).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/^no database: .*juju integrate maas-region:database/),
    });
  });

  test('packages: adopt keeps who a rack is and the keys of others, and when it goes it stays', async () => {
    await using machine = await withPackages('rackd');
    const unit = await machine.unit(rack);
    let state = await run(
      unit,
      stateOf(rack, { options: { source: DEB_SOURCE } }),
      'install',
      'config-changed',
    );
    expect(state.status).toEqual(BY_HAND);
    const done = await unit.run({ action: 'adopt' }, state);
    expect(done.action).toMatchObject({ status: 'completed', results: { adopted: 'true' } });
    state = await run(unit, done.state, 'config-changed', 'update-status');
    expect(state.status).toEqual({ level: 'blocked', message: expect.stringMatching(/^no region: /) });
    expect(await machine.read(ID_FILE)).toBe('abc123');
    expect((await unit.run({ action: 'adopt' }, state)).action).toMatchObject({
      status: 'failed',
      message: 'nothing to adopt: this machine has no MAAS that was installed by hand',
    });
    await run(unit, state, 'stop', 'remove');
    expect(await machine.read(ID_FILE)).toBe('abc123');
    expect(parse(await machine.read(RACKD_CONF))).toMatchObject({ cluster_uuid: 'f00' });
    expect(await machine.read('/var/log/apt-calls')).not.toMatch(/purge|remove/);
    expect(await stateOfService(machine, 'maas-rackd')).toBe('inactive');
    // The next charm that comes asks again.
    const next = await machine.unit(region);
    expect(
      (await run(next, regionState(server, { options: { source: DEB_SOURCE } }), 'install', 'start')).status,
    ).toEqual(BY_HAND);
  });

  test('packages that an older revision of the charm installed are the charm’s', async () => {
    await using machine = await withPackages('rackd');
    const unit = await machine.unit(rack);
    await machine.write(
      `${machine.folderOf('maas-rack')}/.state/applied.json`,
      JSON.stringify({ steps: { 'forget-identity': createHash('sha256').update('{}').digest('hex') } }),
    );
    const state = await run(unit, stateOf(rack, { options: { source: DEB_SOURCE } }), 'upgrade-charm');
    expect(state.status).toMatchObject({ message: expect.stringMatching(/^no region: /) });
    expect(await machine.read(ID_FILE)).toBe('abc123');
  });

  test('what is left of packages, and no package, is nobody’s', async () => {
    await using machine = await withPackages();
    const unit = await machine.unit(rack);
    expect(
      (await run(unit, stateOf(rack, { options: { source: DEB_SOURCE } }), 'install', 'start')).status,
    ).not.toEqual(BY_HAND);
    expect(await machine.read(ID_FILE)).toBe('');
  });

  test('the snap: a region is blocked and touches nothing; adopted it serves as who it was, and when it goes it stays', async () => {
    await using machine = await SnapMachine.start('region-0');
    await machine.on('snap', 'install', '--channel=3.4/stable', 'maas');
    const { host, port, database, user, password } = server.connection;
    const uri = `postgres://${user}:${password.reveal()}@${host}:${port}/${database}\n`;
    const { exitCode, stderr } = await machine.tryOn(
      ['snap', 'run', 'maas', 'init', 'region+rack', '--maas-url', MAAS_URL, '--force'],
      uri,
    );
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    const [secretFile, idFile] = ['/var/snap/maas/common/maas/secret', '/var/snap/maas/common/maas/maas_id'];
    const identity = async () => [await machine.read(secretFile), await machine.read(idFile)];
    await until(identity, (files) => !files.includes(''));
    const before = await identity();
    const unit = await machine.unit(region);
    await machine.calls();
    let state = await run(unit, regionState(server), 'install', 'config-changed');
    expect(state.status).toEqual(BY_HAND);
    await run(unit, state, 'stop', 'remove');
    const changing = (calls: readonly string[]): readonly string[] =>
      calls.filter((call) => !/^(list|info|run maas\.(pebble|supervisor)$)/.test(call));
    expect(changing(await machine.calls())).toEqual([]);
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('region+rack');

    const packages = { ...state, options: { ...state.options, source: DEB_SOURCE } };
    expect((await run(unit, packages, 'config-changed')).status).toEqual(BY_HAND);
    expect((await unit.run({ action: 'adopt' }, packages)).action).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/^this machine has the snap of MAAS: set source=/),
    });

    const done = await unit.run({ action: 'adopt' }, state);
    expect(done.action).toMatchObject({ status: 'completed' });
    state = await run(unit, done.state, 'config-changed', 'update-status');
    expect(state.status).toEqual({ level: 'active', message: `serves ${MAAS_URL}` });
    expect(await identity()).toEqual(before);
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('region+rack');
    expect(changing(await machine.calls()).join('\n')).not.toMatch(/init|install|remove/);

    await run(unit, state, 'stop', 'remove');
    expect(await machine.on('snap', 'list', 'maas')).toContain(STORE['3.4/stable'].version);
    expect(await identity()).toEqual(before);
  });
});
