import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { charmInfo, World, type Said } from '../world.ts';

/** `db/0`, leading, and `db/1`, related to `web/0`; `lone/0` has no relation. */
const world = new World();

beforeAll(async () => {
  const options = {
    port: { type: 'int', default: 80, description: '' },
    name: { type: 'string', description: '' },
    debug: { type: 'boolean', default: false, description: '' },
  } as const;
  await world.add(
    charmInfo('db', {
      provides: { server: 'sql' },
      peers: { cluster: 'db-cluster' },
      options: { ...options },
    }),
    2,
  );
  await world.add(charmInfo('web', { requires: { db: 'sql' } }));
  world.model.application('db').leader = 'db/0';
  world.model.relate('web', 'db');
  await world.start();
  await world.settle();
  const relation = world.model.relations.get(1);
  if (!relation) throw new Error('no relation');
  world.model.writeBag(relation, 'web/0', { host: 'example', many: 'a b' });
  world.model.writeBag(relation, 'web', { url: 'http://web' });
  world.model.writeBag(relation, 'db', { secret: 'mine' });
  world.unit('web/0').ports = ['443/tcp'];
  await world.settle();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Runs a tool as a command on a unit does, outside of any relation's hook. */
async function say(unit: string, ...[tool = '', ...args]: readonly string[]): Promise<Said> {
  let said: Said | undefined;
  await world.inside(unit, async ({ call }) => {
    said = await call(tool, ...args);
  });
  if (!said) throw new Error(`${unit} did not run`);
  return said;
}

const NETWORK = {
  'bind-addresses': [
    {
      'mac-address': '',
      'interface-name': 'eth0',
      addresses: [{ hostname: '', value: '10.0.0.10', cidr: '10.0.0.0/24' }],
    },
  ],
  'egress-subnets': ['10.0.0.10/32'],
  'ingress-addresses': ['10.0.0.10'],
};

test.each<[string, string, unknown]>([
  ['db/0', 'relation-ids server', ['server:1']],
  ['db/0', 'relation-ids nothing', []],
  ['db/0', 'relation-list -r server:1', ['web/0']],
  ['db/0', 'relation-list -r 1', ['web/0']],
  ['db/0', 'relation-list -r whatever:1', ['web/0']],
  ['db/0', 'relation-list -r cluster:0', ['db/1']],
  ['db/0', 'relation-list -r 1 --app', 'web'],
  ['db/0', 'relation-get -r 1 host web/0', 'example'],
  ['db/0', 'relation-get -r 1 missing web/0', null],
  ['db/0', 'relation-get -r 1 --app - web', { url: 'http://web' }],
  ['db/0', 'relation-get -r 1 --app url web/0', 'http://web'],
  ['db/0', 'relation-get -r 1 --app - db', { secret: 'mine' }],
  [
    'db/0',
    'relation-get -r 1 - db/0',
    { 'ingress-address': '10.0.0.10', 'egress-subnets': '10.0.0.10/32', 'private-address': '10.0.0.10' },
  ],
  ['db/1', 'relation-get -r 0 --app - db', {}],
  ['db/0', 'config-get', { port: 80, debug: false }],
  ['db/0', 'config-get --all', { port: 80, name: null, debug: false }],
  ['db/0', 'config-get port', 80],
  ['db/0', 'config-get unknown', null],
  ['db/0', 'status-get', { status: 'unknown' }],
  ['db/0', 'status-get --include-data', { message: '', status: 'unknown', 'status-data': {} }],
  [
    'db/0',
    'status-get --application',
    {
      'application-status': {
        status: 'unknown',
        units: { 'db/0': { status: 'unknown' }, 'db/1': { status: 'unknown' } },
      },
    },
  ],
  ['db/0', 'is-leader', true],
  ['db/1', 'is-leader', false],
  ['db/0', 'leader-get', {}],
  ['db/0', 'leader-get key', null],
  ['db/0', 'unit-get private-address', '10.0.0.10'],
  ['db/0', 'network-get server', NETWORK],
  ['db/0', 'network-get server --bind-address', '10.0.0.10'],
  [
    'db/0',
    'network-get server --ingress-address --egress-subnets',
    { 'ingress-address': '10.0.0.10', 'egress-subnets': ['10.0.0.10/32'] },
  ],
  ['web/0', 'opened-ports', ['443/tcp']],
  ['web/0', 'opened-ports --endpoints', ['443/tcp (*)']],
  ['db/0', 'opened-ports', []],
  ['db/0', 'state-get', null],
  ['db/0', 'state-get missing', ''],
  ['db/0', 'secret-ids', null],
  ['db/0', 'storage-list', []],
])('%s: %s prints %j', async (unit, command, value) => {
  const [tool = '', ...args] = command.split(' ');
  expect(await say(unit, tool, ...args, '--format=json')).toEqual({
    exitCode: 0,
    stdout: `${JSON.stringify(value)}\n`,
    stderr: '',
  });
});

test.each<[string, string]>([
  ['is-leader', 'True\n'],
  ['relation-ids server', 'server:1\n'],
  ['relation-ids nothing', ''],
  ['relation-get -r 1 missing web/0', ''],
  ['config-get port', '80\n'],
  ['status-get', 'unknown\n'],
  ['state-get', '{}\n'],
  ['relation-get -r 1 --app - web', 'url: http://web\n'],
])('%s prints %j without a format', async (command, stdout) => {
  expect(await say('db/0', ...command.split(' '))).toEqual({ exitCode: 0, stdout, stderr: '' });
});

test.each<[string, string, number, string]>([
  ['db/0', 'relation-ids', 2, 'no endpoint name specified'],
  ['db/0', 'relation-list', 2, 'no relation id specified'],
  ['db/0', 'relation-list -r x', 2, 'invalid value "x" for option -r: invalid relation id'],
  ['db/0', 'relation-list -r db:99', 2, 'invalid value "db:99" for option -r: relation not found'],
  ['db/0', 'relation-get -r 1', 2, 'no unit or application specified'],
  ['db/0', 'relation-get -r 1 - web', 2, 'expected unit name, got application name "web"'],
  [
    'db/0',
    'relation-get -r 1 - web/9',
    1,
    'cannot read settings for unit "web/9" in relation "web:db db:server": unit "web/9": settings not found',
  ],
  ['db/1', 'relation-get -r 1 --app - db', 1, 'permission denied'],
  ['db/1', 'relation-set -r 1 --app a=b', 1, 'cannot write relation settings'],
  ['db/1', 'relation-set -r 0 --app a=b', 1, 'cannot write relation settings'],
  ['db/0', 'relation-set -r 1 a', 2, 'expected "key=value", got "a"'],
  ['db/0', 'config-get --all port', 2, 'cannot use argument --all together with key "port"'],
  ['db/1', 'status-get --application', 1, 'finding application status: this unit is not the leader'],
  [
    'db/0',
    'status-set happy',
    2,
    'invalid status "happy", expected one of [maintenance blocked waiting active]',
  ],
  ['db/1', 'status-set --application active', 1, 'this unit is not the leader'],
  ['db/1', 'leader-set a=b', 1, 'cannot write leadership settings: cannot write settings: not the leader'],
  ['db/0', 'unit-get address', 2, 'unknown setting "address"'],
  ['db/0', 'network-get', 2, 'no arguments specified'],
  ['db/0', 'network-get nothing', 1, 'no network config found for binding "nothing"'],
  ['db/0', 'open-port 99999', 2, 'port range bounds must be between 0 and 65535, got 99999-99999'],
  ['db/0', 'open-port 90-80/tcp', 2, 'invalid port range 90-80/tcp'],
  ['db/0', 'state-get missing --strict', 1, '"missing" not found'],
  ['db/0', 'secret-add', 2, 'missing secret value or filename'],
  ['db/0', 'secret-add Key=x', 2, 'key "Key" not valid'],
  ['db/0', 'secret-add abc=x --rotate often', 2, 'rotate policy "often" not valid'],
  ['db/0', 'secret-add abc=x --expire soon', 2, 'expire time or duration "soon" not valid'],
  ['db/1', 'secret-add abc=x', 1, 'this unit is not the leader'],
  ['db/0', 'secret-get', 2, 'require either a secret URI or label'],
  ['db/0', 'secret-get secret:9m4e2mr0ui3e8a215n4g', 1, 'secret "9m4e2mr0ui3e8a215n4g" not found'],
  ['db/0', 'secret-get --label nothing', 1, 'consumer label "nothing" not found'],
  ['db/0', 'secret-info-get 9m4e2mr0ui3e8a215n4g', 1, 'secret "9m4e2mr0ui3e8a215n4g" not found'],
  [
    'db/0',
    'secret-info-get 9m4e2mr0ui3e8a215n4g --label x',
    2,
    'specify either a secret URI or label but not both',
  ],
  ['db/0', 'secret-grant 9m4e2mr0ui3e8a215n4g', 2, 'no relation id specified'],
  ['db/0', 'secret-grant 9m4e2mr0ui3e8a215n4g -r 1', 1, 'secret "9m4e2mr0ui3e8a215n4g" not found'],
  ['db/0', 'secret-revoke 9m4e2mr0ui3e8a215n4g', 2, 'missing relation or application or unit'],
  ['db/0', 'storage-get', 2, 'no storage instance specified'],
  ['db/0', 'credential-get', 1, 'cannot access cloud credentials: permission denied'],
  ['db/0', 'application-version-set', 2, 'no version specified'],
  ['db/0', 'juju-log', 2, 'no message specified'],
])('%s: %s exits with %i', async (unit, command, exitCode, message) => {
  expect(await say(unit, ...command.split(' '))).toEqual({
    exitCode,
    stdout: '',
    stderr: `ERROR ${message}\n`,
  });
});

test('an unknown flag exits with 2, a bad format too', async () => {
  expect((await say('db/0', 'is-leader', '--nonsense')).exitCode).toBe(2);
  expect((await say('db/0', 'is-leader', '--format=xml')).exitCode).toBe(2);
});

test('without a context a tool says so, and one whose hook is over is not let in', async () => {
  let id = '';
  await world.inside('db/0', async ({ env }) => void (id = env['JUJU_CONTEXT_ID'] ?? ''));
  let said: Said | undefined;
  await world.inside('db/0', async (run) => {
    const folder = world.machines.jujuDirectory('0');
    const {
      exitCode = -1,
      stdout,
      stderr,
    } = await execa(`${folder}/tools/unit-db-0/is-leader`, {
      env: { JUJU_CONTEXT_ID: id, JUJU_AGENT_SOCKET_ADDRESS: `${folder}/agent.socket` },
      reject: false,
    });
    said = { exitCode, stdout, stderr };
    expect(run.env['JUJU_CONTEXT_ID']).not.toBe(id);
  });
  expect(said).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'ERROR bad request: bad context: unknown context id',
  });
});

test('leader-set counts at once, and tells all other units', async () => {
  await world.inside('db/0', async ({ tool }) => {
    await tool('leader-set', 'a=b');
    return 1;
  });
  expect(await world.settle()).toContain('db/1 leader-settings-changed');
  expect((await say('db/1', 'leader-get', 'a')).stdout).toBe('b\n');
});

test('relation-set takes a map from a file or stdin, as it is spelled; arguments win; "" deletes', async () => {
  const folder = world.machines.jujuDirectory('0');
  await world.inside('db/0', async ({ env, tool }) => {
    const options = {
      env: { ...env, PATH: process.env['PATH'], JUJU_AGENT_SOCKET_ADDRESS: `${folder}/agent.socket` },
      input: 'one: 1\ntwo: yes\nthree: 1.0\nfour: |\n  two\n  lines\n',
      extendEnv: false,
    } as const;
    await execa(`${folder}/tools/unit-db-0/relation-set`, ['-r', '1', '--file', '-', 'one=over'], options);
    await tool('relation-set', '-r', '1', 'k=v', 'gone=x');
    await tool('relation-set', '-r', '1', 'gone=');
    expect(JSON.parse(await tool('relation-get', '-r', '1', '-', 'db/0', '--format=json'))).toMatchObject({
      one: 'over',
      two: 'yes',
      three: '1.0',
      four: 'two\nlines\n',
      k: 'v',
    });
    expect(await tool('relation-get', '-r', '1', 'gone', 'db/0')).toBe('');
  });
  expect(await world.settle()).toEqual(['web/0 db-relation-changed 1 db db/0']);
  await world.inside('db/0', async ({ tool }) => void (await tool('relation-set', '-r', '1', 'k=v')));
  expect(await world.settle()).toEqual([]); // the same value is no change
});

test('a port that another unit of the machine has is refused', async () => {
  world.model.addUnit('web', '0').ports = ['8000-8010/tcp'];
  expect(await say('db/0', 'open-port', '8005')).toEqual({
    exitCode: 1,
    stdout: '',
    stderr:
      'ERROR cannot open 8005/tcp (unit "db/0"): port range conflicts with 8000-8010/tcp (unit "web/1")\n',
  });
  expect((await say('db/0', 'open-port', '8005/udp')).exitCode).toBe(0);
});
