// The driver of a deployed model: against the shapes of Juju 3.6 and 4, against juju-local's own answers, and as a program.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Redacted } from 'juju-ts-ops';
import {
  ActionFailedError,
  areActive,
  isAnyInError,
  JujuCommandError,
  JujuModel,
  unitsOf,
  WaitError,
} from 'juju-ts-ops/driver';
import { showResults } from '../../../shared/juju-local/src/cli/results.ts';
import { FullStatus, statusFormats } from '../../../shared/juju-local/src/cli/status.ts';
import { verbs } from '../../../shared/juju-local/src/daemon/verbs.ts';
import { charmInfo, World } from '../juju-local/world.ts';

/** A model whose command answers what the test says, and the command lines that it was asked by. */
function model(answer: (args: readonly string[]) => unknown = () => '', exitCode = 0) {
  const asked: (readonly string[])[] = [];
  const driven = new JujuModel({
    model: 'here',
    runner: (args) => {
      asked.push(args);
      const said = answer(args);
      const text = typeof said === 'string' ? said : JSON.stringify(said);
      return Promise.resolve(
        exitCode === 0 || text.startsWith('{')
          ? { exitCode, stdout: text, stderr: '' }
          : { exitCode, stdout: '', stderr: text },
      );
    },
  });
  return { driven, asked };
}

const since = '26 Nov 2026 10:00:00Z';
const state = (current: string, message?: string) => ({
  current,
  since,
  ...(message !== undefined && { message }),
});

/** As `juju status --format json` has it. */
function statusJson(version: string, workload = 'active', agent = 'idle') {
  return {
    model: {
      name: 'here',
      type: 'iaas',
      controller: 'lxd',
      cloud: 'localhost',
      version,
      'model-status': state('available'),
      ...(version.startsWith('3') && { sla: 'unsupported' }),
    },
    machines: {
      '0': {
        'juju-status': { ...state('started'), version },
        hostname: 'juju-1',
        'dns-name': '10.0.0.4',
        'ip-addresses': ['10.0.0.4'],
        'instance-id': 'juju-1',
        'machine-status': state('running', 'Running'),
        'modification-status': state('applied'),
        base: { name: 'ubuntu', channel: '24.04' },
        hardware: 'arch=amd64 cores=2 mem=4096M',
      },
    },
    applications: {
      web: {
        charm: 'local:web-0',
        base: { name: 'ubuntu', channel: '24.04' },
        'charm-origin': 'local',
        'charm-name': 'web',
        'charm-rev': 0,
        exposed: false,
        'application-status': state('active'),
        relations: { db: [{ 'related-application': 'mysql', interface: 'mysql', scope: 'global' }] },
        units: {
          'web/10': {
            'workload-status': state('waiting', 'for the database'),
            'juju-status': { ...state('allocating') },
          },
          'web/2': {
            'workload-status': state(workload, 'serves'),
            'juju-status': { ...state(agent), version },
            leader: true,
            machine: '0',
            'open-ports': ['80/tcp'],
            'public-address': '10.0.0.4',
            subordinates: {
              'log/0': {
                'workload-status': state('active'),
                'juju-status': state('idle'),
                leader: true,
                'public-address': '10.0.0.4',
              },
            },
          },
        },
        version: '1.2',
        'endpoint-bindings': { '': 'alpha', db: 'alpha' },
      },
      log: {
        charm: 'local:log-0',
        'charm-origin': 'local',
        'charm-name': 'log',
        'charm-rev': 0,
        exposed: false,
        'application-status': state('active'),
        'subordinate-to': ['web'],
      },
    },
    storage: {},
    controller: { timestamp: '10:00:00Z' },
  };
}

describe.each(['3.6.28', '4.0.15'])('the status of Juju %s', (version) => {
  test('has every unit, with what is known of it', async () => {
    const status = await model(() => statusJson(version)).driven.status();
    expect(status.model.version).toBe(version);
    expect(status.applications['web']).toMatchObject({ version: '1.2', 'charm-rev': 0 });
    expect(unitsOf(status)).toEqual([
      {
        name: 'log/0',
        app: 'log',
        principal: 'web/2',
        machine: '0',
        address: '10.0.0.4',
        isLeader: true,
        workload: 'active',
        message: '',
        agent: 'idle',
        ports: [],
      },
      {
        name: 'web/2',
        app: 'web',
        machine: '0',
        address: '10.0.0.4',
        isLeader: true,
        workload: 'active',
        message: 'serves',
        agent: 'idle',
        ports: ['80/tcp'],
      },
      expect.objectContaining({
        name: 'web/10',
        workload: 'waiting',
        message: 'for the database',
        isLeader: false,
      }),
    ]);
    expect(unitsOf(status, 'log').map(({ name }) => name)).toEqual(['log/0']);
  });

  test('says whether units are active, or in error', async () => {
    const status = await model(() => statusJson(version)).driven.status();
    expect(areActive(status, 'log')).toBe(true);
    expect(areActive(status, 'log', 'mysql')).toBe(false);
    expect(areActive(status)).toBe(false);
    expect(isAnyInError(status)).toBe(false);
    const failed = await model(() => statusJson(version, 'error')).driven.status();
    expect([isAnyInError(failed), isAnyInError(failed, 'log'), isAnyInError(failed, 'web')]).toEqual([
      true,
      false,
      true,
    ]);
    const empty = await model(() => ({
      model: { name: 'here', version },
      machines: {},
      applications: {},
    })).driven.status();
    expect(areActive(empty)).toBe(false);
  });
});

test('what is no status of Juju is refused', async () => {
  await expect(model(() => ({ error: 'none' })).driven.status()).rejects.toThrow('model');
});

test('each command is a list of words', async () => {
  const { driven, asked } = model();
  await driven.deploy('./web.charm', {
    app: 'shop',
    units: 2,
    to: ['0', '1'],
    config: { title: 'a b; $(reboot)', port: 81 },
    base: 'ubuntu@24.04',
    constraints: { mem: '2G' },
    resources: { theme: '/srv/theme.zip' },
    trust: true,
    overlays: ['o.yaml'],
  });
  await driven.addUnit('web', 2, ['3']);
  await driven.removeUnit(['web/1', 'web/2'], { force: true });
  await driven.removeApplication('web');
  await driven.config('web', { title: 'x=y' }, { reset: ['port', 'debug'] });
  await driven.integrate('web:db', 'mysql');
  await driven.removeRelation('web:db', 'mysql');
  await driven.refresh('web', './web.charm');
  await driven.grantSecret('secret:1', 'web', 'log');
  await driven.cli('model-config', 'update-status-hook-interval=1m');
  await driven.destroy();
  const named = ['--model', 'here'];
  expect(asked).toEqual([
    [
      'deploy',
      ...named,
      './web.charm',
      'shop',
      '--num-units',
      '2',
      '--to',
      '0,1',
      '--config',
      'title=a b; $(reboot)',
      '--config',
      'port=81',
      '--base',
      'ubuntu@24.04',
      '--constraints',
      'mem=2G',
      '--resource',
      'theme=/srv/theme.zip',
      '--trust',
      '--overlay',
      'o.yaml',
    ],
    ['add-unit', ...named, 'web', '--num-units', '2', '--to', '3'],
    ['remove-unit', ...named, 'web/1', 'web/2', '--no-prompt', '--force'],
    ['remove-application', ...named, 'web', '--no-prompt'],
    ['config', ...named, 'web', 'title=x=y', '--reset', 'port,debug'],
    ['integrate', ...named, 'web:db', 'mysql'],
    ['remove-relation', ...named, 'web:db', 'mysql'],
    ['refresh', ...named, 'web', '--path', './web.charm'],
    ['grant-secret', ...named, 'secret:1', 'web,log'],
    ['model-config', ...named, 'update-status-hook-interval=1m'],
    ['destroy-model', 'here', '--no-prompt'],
  ]);
});

test('the options of an application have their types', async () => {
  const { driven } = model(() => ({
    application: 'web',
    charm: 'web',
    settings: {
      port: { default: 80, description: 'd', source: 'user', type: 'int', value: 81 },
      debug: { source: 'default', type: 'boolean', value: false },
      title: { source: 'unset', type: 'string' },
    },
  }));
  expect(await driven.options('web')).toEqual({ port: 81, debug: false });
});

describe('an action', () => {
  const task = (changes: object) => ({
    'web/0': {
      id: '4',
      status: 'completed',
      unit: 'web/0',
      results: { 'return-code': 0, outfile: { size: '10G' } },
      timing: { enqueued: since, started: since, completed: since },
      ...changes,
    },
  });

  test('is given its parameters with their types, in a file that is gone afterwards, and gives its results', async () => {
    const given: Promise<string>[] = [];
    const { driven, asked } = model((args) => {
      given.push(readFile(args[args.indexOf('--params') + 1] ?? '', 'utf8'));
      return task({ log: ['10 % done'] });
    });
    const params = { file: 'a b', count: 3, isForced: true, deep: { list: [1] } };
    const result = await driven.run('web/leader', 'backup', params);
    expect(result).toMatchObject({
      unit: 'web/0',
      id: '4',
      results: { outfile: { size: '10G' } },
      log: ['10 % done'],
    });
    const [words = []] = asked;
    const file = words[6] ?? '';
    expect(words).toEqual([
      'run',
      '--model',
      'here',
      'web/leader',
      'backup',
      '--params',
      file,
      '--wait',
      '1h',
      '--format',
      'json',
    ]);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  test('that fails says why, whatever the command exits with', async () => {
    for (const [exitCode, changes] of [
      [0, { status: 'failed', message: 'no disk' }],
      [1, { status: 'failed', message: 'no disk', results: { 'return-code': 1, stderr: 'x' } }],
    ] as const) {
      const failure = model(() => task(changes), exitCode).driven.run('web/0', 'backup');
      await expect(failure).rejects.toThrow(ActionFailedError);
      await expect(failure).rejects.toThrow('web/0, task 4 failed: no disk');
    }
  });

  test('that there is not is an error of the command', async () => {
    const { driven } = model(() => 'ERROR action "dance" not defined on unit "web/0"', 1);
    await expect(driven.run('web/0', 'dance')).rejects.toThrow(JujuCommandError);
    await expect(driven.run('web/0', 'dance')).rejects.toThrow('"dance" not defined');
  });

  test('of no unit is one as well, though the command exits with 0 and prints nothing', async () => {
    const stderr = 'Operation 3 failed to schedule any tasks:\nunit "web/7" not found\n';
    const driven = new JujuModel({ runner: () => Promise.resolve({ exitCode: 0, stdout: '', stderr }) });
    await expect(driven.run('web/7', 'backup')).rejects.toThrow(JujuCommandError);
    await expect(driven.run('web/7', 'backup')).rejects.toThrow('unit "web/7" not found');
  });

  test('a command on a unit is a program and its arguments', async () => {
    const { driven, asked } = model(() => task({ results: { 'return-code': 0, stdout: 'web-0\n' } }));
    expect(await driven.exec('web/0', ['hostname'])).toBe('web-0\n');
    await driven.exec('web/0', ['cat', '/srv/a b']);
    const options = ['--model', 'here', '--unit', 'web/0', '--wait', '1h', '--format', 'json'];
    const before = ['exec', ...options, '--'];
    expect(asked).toEqual([
      [...before, "'hostname'"],
      [...before, 'cat', '/srv/a b'],
    ]);
    const failed = model(() => task({ results: { 'return-code': 3, stderr: 'no such file' } }), 1);
    await expect(failed.driven.exec('web/0', ['cat', '/srv/x'])).rejects.toThrow('no such file');
  });
});

test('a secret of the user is on no command line', async () => {
  const { driven, asked } = model(() => 'secret:9m4e2mr0ui3e8a215n4g\n');
  expect(await driven.addSecret('key', { value: new Redacted('hunter2') })).toBe(
    'secret:9m4e2mr0ui3e8a215n4g',
  );
  expect(asked).toHaveLength(1);
  expect(JSON.stringify(asked)).not.toContain('hunter2');
});

describe('waiting', () => {
  const quick = { delay: 0, timeout: 5 };

  test('goes on until it has been so several times in a row', async () => {
    const said = ['executing', 'idle', 'executing', 'idle', 'idle', 'idle', 'idle'];
    const { driven, asked } = model(() => statusJson('3.6.28', 'active', said.shift() ?? 'idle'));
    const isReady = (status: Parameters<typeof unitsOf>[0]) =>
      unitsOf(status, 'web').some(({ agent, workload }) => agent === 'idle' && workload === 'active');
    await driven.wait(isReady, quick);
    expect(asked).toHaveLength(6);
    await driven.wait(isReady, { ...quick, successes: 1 });
    expect(asked).toHaveLength(7);
  });

  test('ends at once when a hook has failed, and says what each unit does', async () => {
    const { driven, asked } = model(() => statusJson('3.6.28', 'error'));
    const waiting = driven.wait(() => true, quick);
    await expect(waiting).rejects.toThrow(WaitError);
    await expect(waiting).rejects.toThrow(
      'web/2 error (idle) serves\nweb/10 waiting (allocating) for the database',
    );
    expect(asked).toHaveLength(1);
    await driven.wait(() => true, { ...quick, error: () => false });
  });

  test('ends when it takes too long', async () => {
    const { driven } = model(() => statusJson('3.6.28'));
    await expect(driven.wait(() => false, { delay: 0, timeout: 0.05 })).rejects.toThrow(
      'not ready in 0.05 s',
    );
  });
});

test('juju-local is driven the same way', async () => {
  await using world = new World();
  const info = charmInfo('web', {
    actions: { greet: { description: '', params: {}, required: [], additionalProperties: true } },
  } as const);
  await world.add(info, 2, async ({ name, tool }) => {
    if (name === 'start') await tool('status-set', 'active', 'serves');
    if (name.startsWith('actions/')) await tool('action-set', 'greeting.text=hello');
  });
  await world.settle();
  const driven = new JujuModel({
    runner: async ([verb = '', ...args]) => {
      if (verb === 'status') {
        const status = FullStatus.parse(
          await verbs['status']?.(world.daemon, { selectors: [] }, () => undefined),
        );
        return { exitCode: 0, stdout: statusFormats['json']?.(status, false) ?? '', stderr: '' };
      }
      const [unit = '', action = '', , file = ''] = args;
      const params: unknown = JSON.parse(await readFile(file, 'utf8'));
      const answer = await verbs['run']?.(world.daemon, { units: [unit], action, params }, () => undefined);
      return showResults(answer, 'json') ?? { exitCode: 2, stdout: '', stderr: '' };
    },
  });
  const status = await driven.wait((now) => areActive(now, 'web'), { delay: 0.01 });
  expect(unitsOf(status).map(({ name, message }) => [name, message])).toEqual([
    ['web/0', 'serves'],
    ['web/1', 'serves'],
  ]);
  expect((await driven.run('web/1', 'greet')).results).toEqual({ greeting: { text: 'hello' } });
});

test('the command is a program that is given its words as they are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'driver-'));
  try {
    const program = join(folder, 'juju');
    await writeFile(program, '#!/bin/sh\nfor word; do echo "<$word>"; done\n', { mode: 0o755 });
    const driven = new JujuModel({ program, model: 'lxd:here' });
    expect(await driven.cli('config', 'web', 'title=$(id) "x"')).toBe(
      '<config>\n<--model>\n<lxd:here>\n<web>\n<title=$(id) "x">',
    );
    await writeFile(program, '#!/bin/sh\necho "ERROR model lxd:here not found" >&2; exit 1\n');
    await expect(driven.status()).rejects.toThrow('ERROR model lxd:here not found');
    const missing = new JujuModel({ program: join(folder, 'none') });
    await expect(missing.status()).rejects.toThrow('ENOENT');
  } finally {
    await rm(folder, { recursive: true });
  }
});
