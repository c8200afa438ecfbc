import { expect, test } from '@jest/globals';
import { FullStatus, statusFormats } from '../../../../shared/juju-local/src/cli/status.ts';
import { fullStatus } from '../../../../shared/juju-local/src/daemon/status.ts';
import { verbs } from '../../../../shared/juju-local/src/daemon/verbs.ts';
import { charmInfo, World } from '../world.ts';

const DB = charmInfo('db', { provides: { server: 'sql' }, peers: { cluster: 'db-cluster' } });
const WEB = charmInfo('web', { requires: { db: 'sql' } });
const LOG = charmInfo('log', {
  subordinate: true,
  requires: { host: { interface: 'juju-info', scope: 'container' } },
});
const BASE = { name: 'ubuntu', channel: '24.04' };

/** db/0 is well, db/1 has failed with web, log/0 rides on web/0. */
async function model(): Promise<World> {
  const world = new World();
  await world.add(DB, 2, async ({ unit, name, tool }) => {
    if (name === 'install') await tool('status-set', 'active', 'x'.repeat(130));
    if (unit === 'db/0' && name === 'start') await tool('open-port', '80');
    return unit === 'db/1' && name === 'server-relation-joined' ? 1 : 0;
  });
  await world.add(WEB, 1, async ({ name, tool }) => {
    if (name === 'install') {
      await tool('status-set', 'blocked', 'type this');
      await tool('application-version-set', '1.2');
    }
  });
  await world.add(LOG, 0);
  world.model.application('db').leader = 'db/0';
  world.model.relate('web', 'db');
  world.model.relate('log', 'web');
  await world.start();
  await world.settle();
  return world;
}

function show(world: World, format: string, selectors: readonly string[] = [], withRelations = true): string {
  const status = FullStatus.parse(fullStatus(world.model, BASE, selectors));
  return statusFormats[format]?.(status, withRelations) ?? '';
}

/** The lines of one section of the table, without its header and with single spaces. */
function section(table: string, title: string): string[] {
  const found = table.split('\n\n').find((text) => text.startsWith(title)) ?? '';
  return found
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.replaceAll(/(?<=\S) +/g, ' '));
}

test('the table has the columns of juju', async () => {
  await using world = await model();
  const table = show(world, 'tabular');
  const cut = `${'x'.repeat(117)}...`;
  expect(table.split('\n\n').map((text) => text.split('\n')[0]?.replaceAll(/ {2,}/g, '|'))).toEqual([
    'Model|Controller|Cloud/Region|Version|Timestamp',
    'App|Version|Status|Scale|Charm|Channel|Rev|Exposed|Message',
    'Unit|Workload|Agent|Machine|Public address|Ports|Message',
    'Machine|State|Address|Inst id|Base|AZ|Message',
    'Integration provider|Requirer|Interface|Type|Message',
  ]);
  expect(section(table, 'App')).toEqual([
    `db error 2 db 0 no hook failed: "server-relation-joined" for web:db`,
    'log unknown 1 log 0 no',
    'web 1.2 blocked 1 web 0 no type this',
  ]);
  expect(section(table, 'Unit')).toEqual([
    `db/0* active idle 0 10.0.0.10 80/tcp ${cut}`,
    'db/1 error idle 1 10.0.0.11 hook failed: "server-relation-joined" for web:db',
    'web/0* blocked idle 2 10.0.0.12 type this',
    '  log/0* unknown idle 10.0.0.12',
  ]);
  expect(section(table, 'Integration provider')).toEqual([
    'db:cluster db:cluster db-cluster peer',
    'db:server web:db sql regular',
    'web:juju-info log:host juju-info subordinate',
  ]);
  expect(section(table, 'Machine')[0]).toBe('0 started 10.0.0.10 machine-0 ubuntu@24.04 Running');
  expect(show(world, 'tabular', [], false)).not.toContain('Integration');
});

test('scale counts units that are up of all, and a unit that runs something says what', async () => {
  await using world = await model();
  await world.scheduler.powerOff('1');
  world.unit('db/0').agent = {
    current: 'executing',
    message: 'running server-relation-changed hook for web/0',
    since: '',
  };
  const table = show(world, 'tabular');
  expect(section(table, 'App')[0]).toContain('1/2 db');
  expect(section(table, 'Unit')[0]).toContain('(server-relation-changed) xxx');
  expect(section(table, 'Unit')[1]).toBe('db/1 unknown lost 1 10.0.0.11 machine 1 is down');
});

test('json has the keys of juju, with subordinates under their principals', async () => {
  await using world = await model();
  const json: unknown = JSON.parse(show(world, 'json'));
  expect(json).toMatchObject({
    model: { name: 'test', type: 'iaas', version: '3.6.28', 'model-status': { current: 'available' } },
    machines: { '0': { 'juju-status': { current: 'started' }, 'dns-name': '10.0.0.10', base: BASE } },
    applications: {
      db: {
        charm: 'local:db-0',
        'charm-origin': 'local',
        'charm-name': 'db',
        'charm-rev': 0,
        exposed: false,
        relations: {
          cluster: [{ 'related-application': 'db', interface: 'db-cluster', scope: 'global' }],
          server: [{ 'related-application': 'web', interface: 'sql', scope: 'global' }],
        },
        units: {
          'db/0': { leader: true, machine: '0', 'open-ports': ['80/tcp'], 'public-address': '10.0.0.10' },
        },
      },
      log: { 'subordinate-to': ['web'] },
      web: { version: '1.2', units: { 'web/0': { subordinates: { 'log/0': {} } } } },
    },
    storage: {},
  });
  expect(json).not.toHaveProperty('relations');
  expect(json).not.toHaveProperty('applications.log.units');
  expect(json).toHaveProperty(
    ['applications', 'web', 'units', 'web/0', 'workload-status', 'since'],
    expect.stringMatching(/^\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\dZ$/),
  );
});

test('selectors name applications, units and machines', async () => {
  await using world = await model();
  expect(section(show(world, 'tabular', ['db/1'], false), 'Unit')).toHaveLength(1);
  expect(
    section(show(world, 'tabular', ['log'], false), 'Unit').map(
      (line) => line.split(' ')[0] || line.trim().split(' ')[0],
    ),
  ).toEqual(['web/0*', 'log/0*']);
  expect(section(show(world, 'tabular', ['2'], false), 'App')).toHaveLength(2);
  expect(() => show(world, 'tabular', ['nothing'])).toThrow('nothing in the model is named "nothing"');
});

test('line and summary', async () => {
  await using world = await model();
  expect(show(world, 'line')).toContain('- db/0: 10.0.0.10 (agent:idle, workload:active) 80/tcp\n');
  expect(show(world, 'summary')).toContain('# Units: (4)\n    active: 1\n    error: 1\n');
});

test('show-unit has the databags that the unit sees', async () => {
  await using world = await model();
  const answer = await verbs['show-unit']?.(world.daemon, { names: ['web/0'] }, () => undefined);
  expect(answer).toMatchObject({
    'web/0': {
      machine: '2',
      leader: true,
      'relation-info': [
        {
          'relation-id': 1,
          endpoint: 'db',
          'related-endpoint': 'server',
          'related-units': { 'db/0': { 'in-scope': true, data: { 'ingress-address': '10.0.0.10' } } },
        },
        { 'relation-id': 2 },
      ],
    },
  });
});
