import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Redacted } from 'juju-ts-ops';
import { inProcess, possibleEvents, stateOf, type State } from 'juju-ts-ops/testing';
import { charm } from './src/charm.ts';
import type { charmcraft } from './src/charmcraft.ts';
import { CERTIFICATE, CONFIG, KEY } from './src/server.ts';

const user = {
  uri: 'secret:9m4e2mr0ui3e8a215n4g',
  owner: 'other',
  revisions: [{ number: 1, content: { username: 'relation-1', password: 's3same' } }],
} as const;
const cluster = { id: 0, endpoint: 'cluster', app: 'guestbook' } as const;
const asked = { id: 1, endpoint: 'database', app: 'postgresql', units: { 'postgresql/0': {} } } as const;
const database = {
  ...asked,
  appData: { database: 'guestbook', endpoints: '10.0.0.5:5432', 'secret-user': user.uri },
} as const;
const website = { id: 2, endpoint: 'website', app: 'haproxy', units: { 'haproxy/0': {} } } as const;
const ca = { id: 3, endpoint: 'certificates', app: 'ca', units: { 'ca/0': {} } } as const;
const agent = {
  id: 4,
  endpoint: 'cos-agent',
  app: 'grafana-agent',
  units: { 'grafana-agent/0': {} },
} as const;

const whole = stateOf(charm, {
  isLeader: true,
  relations: [cluster, database, website, ca, agent],
  secrets: [user],
});

/** What the databags of a relation have in a state, this application's and this unit's. */
function written({ relations }: State<typeof charmcraft>, id: number) {
  const { ownAppData = {}, localUnitData = {} } = relations.find((relation) => relation.id === id) ?? {};
  return { ...ownAppData, ...localUnitData };
}

describe('without all that it needs', () => {
  test('it says what to relate, and serves nothing', async () => {
    const unit = inProcess(charm);
    const { state } = await unit.run('start', stateOf(charm, { relations: [cluster] }));
    assert.equal(state.status.message, 'no database: juju integrate guestbook:database postgresql:database');
    const service = unit.resources?.find(({ kind }) => kind === 'service');
    assert.ok(service?.kind === 'service' && service.state === 'stopped');
  });

  test('it asks for a database, and waits', async () => {
    const before = stateOf(charm, { isLeader: true, relations: [cluster, asked] });
    const { state } = await inProcess(charm).run({ relation: 'created', id: 1 }, before);
    assert.equal(written(state, 1).database, 'guestbook');
    assert.deepEqual(state.status, { level: 'waiting', message: 'postgresql to make the database' });
  });

  test('it goes on with what it has while the database has no primary', async () => {
    const { endpoints: _, ...appData } = database.appData;
    const failing = { ...database, appData };
    const unit = inProcess(charm);
    const before = stateOf(charm, { relations: [cluster, failing], secrets: [user] });
    const { state } = await unit.run('update-status', before);
    assert.equal(state.status.message, 'postgresql to have a primary');
    assert.ok(!unit.resources?.some(({ kind }) => kind === 'service'));
  });

  test('one port for HTTP and HTTPS is refused', async () => {
    const { state } = await inProcess(charm).run(
      'config-changed',
      stateOf(charm, { relations: [cluster], options: { 'tls-port': 8080 } }),
    );
    assert.equal(state.status.message, 'port and tls-port are both 8080: juju config tls-port=8443');
  });
});

describe('with a database', () => {
  test('it serves, and the password is in its file and nowhere else', async () => {
    const unit = inProcess(charm);
    const before = stateOf(charm, { relations: [cluster, database], secrets: [user] });
    const { state, logs, calls } = await unit.run({ relation: 'changed', id: 1 }, before);
    assert.equal(state.status.message, 'serves Guestbook on port 8080');
    assert.deepEqual(state.ports, ['8080/tcp']);
    const config = unit.resources?.find((one) => one.kind === 'file' && one.path === CONFIG);
    assert.ok(config?.kind === 'file' && config.content instanceof Redacted);
    assert.match(config.content.reveal(), /"password": "s3same"/);
    assert.equal(config.mode, 0o640);
    const { secrets: _, ...visible } = state;
    assert.doesNotMatch(JSON.stringify([visible, logs, calls]), /s3same/);
  });

  test('the leader alone makes the table', async () => {
    for (const isLeader of [true, false]) {
      const unit = inProcess(charm);
      await unit.run('update-status', { ...whole, isLeader });
      const steps = unit.resources?.flatMap((one) => (one.kind === 'step' ? one.id : [])) ?? [];
      assert.equal(steps.includes('create-table'), isLeader);
    }
  });

  test('it tells its balancer and its collector where it is', async () => {
    const { state } = await inProcess(charm).run('update-status', whole);
    assert.deepEqual(written(state, 2), {
      hostname: '192.0.2.1',
      port: '8080',
      'health-check': '/healthz',
      'tcp-ports': '[[443,8443]]',
    });
    assert.match(written(state, 4).config ?? '', /"targets":\["localhost:9180"\]/);
  });
});

test('it asks the CA with a key that only it has, and goes on without an answer', async () => {
  const unit = inProcess(charm);
  const { state } = await unit.run('update-status', whole);
  assert.match(written(state, 3).certificate_signing_requests ?? '', /BEGIN CERTIFICATE REQUEST/);
  assert.deepEqual(state.status, { level: 'waiting', message: 'ca to sign the certificate' });
  assert.ok(state.secrets.some(({ owner, label }) => owner === 'unit' && label === 'tls-certificates'));
  const paths = unit.resources?.flatMap((one) => ('path' in one ? one.path : [])) ?? [];
  assert.ok(!paths.includes(KEY) && !paths.includes(CERTIFICATE));
});

// With the key that its first hook has made: to make one for each event takes long.
const settled = await inProcess(charm).run('update-status', whole);
for (const { name, event, state } of possibleEvents(charm, settled.state))
  test(`${name}: no failure, and nothing is written twice`, async () => {
    const unit = inProcess(charm);
    const first = await unit.run(event, state);
    assert.equal(first.exitCode, 0);
    if (event === 'install') return;
    const again = await unit.run(event, first.state);
    assert.deepEqual(
      again.calls.filter(({ tool }) => tool === 'relation-set'),
      [],
    );
  });
