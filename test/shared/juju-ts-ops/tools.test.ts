// Juju's tools one by one: which words each is given, and what is made of its answer and of its refusals.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CharmError, Redacted, type HookTools } from 'juju-ts-ops';
import { inProcess, stateOf, type State } from 'juju-ts-ops/testing';
import { openStateDirectory } from '../../../shared/juju-ts-ops/src/secret-files.ts';
import { hookTools } from '../../../shared/juju-ts-ops/src/tools.ts';
import { charm, type charmcraft } from './web-charm.ts';

const OWN = 'c1234567890123456789';
const OTHERS = 'd1234567890123456789';
const known: Partial<State<typeof charmcraft>> = {
  isLeader: true,
  relations: [
    { id: 4, endpoint: 'site', app: 'proxy', appData: { paths: '[]' }, units: { 'proxy/0': { a: 'b' } } },
  ],
  secrets: [
    {
      uri: `secret:${OWN}`,
      owner: 'application',
      label: 'key',
      rotate: 'daily',
      revisions: [1, 2].map((number) => ({ number, content: { value: `v${number}` } })),
      grants: [{ relation: 4, unit: 'proxy/0' }],
    },
    { uri: `secret:${OTHERS}`, owner: 'other', revisions: [{ number: 1, content: { value: 'theirs' } }] },
  ],
  ports: ['80/tcp', '8000-8010/udp'],
  publicAddress: '203.0.113.1',
  storage: [{ instance: 'data/0', location: '/srv' }],
};

/** What one use of the tools gives, or is refused with, and what was run for it. */
async function use(
  ask: (tools: HookTools) => Promise<unknown>,
  more: Partial<State<typeof charmcraft>> = {},
) {
  let answer: unknown;
  const unit = inProcess({
    ...charm,
    read: async ({ tools }) => {
      answer = await ask(tools).catch((error: unknown) => error);
      throw new Error('that is all');
    },
  });
  const { calls } = await unit.run('update-status', stateOf(charm, { ...known, ...more }));
  const ran = calls.map(({ tool, args }) => [tool, ...args].join(' '));
  // What every hook asks, and how this one ends.
  const own = /^(status-get --format=json --include-data|juju-log .*)$/s;
  return { answer, ran: ran.filter((words) => !own.test(words)) };
}

test.each<[string, (tools: HookTools) => Promise<unknown>, unknown]>([
  ['config-get --format=json', (tools) => tools.configGet(), { port: 80, debug: false }],
  ['is-leader --format=json', (tools) => tools.isLeader(), true],
  ['relation-ids --format=json site', (tools) => tools.relationIds('site'), ['site:4']],
  ['relation-list --format=json -r 4', (tools) => tools.relationUnits(4), ['proxy/0']],
  ['relation-list --format=json -r 4 --app', (tools) => tools.relationApp(4), 'proxy'],
  [
    'relation-get --format=json -r 4 - proxy/0',
    (tools) => tools.relationGet(4, 'proxy/0'),
    expect.objectContaining({ a: 'b' }),
  ],
  [
    'relation-get --format=json -r 4 --app - proxy',
    (tools) => tools.relationGet(4, 'proxy'),
    { paths: '[]' },
  ],
  ['relation-set -r 4 --app --file -', (tools) => tools.relationSet(4, 'app', { url: 'x' }), undefined],
  [
    'relation-model-get --format=json -r 4',
    (tools) => tools.relationModel(4),
    '11111111-2222-4333-8444-555555555555',
  ],
  [
    'network-get --format=json site -r 4',
    (tools) => tools.networkGet('site', 4),
    {
      bindAddresses: ['192.0.2.1'],
      ingressAddresses: ['192.0.2.1'],
      egressSubnets: ['192.0.2.1/32'],
      interfaces: [{ name: 'eth0', addresses: [{ address: '192.0.2.1', cidr: '192.0.2.0/24' }] }],
    },
  ],
  ['unit-get --format=json public-address', (tools) => tools.unitGet('public-address'), '203.0.113.1'],
  [
    'status-get --format=json --include-data --application',
    (tools) => tools.appStatusGet(),
    {
      level: 'unknown',
      message: '',
      units: { 'web/0': { level: 'maintenance', message: 'installing charm software' } },
    },
  ],
  [
    'status-set --application -- active fine',
    (tools) => tools.statusSet({ level: 'active', message: 'fine' }, 'application'),
    undefined,
  ],
  ['application-version-set -- 1.2', (tools) => tools.applicationVersionSet('1.2'), undefined],
  ['opened-ports --format=json', (tools) => tools.openedPorts(), ['80/tcp', '8000-8010/udp']],
  [
    'opened-ports --format=json --endpoints',
    (tools) => tools.openedPortsByEndpoint(),
    { '80/tcp': ['*'], '8000-8010/udp': ['*'] },
  ],
  ['open-port 443/tcp --endpoints site,db', (tools) => tools.openPort('443/tcp', ['site', 'db']), undefined],
  ['close-port 80/tcp', (tools) => tools.closePort('80/tcp'), undefined],
  ['state-set --file -', (tools) => tools.stateSet({ a: 'b' }), undefined],
  ['state-delete a', (tools) => tools.stateDelete('a'), undefined],
  ['state-get --format=json', (tools) => tools.stateGet(), {}],
  [
    `secret-get --format=json secret:${OTHERS} --label theirs`,
    (tools) => tools.secretLabel(`secret:${OTHERS}`, 'theirs'),
    undefined,
  ],
  [
    'secret-get --format=json --label key --peek',
    async (tools) => (await tools.secretGet({ label: 'key' }, 'peek'))['value']?.reveal(),
    'v2',
  ],
  [
    'secret-info-get --format=json --label key',
    (tools) => tools.secretInfo({ label: 'key' }),
    { uri: `secret:${OWN}`, revision: 2, label: 'key', rotation: 'daily', grantedTo: ['proxy/0'] },
  ],
  ['secret-ids --format=json', (tools) => tools.secretIds(), [OWN]],
  [`secret-grant ${OWN} -r 4 --unit proxy/0`, (tools) => tools.secretGrant(OWN, 4, 'proxy/0'), undefined],
  [`secret-revoke ${OWN} -r 4 --unit proxy/0`, (tools) => tools.secretRevoke(OWN, 4, 'proxy/0'), undefined],
  [`secret-revoke ${OWN} -r 4`, (tools) => tools.secretRevoke(OWN, 4), undefined],
  [`secret-remove ${OWN} --revision 1`, (tools) => tools.secretRemove(OWN, 1), undefined],
  [
    `secret-set ${OWN} --label other --expire 72h`,
    (tools) => tools.secretSet(OWN, {}, { label: 'other', expire: '72h' }),
    undefined,
  ],
  ['storage-list --format=json', (tools) => tools.storageList(), ['data/0']],
  [
    'storage-get --format=json -s data/0',
    (tools) => tools.storageGet('data/0'),
    { kind: 'filesystem', location: '/srv' },
  ],
  ['storage-add data=2', (tools) => tools.storageAdd('data', 2), undefined],
  ['leader-set -- a=b', (tools) => tools.leaderSet({ a: 'b' }), undefined],
  ['juju-reboot', (tools) => tools.reboot('after-hook'), undefined],
])('%s', async (words, ask, expected) => {
  const { answer, ran } = await use(ask);
  expect([ran, answer]).toEqual([[words], expected]);
});

test.each<[string, (tools: HookTools) => Promise<unknown>]>([
  ['payload-register -- docker web 1 tag', (tools) => tools.payloadRegister('docker', 'web', '1', ['tag'])],
  ['payload-status-set -- web 1 started', (tools) => tools.payloadStatusSet('web', '1', 'started')],
  ['payload-unregister -- web 1', (tools) => tools.payloadUnregister('web', '1')],
])('%s is refused, because no charm of this framework declares a payload', async (words, ask) => {
  const { answer, ran } = await use(ask);
  expect([ran, answer]).toEqual([
    [words],
    expect.objectContaining({ message: expect.stringContaining('payload "web" not found') }),
  ]);
});

test('the value of a secret is in a file, and on no command line', async () => {
  const { answer, ran } = await use((tools) =>
    tools.secretAdd('unit', { password: new Redacted('hunter2') }, { label: 'mine', rotate: 'weekly' }),
  );
  expect(answer).toMatch(/^secret:[a-z0-9]{20}$/);
  expect(ran).toEqual([
    expect.stringMatching(/^secret-add --owner unit --label mine --rotate weekly password#file=\/\S+$/),
  ]);
});

describe('what is written of secrets', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'charm-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Writes a secret as a hook does, and says what is in the files while Juju reads them. */
  async function write(look: (file: string) => void = () => {}): Promise<void> {
    const stateDirectory = join(folder, '.state');
    await openStateDirectory({ stateDirectory });
    const tools = hookTools(
      (_tool, args) => {
        for (const word of args) if (word.includes('#file=')) look(word.split('#file=')[1] ?? '');
        return Promise.resolve({ exitCode: 0, stdout: `secret:${OWN}\n`, stderr: '' });
      },
      { stateDirectory },
    );
    await tools.secretAdd('unit', { password: new Redacted('hunter2') });
  }

  test('is where nobody else can go, and nothing of it is left', async () => {
    await mkdir(join(folder, '.state'), { mode: 0o755 });
    const seen: unknown[] = [];
    await write((file) => {
      const paths = [file, dirname(file), join(folder, '.state/secrets'), join(folder, '.state')];
      seen.push(readFileSync(file, 'utf8'), ...paths.map((path) => statSync(path).mode & 0o777));
      expect(file.startsWith(paths[2] ?? '')).toBe(true);
    });
    expect(seen).toEqual(['hunter2', 0o600, 0o700, 0o700, 0o700]);
    expect(readdirSync(join(folder, '.state/secrets'))).toEqual([]);
  });

  test('by a hook that was killed is gone with the next, whatever that writes', async () => {
    const left = join(folder, '.state/secrets/of-x');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'password'), 'hunter2');
    await inProcess(charm, folder).run('update-status', stateOf(charm));
    expect(existsSync(left)).toBe(false);
  });

  test('and what others left in /tmp is nobody’s business', async () => {
    const dead = spawnSync('true').pid;
    const others = await mkdtemp(join(tmpdir(), `juju-secret-${dead}-`));
    try {
      await write();
      expect(existsSync(others)).toBe(true);
    } finally {
      await rm(others, { recursive: true });
    }
  });
});

test('a secret has the same URI whichever Juju made it', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'charm-'));
  try {
    const made = [
      'secret:9m4e2mr0ui3e8a215n4g',
      'secret://11111111-2222-4333-8444-555555555555/9m4e2mr0ui3e8a215n4g',
    ];
    const uris = made.map((stdout) =>
      hookTools(() => Promise.resolve({ exitCode: 0, stdout: `${stdout}\n`, stderr: '' }), {
        stateDirectory,
      }).secretAdd('application', { password: new Redacted('x') }),
    );
    expect(await Promise.all(uris)).toEqual([made[0], made[0]]);
  } finally {
    await rm(stateDirectory, { recursive: true });
  }
});

test('of a refusal the words count, and not what stands around them', async () => {
  const refusing = (stderr: string) =>
    hookTools(() => Promise.resolve({ exitCode: 1, stdout: '', stderr: `ERROR ${stderr}\n` }));
  const codes = [
    'permission denied (unauthorized access)',
    'permission denied',
    'getting regular relation by key: relation not found',
  ].map((words) =>
    refusing(words)
      .relationGet(4, 'web')
      .catch((error: unknown) => error),
  );
  expect(await Promise.all(codes)).toMatchObject([
    { code: 'not-leader' },
    { code: 'not-leader' },
    { code: 'relation-not-found' },
  ]);
});

describe('a refusal', () => {
  test.each<[string, string, (tools: HookTools) => Promise<unknown>]>([
    ['the relation is gone', 'relation-not-found', (tools) => tools.relationUnits(9)],
    [
      'the relation is gone, and it writes',
      'relation-not-found',
      (tools) => tools.relationSet(9, 'unit', {}),
    ],
    [
      'there is no such secret',
      'secret-not-found',
      (tools) => tools.secretGet({ uri: 'secret:c9999999999999999999' }, 'peek'),
    ],
    ['there is no such secret of its own', 'secret-not-found', (tools) => tools.secretInfo({ label: 'x' })],
    ['it does not lead, and reads', 'not-leader', (tools) => tools.relationGet(4, 'web')],
    ['it does not lead, and writes', 'not-leader', (tools) => tools.relationSet(4, 'app', { url: 'x' })],
    ['it does not lead, and tells', 'not-leader', (tools) => tools.leaderSet({ a: 'b' })],
    ['it does not lead, and asks', 'not-leader', (tools) => tools.appStatusGet()],
    [
      'it does not lead, and makes a secret',
      'not-leader',
      (tools) => tools.secretAdd('application', { password: new Redacted('x') }),
    ],
    ['the user does not trust it', 'hook-tool', (tools) => tools.credentialGet()],
    ['the words are wrong', 'hook-tool', (tools) => tools.openPort('http')],
    ['there is no action', 'hook-tool', (tools) => tools.actionLog('x')],
  ])('because %s has the code %s', async (_why, code, ask) => {
    const { answer } = await use(ask, { isLeader: false });
    expect(answer).toBeInstanceOf(CharmError);
    expect(answer).toMatchObject({ code, during: 'web/0, update-status' });
  });
});

test('all that Juju says of a cloud, of a secret, and of ports that are open for some endpoints', async () => {
  const answering = (answer: unknown) =>
    hookTools(() => Promise.resolve({ exitCode: 0, stdout: JSON.stringify(answer), stderr: '' }));
  const endpoints = ['1234/tcp (site)', '80/tcp (db, site)', 'icmp (*)'];
  expect(await answering(endpoints).openedPortsByEndpoint()).toEqual({
    '1234/tcp': ['site'],
    '80/tcp': ['db', 'site'],
    icmp: ['*'],
  });
  const info = {
    revision: 1,
    owner: 'unit',
    rotation: 'daily',
    rotates: '2026-01-01T00:00:00Z',
    access: null,
  };
  expect(await answering({ [OWN]: info }).secretInfo({ uri: OWN })).toMatchObject({
    rotates: '2026-01-01T00:00:00Z',
    grantedTo: [],
  });
  const cloud = {
    type: 'openstack',
    name: 'stack',
    'identity-endpoint': 'https://keystone',
    'storage-endpoint': 'https://swift',
    cacertificates: ['PEM'],
    'skip-tls-verify': true,
    'is-controller-cloud': true,
    credential: { 'auth-type': 'userpass', attrs: { password: 'hunter2' } },
  };
  expect(await answering(cloud).credentialGet()).toEqual({
    type: 'openstack',
    name: 'stack',
    identityEndpoint: 'https://keystone',
    storageEndpoint: 'https://swift',
    caCertificates: ['PEM'],
    skipsTlsVerify: true,
    isControllerCloud: true,
    authType: 'userpass',
    attributes: { password: new Redacted('hunter2') },
  });
});
