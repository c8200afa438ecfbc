// What users have a region from the snap store do, in whole events of its charm: the actions, and HTTPS.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { ActionOutcome, State, TestEvent, TestUnit } from 'juju-ts-ops/testing';
import { charm as region } from '../../../charms/maas-region/src/charm.ts';
import { describeOnMachines } from '../../machines.ts';
import { until } from '../maas-double/host.ts';
import { postgresqlServer } from '../postgresql.ts';
import { SnapMachine, STORE } from './machine.ts';
import { MAAS_URL, regionState, run, SOURCE_37 } from './states.ts';

type Charmcraft = typeof region.charmcraft;

const HOME = '/var/snap/maas/common/maas';
const CONF = '/var/snap/maas/current/regiond.conf';
const SERVES = { level: 'active', message: `serves ${MAAS_URL}` };
const CERTIFICATE = 'secret:9m4e2mr0ui3e8a215n6g';

describeOnMachines('a region from the snap store', () => {
  const server = postgresqlServer();
  let machine: SnapMachine;
  let unit: TestUnit<Charmcraft>;
  let state: State<Charmcraft>;

  beforeAll(async () => {
    machine = await SnapMachine.start('region-0');
    unit = await machine.unit(region);
    const before = regionState(server, { options: SOURCE_37 });
    state = await run(unit, before, 'install', 'config-changed');
    expect(state.status).toEqual(SERVES);
  });

  afterAll(async () => {
    // Nothing that is secret was ever in the arguments of a program of MAAS.
    const calls = (await machine.calls()).join('\n');
    for (const secret of shown) expect(calls).not.toContain(secret);
    await machine[Symbol.asyncDispose]();
  });

  const shown: string[] = [];
  const secretFile = (): Promise<string> => machine.read(`${HOME}/secret`);

  /** What an action says; the state goes on from there. */
  async function act(
    action: Extract<TestEvent<Charmcraft>, { action: unknown }>['action'],
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Partial<ActionOutcome>> {
    const outcome = await unit.run({ action, params }, state);
    ({ state } = outcome);
    return outcome.action ?? {};
  }

  test('administrators and API keys', async () => {
    const admin = { username: 'ada', email: 'ada@example.com' };
    const made = await act('create-admin', admin);
    expect(made).toMatchObject({ status: 'completed', results: { username: 'ada' } });
    const again = await act('create-admin', admin);
    expect(again).toMatchObject({ status: 'failed', message: expect.stringContaining('already exists') });
    const key = await act('get-api-key', { username: 'ada' });
    expect(key).toMatchObject({ results: { 'api-key': expect.stringMatching(/^\w{18}:\w{18}:\w{32}$/) } });
    expect(await act('get-api-key', { username: 'ada' })).toEqual(key);
    expect(await act('get-api-key', { username: 'bob' })).toMatchObject({
      status: 'failed',
      message: 'MAAS has no user bob',
    });
    shown.push(made.results?.['password'] ?? '', key.results?.['api-key'] ?? '');
  });

  test('controllers, DHCP, and what would change', async () => {
    const { results = {} } = await act('list-controllers');
    expect(JSON.parse(results['regions'] ?? '')).toMatchObject([
      { hostname: 'region-0', version: STORE['3.7/stable'].version },
    ]);
    expect(results['racks']).toBe('[]');
    expect(await act('configure-dhcp-ha')).toMatchObject({ status: 'failed' });
    expect(await act('show-plan')).toMatchObject({
      status: 'completed',
      results: { plan: `status: active ${SERVES.message}` },
    });
    expect(await act('upgrade')).toMatchObject({ status: 'completed' });
    expect(state.status).toEqual(SERVES);
  });

  test('a new secret is in MAAS, in its file and with the racks', async () => {
    const old = await secretFile();
    shown.push(old);
    expect(await act('rotate-secret')).toMatchObject({ status: 'completed', results: { rotation: '1' } });
    state = await run(unit, state, 'update-status');
    const secret = await secretFile();
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    expect(secret).not.toBe(old);
    shown.push(secret);
    expect(state.secrets.find(({ label }) => label === 'maas-rpc-secret')?.revisions.at(-1)?.content).toEqual(
      { 'maas-secret': secret },
    );
    // Nobody has asked for another one; and what is none in the file, racks never hear of.
    await machine.write(`${HOME}/secret`, 'no secret');
    const before = state.secrets;
    state = await run(unit, state, 'update-status');
    expect([state.secrets, state.status]).toEqual([before, SERVES]);
    await machine.write(`${HOME}/secret`, secret);
  });

  test('a region that answers and is not in its own list does not serve', async () => {
    await server.sql("UPDATE maasserver_node SET hostname = 'another'");
    expect(await act('rotate-secret')).toMatchObject({
      status: 'failed',
      message: 'waiting for this region to serve',
    });
    await server.sql("UPDATE maasserver_node SET hostname = 'region-0'");
    expect(await act('list-controllers')).toMatchObject({ status: 'completed' });
  });

  test('a backup brings back what the database does not have, also twice', async () => {
    const image = `${HOME}/image-storage/image`;
    await machine.write(image, 'an image');
    await machine.on('sed', '-i', '$a vault_url: http://vault', CONF);
    const id = await machine.read(`${HOME}/maas_id`);
    const secret = await secretFile();
    const made = await act('create-backup', { 'database-backup': 'monday' });
    expect(made).toMatchObject({ status: 'completed' });
    const backup = { 'backup-id': made.results?.['backup-id'], 'database-backup': 'monday' };
    expect(JSON.parse((await act('list-backups')).results?.['backups'] ?? '')).toMatchObject([
      { id: backup['backup-id'], version: STORE['3.7/stable'].version },
    ]);
    for (const _ of ['once', 'twice']) {
      await machine.on('rm', image);
      await machine.on('sed', '-i', '/vault_url/d', CONF);
      expect(await act('restore-backup', backup)).toMatchObject({ status: 'completed' });
      state = await run(unit, state, 'update-status');
      expect(state.status).toEqual(SERVES);
      expect(await machine.read(image)).toBe('an image');
      expect(await machine.read(CONF)).toContain('vault_url: "http://vault"');
      expect([await machine.read(`${HOME}/maas_id`), await secretFile()]).toEqual([id, secret]);
    }
    expect(await server.sql('SELECT version FROM double_migration')).toBe('3.7');
  });

  test('HTTPS of MAAS itself: with a certificate of the user, and without again', async () => {
    const fresh = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=maas', '-days', '2'];
    const { stdout } = await execa('openssl', ['req', ...fresh, '-keyout', '-', '-out', '-']);
    const pem = (kind: string): string =>
      new RegExp(`-----BEGIN ${kind}[^]+END ${kind}-----\n?`).exec(stdout)?.[0] ?? '';
    const content = { certificate: pem('CERTIFICATE'), key: pem('PRIVATE KEY') };
    const before = state;
    const enabled = await unit.run('config-changed', {
      ...state,
      options: { ...SOURCE_37, 'tls-mode': 'passthrough', certificate: CERTIFICATE },
      secrets: [...state.secrets, { uri: CERTIFICATE, owner: 'other', revisions: [{ number: 1, content }] }],
    });
    // A hook goes round several times, and MAAS is told once.
    expect(enabled.logs.filter(({ message }) => message.includes('enable-tls'))).toHaveLength(1);
    ({ state } = enabled);
    expect(state.status).toEqual(SERVES);
    const subject = async (): Promise<string> =>
      (await machine.tryOn(['openssl', 's_client', '-connect', '127.0.0.1:5443'])).stdout;
    await until(subject, (said) => /subject=CN ?= ?maas/.test(said));
    // MAAS has it in its database; nothing of the key stays where the charm laid it for the snap.
    expect(await machine.on('ls', '/var/snap/maas/common/maas-ha/scratch')).toBe('');
    expect(await act('list-controllers')).toMatchObject({ status: 'completed' });
    state = await run(unit, { ...state, options: before.options }, 'config-changed');
    await until(subject, (said) => !said.includes('subject='));
    expect(state.status).toEqual(SERVES);
  });
});
