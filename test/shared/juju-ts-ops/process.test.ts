// The process that Juju starts: how it ends, and what of it can be seen from outside.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { builtCharm, stateOf } from 'juju-ts-ops/testing';
import { hookTools } from '../../../shared/juju-ts-ops/src/tools.ts';
import { runToolProcess } from '../../../shared/juju-ts-ops/src/process.ts';
import { bundleCharm } from './bundle.ts';
import { charm, charmcraft } from './web-charm.ts';

let folder: string;
let bundle: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-process-'));
  bundle = await bundleCharm(folder);
});
afterAll(() => rm(folder, { recursive: true }));

async function script(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  await chmod(path, 0o755);
  return path;
}

test('a signal in the middle of a hook ends it by that signal, so that Juju runs it again', async () => {
  let started: number | undefined;
  const unit = builtCharm(charmcraft, [process.execPath, bundle], {
    onStart: (pid) => {
      started = pid;
    },
    delay: async (tool) => {
      if (tool === 'opened-ports' && started !== undefined) process.kill(started, 'SIGTERM');
      await sleep(10);
    },
  });
  const before = stateOf(charm, {
    isLeader: true,
    relations: [{ id: 3, endpoint: 'db', app: 'mysql', appData: { host: 'db' } }],
  });
  const { exitCode, state } = await unit.run('config-changed', before);
  expect([exitCode, state]).toEqual(['killed', before]);
});

test('without Juju’s environment it says what it is, and fails', async () => {
  const { exitCode, stderr } = await execa(process.execPath, [bundle], { extendEnv: false, reject: false });
  expect(exitCode).toBe(1);
  expect(stderr).toContain('this program is run by Juju');
});

describe('a tool', () => {
  test('that hangs is stopped, and said to have hung', async () => {
    const hanging = await script('hanging', 'exec sleep 60');
    const tools = hookTools((_tool, args, input) => runToolProcess(200)(hanging, args, input));
    await expect(tools.isLeader()).rejects.toMatchObject({ code: 'tool-timeout', tool: 'is-leader' });
  });

  test('that has left something running which holds its output open is not waited for any longer', async () => {
    const leaving = await script('leaving', 'echo true', 'sleep 60 &', 'exit 0');
    const tools = hookTools((_tool, args, input) => runToolProcess(1000)(leaving, args, input));
    const began = performance.now();
    expect(await tools.isLeader()).toBe(true);
    expect(performance.now() - began).toBeLessThan(45_000);
  });

  test('waits for its turn where many are asked for at the same time', async () => {
    const traces = join(folder, 'traces');
    const busy = await script(
      'busy',
      `echo + >> ${traces}`,
      'sleep 0.05',
      `echo - >> ${traces}`,
      'echo true',
    );
    const run = runToolProcess(60_000, 3);
    const tools = hookTools((_tool, args, input) => run(busy, args, input));
    expect(await Promise.all(Array.from({ length: 12 }, () => tools.isLeader()))).toEqual(
      Array.from({ length: 12 }, () => true),
    );
    let [running, most] = [0, 0];
    for (const line of (await readFile(traces, 'utf8')).trim().split('\n')) {
      running += line === '+' ? 1 : -1;
      most = Math.max(most, running);
    }
    expect([running, most <= 3]).toEqual([0, true]);
  });

  test('that is not there is missing', async () => {
    const tools = hookTools((_tool, args) => runToolProcess()(join(folder, 'nothing'), args));
    await expect(tools.isLeader()).rejects.toMatchObject({ code: 'tool-missing' });
  });

  test('that dies before it has read everything is an error of the tool', async () => {
    const dying = await script('dying', 'echo "ERROR permission denied" >&2', 'exit 1');
    const tools = hookTools((_tool, args, input) => runToolProcess()(dying, args, input));
    await expect(tools.relationSet(1, 'unit', { big: 'x'.repeat(1_000_000) })).rejects.toMatchObject({
      code: 'hook-tool',
      exitCode: 1,
      relation: 1,
      message: 'relation-set: permission denied',
    });
  });

  test('gets of a text what a command line has room for', async () => {
    const counting = await script(
      'counting',
      `for word; do :; done; printf %s "$word" | wc -c >> ${folder}/counted`,
    );
    const tools = hookTools((_tool, args, input) => runToolProcess()(counting, args, input));
    await tools.jujuLog('INFO', `a\0b${'€'.repeat(100_000)}`);
    await tools.actionSet({ plan: 'x'.repeat(131_071 - 'plan='.length) });
    await tools.actionSet({ plan: 'x'.repeat(1_000_000) });
    const [logged = 0, fitting, cut = 0] = (await readFile(join(folder, 'counted'), 'utf8'))
      .trim()
      .split('\n')
      .map(Number);
    expect([logged > 130_000, fitting, cut > 130_000]).toEqual([true, 131_071, true]);
  });

  test('that answers nonsense is not believed', async () => {
    const odd = await script('odd', `echo '{"answer":"perhaps"}'`);
    const tools = hookTools((_tool, args) => runToolProcess()(odd, args));
    await expect(tools.isLeader()).rejects.toThrow('is-leader: an answer of an unknown form');
  });

  test('gets databags on stdin as YAML, whatever they contain', async () => {
    const seen = join(folder, 'stdin.yaml');
    const keeping = await script('keeping', `cat > ${seen}`, `echo "$@" > ${seen}.args`);
    const values = {
      'a-b': `it's "quoted": \\ #\n\tand\u2028long\u0085`,
      empty: '',
      number: '01',
      yes: 'yes',
    };
    const tools = hookTools((_tool, args, input) => runToolProcess()(keeping, args, input));
    await tools.relationSet(7, 'app', values);
    // It is JSON as well, so that every reader of YAML reads the same.
    const { stdout } = await execa(
      'perl',
      ['-MJSON::PP', '-e', 'local $/; print JSON::PP->new->canonical->ascii->encode(decode_json(<STDIN>))'],
      {
        input: await readFile(seen),
      },
    );
    expect(JSON.parse(stdout)).toEqual(values);
    expect(await readFile(`${seen}.args`, 'utf8')).toBe('-r 7 --app --file -\n');
  });
});
