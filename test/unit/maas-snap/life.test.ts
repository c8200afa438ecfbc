// Regions and racks from the snap store, in whole hooks, on the stand-ins of snap and of MAAS: no store was there to ask.
import { beforeEach, expect, test } from '@jest/globals';
import { SNAP } from '@maas-ha/maas';
import { parse } from 'yaml';
import { charm as rack } from '../../../charms/maas-rack/src/charm.ts';
import { charm as region } from '../../../charms/maas-region/src/charm.ts';
import { describeOnMachines } from '../../machines.ts';
import { DoubleHost } from '../maas-double/host.ts';
import { postgresqlServer } from '../postgresql.ts';
import { SnapMachine, STORE } from './machine.ts';
import { MAAS_URL, rackState, regionState, run, SOURCE_34, SOURCE_37 } from './states.ts';

const SECRET_FILE = '/var/snap/maas/common/maas/secret';
const CONF = '/var/snap/maas/current/regiond.conf';
const SERVES = { level: 'active', message: `serves ${MAAS_URL}` };
const [OLD, NEW] = [STORE['3.4/stable'].version, STORE['3.7/stable'].version];

describeOnMachines('MAAS from the snap store', () => {
  const server = postgresqlServer();
  beforeEach(() => server.empty());

  const changing = (calls: readonly string[]): readonly string[] =>
    calls.filter((call) => !/^(list|info|run maas\.(pebble|supervisor)$)/.test(call));
  const migrations = (): Promise<string> =>
    server.sql('SELECT version FROM double_migration ORDER BY finished');

  test('a region and a rack on one machine: installed, migrated once, refreshed, removed', async () => {
    await using machine = await SnapMachine.start('region-0');
    const unit = await machine.unit(region);

    // The region.
    let state = await run(unit, regionState(server), 'install', 'config-changed');
    expect(state.status).toEqual(SERVES);
    expect(state.workloadVersion).toBe('3.4');
    const calls = await machine.calls();
    expect(changing(calls)).toEqual([
      'wait system seed.loaded',
      'install --channel=3.4/stable maas',
      'refresh --hold=forever maas',
      'run --shell maas -c exec "$SNAP/bin/maas-region" "$@" maas-region dbupgrade',
      `run maas init region --maas-url ${MAAS_URL} --force`,
    ]);
    // It starts by itself when it is installed, and once more as a region.
    expect(calls.filter((call) => call === 'run maas.supervisor')).toHaveLength(2);
    expect(calls.join('\n')).not.toContain(server.connection.password.reveal());
    expect(await migrations()).toBe('3.4');
    expect(await machine.on('stat', '--format=%a %U:%G', CONF)).toBe('640 root:root');
    expect(parse(await machine.read(CONF))).toMatchObject({ maas_url: MAAS_URL, database_host: '127.0.0.1' });
    const secret = await machine.read(SECRET_FILE);
    expect(state.secrets).toContainEqual(
      expect.objectContaining({
        label: 'maas-rpc-secret',
        revisions: [{ number: 1, content: { 'maas-secret': secret } }],
      }),
    );

    // What regiond says is where users are told to look.
    expect(await machine.on('sh', '-c', SNAP.log('region', '3.4').replace('sudo', ''))).toContain(
      'Region controller serves.',
    );

    // Another hook finds nothing to do.
    state = await run(unit, state, 'update-status');
    expect(state.status).toEqual(SERVES);
    expect(changing(await machine.calls())).toEqual([]);

    // A rack joins it, and asks nobody for the password of the database.
    const other = await machine.unit(rack);
    let rackNow = await run(other, rackState(secret, '3.4', SOURCE_34.source), 'install', 'config-changed');
    expect(rackNow.status).toEqual({ level: 'active', message: 'connected to 1 of 1 regions, MAAS 3.4' });
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('region+rack');
    expect(changing(await machine.calls())).toEqual([]);
    rackNow = await run(other, rackNow, 'update-status');
    state = await run(unit, state, 'update-status');
    expect([rackNow.status.level, state.status]).toEqual(['active', SERVES]);

    // A new secret: rackd, which reads it once and sooner than regiond writes it, starts again.
    const pace = ['sed', '-i', 's/^region_start_seconds: .*/region_start_seconds: 2/'] as const;
    await machine.on(...pace, '/var/snap/maas/common/double.conf');
    state = await run(unit, state, { action: 'rotate-secret' }, 'update-status');
    rackNow = await run(other, rackNow, 'update-status');
    const rotated = await machine.read(SECRET_FILE);
    expect(rotated).toMatch(/^[0-9a-f]{32}$/);
    expect(rotated).not.toBe(secret);
    expect([rackNow.status.message, state.status]).toEqual(['connected to 1 of 1 regions, MAAS 3.4', SERVES]);
    await machine.calls();

    // Another channel: nothing migrates but what the charm migrates, under its lock.
    state = await run(
      unit,
      { ...state, options: SOURCE_37 },
      'config-changed',
      'update-status',
      'update-status',
    );
    expect(state.status).toEqual(SERVES);
    expect(state.workloadVersion).toBe('3.7');
    expect(changing(await machine.calls())).toEqual([
      'refresh --channel=3.7/stable maas',
      'run --shell maas -c exec "$SNAP/bin/maas-region" "$@" maas-region dbupgrade',
    ]);
    expect(SNAP.log('region', '3.7')).toBe('journalctl -t maas-regiond');
    expect(await machine.read('/var/log/maas-regiond')).toContain('Region controller serves.');
    expect(await migrations()).toBe('3.4\n3.7');
    expect(await machine.read('/var/log/maas-dbupgrade')).not.toContain('No migrations to apply');
    expect(await machine.on('snap', 'list', 'maas')).toMatch(/3\.7\/stable +canonical\*\* +held$/);
    rackNow = await run(
      other,
      { ...rackNow, options: { source: SOURCE_37.source } },
      'config-changed',
      'update-status',
    );
    expect(rackNow.status).toEqual({ level: 'active', message: 'connected to 1 of 1 regions, MAAS 3.7' });

    // Who goes first leaves the other one what it needs; nothing stays after both.
    await run(unit, state, 'stop', 'remove');
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('rack');
    expect(await machine.read(CONF)).toBe('');
    expect(await machine.read(SECRET_FILE)).toBe(rotated);
    await run(other, rackNow, 'stop', 'remove');
    expect(changing(await machine.calls())).toEqual(['remove --purge maas']);
    expect(await machine.on('sh', '-c', 'ls -d /var/snap/maas /snap/maas 2>/dev/null || true')).toBe('');
  }, 600_000);

  test('a second region follows: it migrates nothing, and has the secret of the first', async () => {
    await using first = await DoubleHost.make('3.7', 'region-0', '127.0.7.91');
    await first.configure(server.connection);
    expect(await first.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    await first.serve('region-0');
    await using machine = await SnapMachine.start('region-1');
    const unit = await machine.unit(region);
    const before = regionState(server, { unit: 'maas-region/1', isLeader: false, options: SOURCE_37 });
    const cluster = {
      id: 1,
      endpoint: 'region-cluster',
      app: 'maas-region',
      units: { 'maas-region/0': { hostname: 'region-0', address: '127.0.7.91' } },
    } as const;
    const told = {
      ...cluster,
      appData: { url: MAAS_URL, schema: JSON.stringify({ version: NEW, relation: 4 }) },
    };
    const others = before.relations.filter(({ id }) => id !== 1);

    // Until the leader has migrated it is installed, and does not run.
    const waits = await run(
      unit,
      { ...before, relations: [cluster, ...others] },
      'install',
      'config-changed',
    );
    expect(waits.status).toEqual({ level: 'waiting', message: 'the leader to say where MAAS is reached' });
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('');

    const serves = await run(unit, { ...before, relations: [told, ...others] }, 'config-changed');
    expect(serves.status).toEqual(SERVES);
    expect((await machine.calls()).join('\n')).not.toMatch(/dbupgrade/);
    expect(await migrations()).toBe('3.7');
    expect(await machine.read(SECRET_FILE)).toBe(await first.read('var/lib/maas/secret'));

    // Removed, it says goodbye: the first does not list it any more.
    await run(unit, serves, 'stop', 'remove');
    expect(await first.regions()).toEqual(['region-0']);
  });

  test('a rack alone gets its secret without an argument, in a file that only root reads', async () => {
    await using host = await DoubleHost.make('3.7', 'region-0', '127.0.0.1');
    await host.configure(server.connection);
    expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    await host.serve('region-0');
    const secret = await host.read('var/lib/maas/secret');
    await using machine = await SnapMachine.start('rack-0');
    const unit = await machine.unit(rack);
    const state = await run(unit, rackState(secret, '3.7', SOURCE_37.source), 'install', 'config-changed');
    expect(state.status).toEqual({ level: 'active', message: 'connected to 1 of 1 regions, MAAS 3.7' });
    const calls = await machine.calls();
    expect(changing(calls).at(-1)).toBe(`run maas init rack --maas-url ${MAAS_URL} --force`);
    expect(calls.join('\n')).not.toContain(secret);
    expect(await machine.on('stat', '--format=%a %U:%G', SECRET_FILE)).toBe('640 root:root');
    await run(unit, state, 'update-status');
    expect(changing(await machine.calls())).toEqual([]);
  });

  test('paused and resumed, a region is out of MAAS and back in', async () => {
    await using machine = await SnapMachine.start('region-0');
    const unit = await machine.unit(region);
    let state = await run(unit, regionState(server), 'install', 'config-changed');
    state = await run(unit, state, { action: 'pause' }, { action: 'pause' });
    expect(await server.sql('SELECT count(*) FROM maasserver_regionprocess')).toBe('0');
    state = await run(unit, state, 'update-status');
    expect(state.status.message).toBe('paused: juju run maas-region/0 resume');
    state = await run(unit, state, { action: 'resume' }, { action: 'resume' });
    expect(state.status).toEqual(SERVES);
  });

  test('absent, unreachable, and another channel are told apart, with the words of snap', async () => {
    await using machine = await SnapMachine.start('region-0');
    const unit = await machine.unit(region);
    const state = regionState(server);
    await machine.offer(STORE, { online: false });
    expect((await run(unit, state, 'config-changed')).status).toEqual({
      level: 'waiting',
      message: 'snap maas could not be installed, and will be tried again: unable to contact snap store',
    });
    await machine.offer(STORE);
    const options = { ...SOURCE_34, source: 'snap:9.9/stable' };
    expect((await run(unit, { ...state, options }, 'config-changed')).status).toEqual({
      level: 'blocked',
      message:
        'snap maas could not be installed: set source= to another channel: snap "maas" not… (show-status)',
    });
    const serves = await run(unit, state, 'config-changed');
    expect(serves.status).toEqual(SERVES);
    // Somebody has it follow another channel.
    await machine.on('snap', 'switch', '--channel=3.7/stable', 'maas');
    expect((await run(unit, serves, 'update-status')).status).toEqual({
      level: 'active',
      message: `serves ${MAAS_URL}; the snap follows 3.7/stable, and source= is snap:3.4/stable`,
    });
    await machine.on('snap', 'switch', '--channel=3.4/stable', 'maas');
    // An older MAAS, and one that is no snap.
    await machine.offer({ ...STORE, '3.2/stable': { version: '3.2.9-12055-g.c3d5597', revision: 27001 } });
    expect(
      (await run(unit, { ...serves, options: { ...SOURCE_34, source: 'snap:3.2/stable' } }, 'config-changed'))
        .status,
    ).toEqual({
      level: 'blocked',
      message: 'MAAS 3.4 cannot go back to 3.2: set source= to one that has 3.4 or a newer one',
    });
    const deb = { ...SOURCE_34, source: 'deb http://archive.example.com/maas noble main' };
    expect((await run(unit, { ...serves, options: deb }, 'config-changed')).status).toEqual({
      level: 'blocked',
      message:
        'this machine has the snap of MAAS, not the packages of MAAS: set source= back; 1 more: show-status',
    });
    expect(await machine.on('snap', 'list', 'maas')).toContain(OLD);
  });

  test('a snapd that cannot hold a snap is told how to become a newer one, and nothing of MAAS starts before', async () => {
    await using machine = await SnapMachine.start('region-0');
    const unit = await machine.unit(region);
    await machine.offer(STORE, { snapd: '2.57.6' });
    const blocked = await run(unit, regionState(server), 'install', 'config-changed');
    expect(blocked.status).toEqual({
      level: 'blocked',
      message: "snap maas cannot be held: unknown flag `hold': sudo snap install snapd brings a newer one",
    });
    expect(await machine.read('/var/snap/maas/common/snap_mode')).toBe('');
    await machine.offer(STORE);
    const serves = await run(unit, blocked, 'update-status');
    expect(serves.status).toEqual(SERVES);
    expect(await machine.on('snap', 'list', 'maas')).toMatch(/held$/);
  });

  test('MAAS 3.2 serves; what it cannot do is refused in words; and it is upgraded', async () => {
    await using machine = await SnapMachine.start('region-0');
    const unit = await machine.unit(region);
    await machine.offer({ ...STORE, '3.2/stable': { version: '3.2.9-12055-g.c3d5597', revision: 27001 } });
    const options = { ...SOURCE_34, source: 'snap:3.2/stable' };
    let state = await run(unit, regionState(server, { options }), 'install', 'config-changed');
    expect([state.status, state.workloadVersion]).toEqual([SERVES, '3.2']);
    const secret = await machine.read(SECRET_FILE);
    expect((await unit.run({ action: 'rotate-secret' }, state)).action).toMatchObject({
      status: 'failed',
      message: 'rotate-secret needs MAAS 3.3 or later, and this is 3.2',
    });
    state = await run(unit, state, 'update-status');
    expect([state.status, await machine.read(SECRET_FILE)]).toEqual([SERVES, secret]);
    const tls = { ...state, options: { ...options, 'tls-mode': 'passthrough' } } as const;
    expect((await run(unit, tls, 'config-changed')).status).toEqual({
      level: 'blocked',
      message: 'tls-mode=passthrough needs MAAS 3.3 or later, and this is 3.2: use termination',
    });
    state = await run(unit, { ...state, options: SOURCE_34 }, 'config-changed', 'update-status');
    expect([state.status, state.workloadVersion]).toEqual([SERVES, '3.4']);
    expect(await migrations()).toBe('3.2\n3.4');
    expect(await machine.read(SECRET_FILE)).toBe(secret);
  });
});
