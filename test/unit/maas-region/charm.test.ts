// Whole hooks: what Juju is told, and that the machine is left alone where the user has to act first.
import { expect, test } from '@jest/globals';
import { inProcess, stateOf, type State } from 'juju-ts-ops/testing';
import { charm } from '../../../charms/maas-region/src/charm.ts';
import { database, old, PASSWORD } from './relations.ts';

const SOURCE = 'deb [trusted=yes] file:/srv/maas-apt/3.7 ./';

type RegionState = State<typeof charm.charmcraft>;

const peers = { id: 1, endpoint: 'region-cluster', app: 'maas-region' } as const;

const secret = {
  uri: 'secret:9m4e2mr0ui3e8a215n4g',
  owner: 'other',
  revisions: [{ number: 1, content: { username: 'relation-4', password: PASSWORD } }],
} as const;

function state(known: Partial<RegionState> = {}): RegionState {
  return stateOf(charm, {
    isLeader: true,
    options: { source: SOURCE, 'maas-url': 'http://maas.example.com' },
    relations: [peers, database],
    secrets: [secret],
    ...known,
  });
}

test('two databases: what to type, and nothing on the machine is touched', async () => {
  const unit = inProcess(charm);
  const { state: after, exitCode } = await unit.run(
    'config-changed',
    state({ relations: [peers, database, old] }),
  );
  expect(exitCode).toBe(0);
  expect(after.status).toEqual({
    level: 'blocked',
    message: 'two databases: juju remove-relation maas-region:db pg14, or maas-region:database postgresql',
  });
  expect(unit.resources).toBeUndefined();
});

test.each([
  ['num-workers', 11, 'num-workers=11: 1 to 10: MAAS has ten RPC ports on a machine'],
  ['maas-url', 'maas', 'maas-url=maas: the URL of MAAS, for example http://maas.example.com/MAAS'],
  ['database-name', 'Robert;', 'database-name=Robert;: the name of a database: a-z, 0-9 and _'],
  [
    'http-proxy',
    'http://me:secret@proxy:3128',
    'http-proxy=http://proxy:3128: without user and password, which every machine would be told',
  ],
  ['upstream-dns', 'dns', 'upstream-dns=dns: dns is no IP address; give one or more, separated by blanks'],
])('%s=%s is refused, and a good value makes up for it', async (name, value, message) => {
  const unit = inProcess(charm);
  const options = { source: SOURCE, [name]: value };
  const bad = await unit.run('config-changed', state({ options }));
  expect(bad.exitCode).toBe(0);
  expect(bad.state.status).toEqual({ level: 'blocked', message });
  expect(unit.resources).toBeUndefined();
  const good = await unit.run('config-changed', { ...bad.state, options: { source: SOURCE } });
  expect(good.state.status.level).not.toBe('blocked');
});

test('no database yet', async () => {
  const unit = inProcess(charm);
  const { state: after } = await unit.run('config-changed', state({ relations: [peers] }));
  expect(after.status).toEqual({
    level: 'blocked',
    message: 'no database: juju integrate maas-region:database postgresql:database',
  });
});

test('a secret that is named and not yet granted is waited for', async () => {
  const unit = inProcess(charm);
  const { state: after, exitCode } = await unit.run('config-changed', state({ secrets: [] }));
  expect(exitCode).toBe(0);
  expect(after.status).toEqual({
    level: 'waiting',
    message: 'postgresql to grant the user and its password',
  });
});

test('the database is asked for, and the password is in no databag, log or call of a tool', async () => {
  const unit = inProcess(charm);
  const outcome = await unit.run({ relation: 'changed', id: 4, unit: 'postgresql/0' }, state());
  expect(outcome.exitCode).toBe(0);
  const asked = outcome.state.relations.find(({ id }) => id === 4)?.ownAppData;
  expect(asked).toMatchObject({ database: 'maasdb' });
  const { secrets: _, ...visible } = outcome.state;
  for (const seen of [
    visible,
    outcome.logs,
    outcome.calls.map(({ tool, args }) => [tool, args]),
    outcome.statuses,
  ])
    expect(JSON.stringify(seen)).not.toContain(PASSWORD);
});

test('a unit that is being removed writes nothing for the others, also when its relations break one by one', async () => {
  const unit = inProcess(charm);
  const before = state({
    relations: [
      { ...peers, units: { 'maas-region/1': {} }, appData: { url: 'http://10.0.0.200/MAAS' } },
      database,
    ],
  });
  const departed = { relation: 'departed', id: 4, unit: 'postgresql/0', departing: 'maas-region/0' } as const;
  const { state: after, exitCode } = await unit.run(departed, before);
  expect(exitCode).toBe(0);
  expect(after.relations.find(({ id }) => id === 1)?.appData).toEqual({ url: 'http://10.0.0.200/MAAS' });
  expect(unit.resources).toEqual([]);
});

test('tls-mode=passthrough asks the CA once, for the name that MAAS has, and the key stays in a secret of the application', async () => {
  const unit = inProcess(charm);
  const ca = { id: 6, endpoint: 'certificates', app: 'ca', units: { 'ca/0': {} } } as const;
  const options = { source: SOURCE, 'maas-url': 'http://maas.example.com', 'tls-mode': 'passthrough' };
  const asked = await unit.run(
    { relation: 'changed', id: 6, unit: 'ca/0' },
    state({ options, relations: [peers, database, ca] }),
  );
  expect(asked.exitCode).toBe(0);
  const bag = asked.state.relations.find(({ id }) => id === 6)?.ownAppData ?? {};
  const requests: unknown = JSON.parse(bag['certificate_signing_requests'] ?? '[]');
  expect(requests).toEqual([
    { certificate_signing_request: expect.stringContaining('BEGIN CERTIFICATE REQUEST'), ca: false },
  ]);
  const key = asked.state.secrets.find(({ label }) => label === 'tls-certificates');
  expect(key).toMatchObject({ owner: 'application' });
  const { secrets: _, ...visible } = asked.state;
  for (const seen of [visible, asked.logs, asked.calls.map(({ tool, args }) => [tool, args])])
    expect(JSON.stringify(seen)).not.toContain('PRIVATE KEY');
  const again = await unit.run('update-status', asked.state);
  expect(again.state.relations).toEqual(asked.state.relations);
  // Another unit of the application leaves it alone.
  const follower = await inProcess(charm).run('update-status', { ...asked.state, isLeader: false });
  expect(follower.state.relations).toEqual(asked.state.relations);
});

test('a secret that the user gave and did not grant: what to type', async () => {
  const unit = inProcess(charm);
  const options = {
    source: SOURCE,
    'maas-url': 'http://maas.example.com',
    'tls-mode': 'passthrough',
    certificate: 'secret:9m4e2mr0ui3e8a215n50',
  };
  const { state: after, exitCode } = await unit.run('config-changed', state({ options }));
  expect(exitCode).toBe(0);
  expect(after.status).toEqual({
    level: 'blocked',
    message: 'certificate= cannot be read: juju grant-secret secret:9m4e2mr0ui3e8a215n50 maas-region',
  });
});

test('a collector is told on the unit, also before MAAS is there', async () => {
  const unit = inProcess(charm);
  const collector = {
    id: 8,
    endpoint: 'cos-agent',
    app: 'grafana-agent',
    units: { 'grafana-agent/0': {} },
  } as const;
  const { state: after } = await unit.run(
    { relation: 'joined', id: 8, unit: 'grafana-agent/0' },
    state({ relations: [peers, database, collector] }),
  );
  const { config = '' } = after.relations.find(({ id }) => id === 8)?.localUnitData ?? {};
  expect(JSON.parse(config)).toMatchObject({
    metrics_scrape_jobs: [{ job_name: 'maas-region_regiond' }, { job_name: 'maas-region_database' }],
    dashboards: [expect.stringMatching(/^\/Td6WFoA/)],
  });
});

test('on several networks a region tells others the address that Juju has them come in at, on each its own', async () => {
  const docker = { interface: 'docker0', address: '172.17.0.1', cidr: '172.17.0.0/16' };
  const lan = { interface: 'enp5s0', address: '10.20.0.90', cidr: '10.20.0.0/24' };
  const networks = { 'region-cluster': { addresses: [docker, lan], ingressAddresses: ['10.20.0.90'] } };
  const { state: after } = await inProcess(charm).run('config-changed', state({ networks }));
  expect(after.relations[0]?.localUnitData).toMatchObject({ address: '10.20.0.90' });
});
