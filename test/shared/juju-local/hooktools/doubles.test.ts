// The two doubles of Juju's hook tools, juju-local's and the testing kit's, know nothing of each other. Here both are
// asked the same, and have to say what Juju's own tools say: exit code, words and refusals.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { stateOf, type State, type TestEvent } from 'juju-ts-ops/testing';
import { FakeJuju } from '../../../../shared/juju-ts-ops/src/testing/juju.ts';
import { charmInfo, World } from '../world.ts';

const folder = mkdtempSync(join(tmpdir(), 'doubles-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MAP = join(folder, 'map');
writeFileSync(MAP, 'one: yes\ntwo: 0x10\nthree: ~\nfour: "~"\n');
const MERGED = join(folder, 'merged');
writeFileSync(MERGED, '<<: {one: 1, two: a}\ntwo: b\ntwo: c\n');
const LIST = join(folder, 'list');
writeFileSync(LIST, '- a\n');
const CONTENT = join(folder, 'content');
writeFileSync(CONTENT, 'token: from-file\n');

/** An application secret with a label, and one that nobody has. */
const [OWN, NONE] = ['c1234567890123456789', 'd9999999999999999999'] as const;

const charmcraft = {
  name: 'db',
  subordinate: false,
  provides: { server: { interface: 'sql', scope: 'global' } },
  requires: {},
  peers: { cluster: { interface: 'db-cluster', scope: 'global' } },
  options: {
    port: { type: 'int', default: 80 },
    name: { type: 'string' },
    debug: { type: 'boolean', default: false },
  },
  actions: { backup: { params: { to: { type: 'string' } }, required: [] } },
} as const;

/** The same in both: db/0, which leads, db/1, and web/0 at the other end of relation 1. */
async function worldOf(juju: 3 | 4): Promise<World> {
  const world = new World(juju);
  const { provides, peers, options } = charmcraft;
  await world.add(
    charmInfo('db', {
      provides: { server: provides.server.interface },
      peers: { cluster: peers.cluster.interface },
      options: {
        port: { ...options.port, description: '' },
        name: { ...options.name, description: '' },
        debug: { ...options.debug, description: '' },
      },
      actions: {
        backup: {
          description: '',
          params: { to: { type: 'string' } },
          required: [],
          additionalProperties: false,
        },
      },
    }),
    2,
  );
  await world.add(charmInfo('web', { requires: { db: 'sql' } }));
  world.model.application('db').leader = 'db/0';
  world.model.relate('web', 'db');
  world.model.secrets.set(OWN, {
    id: OWN,
    owner: 'db',
    label: 'key',
    revisions: [{ number: 1, content: { value: 'v1' } }],
    grants: [],
    consumers: {},
  });
  await world.start();
  await world.settle();
  const relation = world.model.relations.get(1);
  if (!relation) throw new Error('no relation');
  world.model.writeBag(relation, 'web/0', { host: 'example' });
  world.model.writeBag(relation, 'web', { url: 'http://web' });
  world.unit('db/0').ports = ['8000-8010/tcp'];
  world.unit('db/0').workload = { current: 'active', message: 'at work', since: '' };
  await world.settle();
  return world;
}

function stateFor(juju: 3 | 4, isLeader: boolean): State<typeof charmcraft> {
  return stateOf(
    { charmcraft },
    {
      jujuVersion: juju === 4 ? '4.1.0' : '3.6.28',
      unit: isLeader ? 'db/0' : 'db/1',
      isLeader,
      relations: [
        { id: 0, endpoint: 'cluster', app: 'db', units: { [isLeader ? 'db/1' : 'db/0']: {} } },
        {
          id: 1,
          endpoint: 'server',
          app: 'web',
          appData: { url: 'http://web' },
          units: { 'web/0': { host: 'example' } },
        },
      ],
      secrets: [
        {
          uri: `secret:${OWN}`,
          owner: 'application',
          label: 'key',
          revisions: [{ number: 1, content: { value: 'v1' } }],
        },
      ],
      ports: isLeader ? ['8000-8010/tcp'] : [],
      status: { level: 'active', message: 'at work' },
    },
  );
}

/** In which run of the charm something is asked. */
const WHERE = {
  'no relation': { unit: 'db/0', hook: 'update-status', event: 'update-status' },
  'not leading': { unit: 'db/1', hook: 'update-status', event: 'update-status' },
  'a unit changed': {
    unit: 'db/0',
    hook: 'server-relation-changed',
    event: { relation: 'changed', id: 1, unit: 'web/0' },
  },
  'an application changed': {
    unit: 'db/0',
    hook: 'server-relation-changed',
    event: { relation: 'changed', id: 1 },
  },
  'an action': { unit: 'db/0', hook: 'actions/backup', event: { action: 'backup', params: { to: '/srv' } } },
} as const satisfies Record<
  string,
  { readonly unit: string; readonly hook: string; readonly event: TestEvent<typeof charmcraft> }
>;
type Where = keyof typeof WHERE;

/** Where, the words, the exit code, and what is printed: the answer, or the refusal without `ERROR `. */
type Row = readonly [where: Where, words: string, exitCode: 0 | 1 | 2, said: string];

const SURPLUS: readonly string[] = [
  'relation-ids server',
  'relation-list -r 1',
  'relation-get -r 1 host web/0',
  'relation-model-get -r 1',
  'config-get port',
  'status-get',
  'status-set active well',
  'is-leader',
  'unit-get private-address',
  'network-get server',
  'open-port 99',
  'close-port 99',
  'opened-ports',
  'state-get a',
  'state-delete a',
  'goal-state',
  'storage-list data',
  'storage-get -s data/0 kind',
  'credential-get',
  'resource-get theme',
  'application-version-set 1',
  `secret-get ${OWN} value`,
  `secret-info-get ${OWN}`,
  'secret-ids',
  `secret-grant ${OWN} -r 1`,
  `secret-revoke ${OWN} --app web`,
  `secret-remove ${OWN}`,
  'juju-reboot',
];

const rows: readonly Row[] = [
  ...SURPLUS.filter((words) => words !== 'juju-reboot').map((words): Row => [
    'no relation',
    `${words} surplus`,
    2,
    'unrecognized args: ["surplus"]',
  ]),
  ['an action', 'action-get to x', 2, 'unrecognized args: ["x"]'],
  ['an action', 'action-fail no more', 2, 'unrecognized args: ["more"]'],

  // How a command line is taken apart.
  ['no relation', 'is-leader --nonsense', 2, 'option provided but not defined: --nonsense'],
  ['no relation', 'is-leader -x', 2, 'option provided but not defined: -x'],
  [
    'no relation',
    'is-leader --format=xml',
    2,
    'invalid value "xml" for option --format: unknown format "xml"',
  ],
  ['no relation', 'is-leader --format', 2, 'option needs an argument: --format'],
  ['no relation', 'relation-list -r1 --format=json', 0, '["web/0"]'],
  ['no relation', 'relation-list -r 1 --app=true', 0, 'web'],
  ['no relation', 'relation-list -r 1 --app --app=false', 0, 'web/0'],
  [
    'no relation',
    'relation-list -r 1 --app=yes',
    2,
    'invalid value "yes" for option --app: strconv.ParseBool: parsing "yes": invalid syntax',
  ],
  [
    'no relation',
    'goal-state --format=smart',
    2,
    'invalid value "smart" for option --format: unknown format "smart"',
  ],
  [
    'no relation',
    `secret-get ${OWN} --format=smart`,
    2,
    'invalid value "smart" for option --format: unknown format "smart"',
  ],

  // Relations.
  ['no relation', 'relation-ids', 2, 'no endpoint name specified'],
  ['a unit changed', 'relation-ids', 0, 'server:1'],
  ['no relation', 'relation-list', 2, 'no relation id specified'],
  ['no relation', 'relation-list -r', 2, 'option needs an argument: -r'],
  ['no relation', 'relation-list -r 1x', 2, 'invalid value "1x" for option -r: invalid relation id'],
  [
    'no relation',
    'relation-list -r server:',
    2,
    'invalid value "server:" for option -r: invalid relation id',
  ],
  ['no relation', 'relation-list -r 0x1', 2, 'invalid value "0x1" for option -r: invalid relation id'],
  ['no relation', 'relation-get -r 1', 2, 'no unit or application specified'],
  ['no relation', 'relation-get -r 1 --app', 2, 'no unit or application specified'],
  ['no relation', 'relation-get -r 1 --app - web', 0, 'url: http://web'],
  ['no relation', 'relation-get -r 1 --app url web/7', 0, 'http://web'],
  ['no relation', 'relation-get -r 1 - web', 2, 'expected unit name, got application name "web"'],
  ['no relation', 'relation-get -r 1 - Web/0', 2, 'invalid unit name "Web/0"'],
  ['no relation', 'relation-get -r 1 - web/00', 2, 'invalid unit name "web/00"'],
  ['a unit changed', 'relation-get host', 0, 'example'],
  ['a unit changed', 'relation-get --app url', 0, 'http://web'],
  ['a unit changed', 'relation-get nothing', 0, ''],
  ['an application changed', 'relation-get', 0, 'url: http://web'],
  ['an application changed', 'relation-get url', 0, 'http://web'],
  ['not leading', 'relation-set -r 1 --app a=b', 1, 'cannot write relation settings'],
  ['not leading', 'relation-get -r 0 --app - db', 0, '{}'],
  ['no relation', 'relation-set a=b', 2, 'no relation id specified'],
  ['no relation', 'relation-set -r 1 a', 2, 'expected "key=value", got "a"'],
  ['no relation', 'relation-set -r 1 =b', 2, 'expected "key=value", got "=b"'],
  ['no relation', 'relation-set -r 1 a=b a=c', 2, 'key "a" specified more than once'],
  ['no relation', `relation-set -r 1 --file ${MAP} five=5`, 0, ''],
  ['no relation', 'relation-get -r 1 one db/0', 0, 'yes'],
  ['no relation', 'relation-get -r 1 two db/0', 0, '0x10'],
  ['no relation', 'relation-get -r 1 three db/0', 0, ''],
  ['no relation', 'relation-get -r 1 four db/0', 0, '~'],
  ['no relation', 'relation-get -r 1 five db/0', 0, '5'],
  ['no relation', `relation-set -r 1 --file ${MERGED}`, 0, ''],
  ['no relation', 'relation-get -r 1 one db/0', 0, '1'],
  ['no relation', 'relation-get -r 1 two db/0', 0, 'c'],

  // Options, statuses, addresses.
  ['no relation', 'config-get --all port', 2, 'cannot use argument --all together with key "port"'],
  ['no relation', 'config-get nothing --format=yaml', 0, ''],
  ['no relation', 'config-get nothing --format=json', 0, 'null'],
  ['no relation', 'config-get -a', 0, 'port: 80\nname: null\ndebug: false'],
  ['no relation', 'status-get', 0, 'active'],
  ['no relation', 'status-get --include-data', 0, 'message: at work\nstatus: active\nstatus-data: {}'],
  ['no relation', 'status-get --format=json', 0, '{"status":"active"}'],
  ['not leading', 'status-get --application', 1, 'finding application status: this unit is not the leader'],
  ['no relation', 'status-set', 2, 'invalid args, require <status> [message]'],
  [
    'no relation',
    'status-set happy',
    2,
    'invalid status "happy", expected one of [maintenance blocked waiting active]',
  ],
  ['not leading', 'status-set --application active', 1, 'this unit is not the leader'],
  ['no relation', 'status-set -- active -', 0, ''],
  ['no relation', 'status-set --application waiting', 0, ''],
  ['no relation', 'status-get --application', 0, 'waiting'],
  ['no relation', 'unit-get', 2, 'no setting specified'],
  ['no relation', 'unit-get address', 2, 'unknown setting "address"'],
  ['no relation', 'network-get', 2, 'no arguments specified'],
  ['no relation', 'network-get nothing', 1, 'no network config found for binding "nothing"'],
  ['no relation', 'network-get server -r 999', 2, 'invalid value "999" for option -r: relation not found'],
  [
    'no relation',
    'network-get server --primary-address --bind-address',
    1,
    '--primary-address must be the only flag specified',
  ],

  // Ports.
  ['no relation', 'open-port', 2, 'no port or range specified'],
  ['no relation', 'open-port http', 2, 'invalid port "http": strconv.Atoi: parsing "http": invalid syntax'],
  ['no relation', 'open-port 1-2-3', 2, 'invalid port range "1-2-3"'],
  ['no relation', 'open-port 80/sctp', 2, 'invalid protocol "sctp", expected "tcp", "udp", or "icmp"'],
  ['no relation', 'open-port 80/icmp', 2, 'protocol "icmp" doesn\'t support any ports; got "80"'],
  ['no relation', 'open-port 90-80', 2, 'invalid port range 90-80/tcp'],
  ['no relation', 'open-port 65536', 2, 'port range bounds must be between 0 and 65535, got 65536-65536'],
  ['no relation', 'open-port 0', 0, ''],
  ['no relation', 'open-port 81/TCP', 0, ''],
  ['no relation', 'open-port 53/udp', 0, ''],
  ['no relation', 'open-port icmp', 0, ''],
  [
    'no relation',
    'open-port 8005',
    1,
    'cannot open 8005/tcp (unit "db/0"): port range conflicts with 8000-8010/tcp (unit "db/0")',
  ],
  [
    'no relation',
    'open-port 80-90',
    1,
    'cannot open 80-90/tcp (unit "db/0"): port range conflicts with 81/tcp (unit "db/0") requested earlier',
  ],
  ['no relation', 'open-port 8000-8010', 0, ''],
  [
    'no relation',
    'close-port 8005',
    1,
    'cannot close 8005/tcp (unit "db/0"): port range conflicts with 8000-8010/tcp (unit "db/0")',
  ],
  ['no relation', 'close-port 0', 0, ''],
  ['no relation', 'close-port 7', 0, ''],
  ['no relation', 'opened-ports', 0, 'icmp\n81/tcp\n8000-8010/tcp\n53/udp'],
  ['no relation', 'opened-ports --endpoints', 0, 'icmp (*)\n81/tcp (*)\n8000-8010/tcp (*)\n53/udp (*)'],

  // The charm's own state.
  ['no relation', 'state-get', 0, '{}'],
  ['no relation', 'state-get --format=json', 0, 'null'],
  ['no relation', 'state-get missing --strict', 1, '"missing" not found'],
  ['no relation', 'state-get missing', 0, ''],
  ['no relation', 'state-set', 0, ''],
  ['no relation', 'state-set a', 2, 'expected "key=value", got "a"'],
  ['no relation', 'state-delete', 0, ''],
  ['no relation', `state-set --file ${LIST}`, 1, `cannot unmarshal ${LIST} into a map`],

  // Secrets.
  ['no relation', 'secret-add', 2, 'missing secret value or filename'],
  ['no relation', 'secret-add token', 2, 'key value "token" not valid'],
  ['no relation', 'secret-add token=', 2, 'key value "token=" not valid'],
  ['no relation', 'secret-add Key=x', 2, 'key "Key" not valid'],
  ['no relation', 'secret-add ab=x', 2, 'key "ab" not valid'],
  ['no relation', 'secret-add token=x --owner model', 2, 'secret owner "model" not valid'],
  ['no relation', 'secret-add token=x --rotate often', 2, 'rotate policy "often" not valid'],
  ['no relation', 'secret-add token=x --expire soon', 2, 'expire time or duration "soon" not valid'],
  [
    'no relation',
    'secret-add token=x --expire 2040-01-01',
    2,
    'expire time or duration "2040-01-01" not valid',
  ],
  ['no relation', 'secret-add token=x --expire -1h', 2, 'negative expire duration "-1h" not valid'],
  ['no relation', 'secret-add token#file=/nonexistent', 2, 'open /nonexistent: no such file or directory'],
  ['no relation', 'secret-add --file -', 2, 'open -: no such file or directory'],
  ['not leading', 'secret-add token=x', 1, 'this unit is not the leader'],
  ['no relation', `secret-add token=x --file ${CONTENT} --label mine`, 0, 'secret:<id>'],
  ['no relation', 'secret-add token=x --label mine', 1, 'secret with label "mine" already exists'],
  ['no relation', 'secret-get --label mine', 0, 'token: from-file'],
  [
    'no relation',
    'secret-info-get --label mine',
    0,
    '<id>:\n  revision: 1\n  label: mine\n  owner: application\n  rotation: never',
  ],
  ['no relation', 'secret-get', 2, 'require either a secret URI or label'],
  ['no relation', 'secret-get secret:short', 2, 'secret URI "secret:short" not valid'],
  ['no relation', `secret-get ${OWN} --peek --refresh`, 2, 'specify one of --peek or --refresh but not both'],
  ['no relation', `secret-get ${NONE}`, 1, 'secret "<id>" not found'],
  ['no relation', 'secret-get --label nothing', 1, 'consumer label "nothing" not found'],
  ['no relation', `secret-get ${OWN} other`, 1, 'secret key value "other" not found'],
  ['no relation', `secret-get secret:${OWN} value#base64`, 0, 'djE='],
  ['no relation', `secret-get secret://11111111-2222-4333-8444-555555555555/${OWN}`, 0, 'value: v1'],
  ['no relation', 'secret-info-get', 2, 'require either a secret URI or label'],
  [
    'no relation',
    `secret-info-get ${OWN} --label key`,
    2,
    'specify either a secret URI or label but not both',
  ],
  ['no relation', `secret-info-get ${NONE}`, 1, 'secret "<id>" not found'],
  ['not leading', `secret-info-get ${OWN}`, 1, 'secret "<id>" not found'],
  ['not leading', 'secret-ids', 0, ''],
  ['not leading', 'secret-ids --format=json', 0, 'null'],
  ['not leading', 'secret-ids --format=yaml', 0, '[]'],
  ['no relation', 'secret-set', 2, 'missing secret URI'],
  ['no relation', 'secret-set x', 2, 'secret URI "x" not valid'],
  ['no relation', `secret-set ${OWN} Key=x`, 2, 'key "Key" not valid'],
  ['an action', `secret-set ${NONE} token=x`, 0, ''],
  ['an action', `secret-remove ${NONE}`, 0, ''],
  ['no relation', 'secret-remove', 2, 'missing secret URI'],
  [
    'no relation',
    `secret-remove ${OWN} --revision one`,
    2,
    'invalid value "one" for option --revision: strconv.ParseInt: parsing "one": invalid syntax',
  ],
  ['no relation', 'secret-grant', 2, 'missing secret URI'],
  ['no relation', `secret-grant ${OWN}`, 2, 'no relation id specified'],
  ['no relation', `secret-grant ${OWN} -r 1 --unit web`, 2, 'unit "web" not valid'],
  [
    'no relation',
    `secret-grant ${OWN} -r 1 --unit other/0`,
    2,
    'cannot specify unit "other/0" in relation to application "web"',
  ],
  ['no relation', `secret-grant ${NONE} -r 1`, 1, 'secret "<id>" not found'],
  ['not leading', `secret-grant ${OWN} -r 1`, 1, 'secret "<id>" not found'],
  ['no relation', `secret-grant ${OWN} -r 1 --unit web/0`, 0, ''],
  [
    'no relation',
    `secret-grant ${OWN} -r 1`,
    1,
    'any unit level grants need to be revoked before granting access to the corresponding application',
  ],
  ['no relation', 'secret-revoke', 2, 'missing secret URI'],
  ['no relation', `secret-revoke ${OWN}`, 2, 'missing relation or application or unit'],
  [
    'no relation',
    `secret-revoke ${OWN} --app web --unit web/0`,
    2,
    'specify only one of application or unit',
  ],
  ['no relation', `secret-revoke ${OWN} --app Web`, 2, 'application "Web" not valid'],
  ['no relation', `secret-revoke ${OWN} -r 1 --app web`, 2, 'do not specify both relation and app'],
  ['a unit changed', `secret-revoke ${OWN} --app web`, 2, 'do not specify both relation and app'],
  ['a unit changed', `secret-revoke ${OWN} -r 1`, 0, ''],
  ['a unit changed', `secret-revoke ${OWN} --unit web/0`, 0, ''],

  // The rest.
  ['no relation', 'storage-get', 2, 'no storage instance specified'],
  ['no relation', 'storage-add', 2, 'storage add requires a storage directive'],
  ['no relation', 'storage-add data=none', 2, 'only count can be specified for "data"'],
  ['no relation', 'resource-get', 2, 'missing required resource name'],
  ['no relation', 'resource-get theme', 1, 'could not download resource: resource#db/theme not found'],
  ['no relation', 'credential-get', 1, 'cannot access cloud credentials: permission denied'],
  ['no relation', 'application-version-set', 2, 'no version specified'],
  ['no relation', 'juju-log', 2, 'no message specified'],
  ['no relation', 'juju-log -l loud --format=json said', 0, ''],
  ['no relation', 'action-get', 1, 'not running an action'],
  ['no relation', 'action-set a=b', 1, 'not running an action'],
  ['no relation', 'action-fail', 1, 'not running an action'],
  ['no relation', 'action-log x', 1, 'not running an action'],
  ['no relation', 'action-log', 2, 'no message specified'],
  ['an action', 'action-get to', 0, '/srv'],
  ['an action', 'action-get', 0, 'to: /srv'],
  ['an action', 'action-get nothing', 0, ''],
  ['an action', 'action-set a', 2, 'argument "a" must be of the form key...=value'],
  [
    'an action',
    'action-set a..b=1',
    2,
    'key "" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens',
  ],
  ['an action', 'action-set a.stdout=1', 2, 'cannot set reserved action key "stdout"'],
  ['an action', 'action-set a.b=1=2', 0, ''],
];

/** What is not the same in 4. */
const only: Readonly<Record<3 | 4, readonly Row[]>> = {
  3: [
    ['no relation', 'leader-get a=b', 2, 'invalid key "a=b"'],
    ['no relation', 'leader-get a b', 2, 'unrecognized args: ["b"]'],
    ['no relation', 'leader-set a', 2, 'expected "key=value", got "a"'],
    [
      'not leading',
      'leader-set a=b',
      1,
      'cannot write leadership settings: cannot write settings: not the leader',
    ],
    ['not leading', 'relation-get -r 1 --app - db', 1, 'permission denied'],
    ['no relation', 'relation-get -r 1 --app - other', 1, 'permission denied'],
  ],
  4: [
    ['not leading', 'relation-get -r 1 --app - db', 0, '{}'],
    ['no relation', 'relation-get -r 1 --app - other', 1, 'permission denied (unauthorized access)'],
    ['no relation', 'relation-get -r 1 private-address db/0', 0, ''],
    ['no relation', 'relation-get -r 1 private-address web/0', 0, ''],
  ],
};

function plain(text: string): string {
  return text
    .replaceAll(/secret:\/\/[0-9a-f-]{36}\//g, 'secret:')
    .replaceAll(/(?<![0-9a-z])[0-9a-v]{20}(?![0-9a-z])/g, '<id>')
    .replace(/into a map.*/, 'into a map')
    .replace(/^ERROR /, '')
    .trimEnd();
}

/** What each double says to all that is asked in one run of the charm, in that order. */
async function asLocal(world: World, where: Where, asked: readonly Row[]): Promise<string[]> {
  const { unit, hook, event } = WHERE[where];
  const said: string[] = [];
  world.charms.set('db', async ({ name, unit: runs, env, call }) => {
    const isOfUnit = (env['JUJU_REMOTE_UNIT'] ?? '') !== '';
    const isWanted = typeof event === 'string' || 'action' in event || isOfUnit === 'unit' in event;
    if (runs !== unit || name !== hook || !isWanted || said.length > 0) return;
    for (const [, words] of asked) {
      const [tool = '', ...args] = words.split(' ');
      const { exitCode, stdout, stderr } = await call(tool, ...args);
      said.push(`${words}: ${exitCode} ${plain(stdout + stderr)}`);
    }
    return 1; // nothing of it counts
  });
  const relation = world.model.relations.get(1);
  if (!relation) throw new Error('no relation');
  if (typeof event === 'string') await world.pass(600_000);
  else if ('action' in event) await world.runAction(unit, 'backup', event.params);
  else
    for (const again of ['yes', ''])
      world.model.writeBag(relation, 'unit' in event ? 'web/0' : 'web', { again }); // changed, and as it was
  await world.settle();
  world.charms.delete('db');
  await world.pass(600_000);
  return said;
}

function asKit(juju: 3 | 4, where: Where, asked: readonly Row[]): string[] {
  const { unit, event } = WHERE[where];
  const fake = new FakeJuju(charmcraft, stateFor(juju, unit === 'db/0'), event);
  return asked.map(([, words]) => {
    const [tool = '', ...args] = words.split(' ');
    const { exitCode, stdout, stderr } = fake.answer(tool, args);
    return `${words}: ${exitCode} ${plain(stdout + stderr)}`;
  });
}

test.each([3, 4] as const)('both doubles say what the tools of Juju %i say', async (juju) => {
  await using world = await worldOf(juju);
  for (const where of [
    'no relation',
    'not leading',
    'a unit changed',
    'an application changed',
    'an action',
  ] as const) {
    const asked = [...rows, ...only[juju]].filter(([there]) => there === where);
    const expected = asked.map(([, words, exitCode, said]) => `${words}: ${exitCode} ${said}`);
    expect([where, ...asKit(juju, where, asked)]).toEqual([where, ...expected]);
    expect([where, ...(await asLocal(world, where, asked))]).toEqual([where, ...expected]);
  }
});
