import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { describeOnMachines } from '../../machines.ts';

const MODEL = `test-robust-${process.pid}`;
const PREFIX = `jl${createHash('sha256').update(MODEL).digest('hex').slice(0, 6)}`;
const PROGRAM = join(import.meta.dirname, '../../../node_modules/.bin/juju-local');

/** A charm in a language that knows nothing of this project: it writes down what it runs; once, it takes its time. */
const DISPATCH = `#!/bin/sh
pause=$(cat /root/pause 2>/dev/null || echo 0)
rm -f /root/pause
echo "begin $JUJU_DISPATCH_PATH $pause" >>/root/trace
sleep "$pause"
status-set active "on $(unit-get private-address)"
echo "end $JUJU_DISPATCH_PATH $pause" >>/root/trace
`;

describeOnMachines('juju-local on real machines', () => {
  let folder = '';
  let charm = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'robust-'));
    charm = join(folder, 'tiny.charm');
    const text = (content: string, mode = 0o100_644) =>
      [strToU8(content), { os: 3, attrs: mode * 0x1_0000 }] satisfies Zippable[string];
    const files = {
      'metadata.yaml': text('name: tiny\nsummary: s\ndescription: d\n'),
      'manifest.yaml': text('bases:\n- {name: ubuntu, channel: "24.04"}\n'),
      'config.yaml': text('options: {word: {type: string, default: none}}\n'),
      dispatch: text(DISPATCH, 0o100_755),
    };
    await writeFile(charm, zipSync(files));
  });

  afterAll(async () => {
    if (existsSync(`/var/lib/juju-local/${MODEL}`)) await juju('destroy-model', MODEL);
    await rm(folder, { recursive: true });
  });

  test('a daemon killed at any time is followed by one that goes on from there', async () => {
    // Two commands at the same time start one daemon.
    await Promise.all([juju('deploy', charm, '-n', '2'), juju('model-config'), juju('model-config')]);
    await until(async () => (await daemons()).length === 1);
    await kill(); // while the machines boot
    await juju('wait', '--timeout', '300');
    expect((await trace(0)).filter((line) => line.startsWith('end'))).toEqual([
      'end hooks/install 0',
      expect.stringMatching(/^end hooks\/leader-/),
      'end hooks/config-changed 0',
      'end hooks/start 0',
    ]);

    await juju('ssh', '1', 'echo 600 >/root/pause');
    await juju('config', 'tiny', 'word=one');
    await until(async () => (await trace(1)).at(-1) === 'begin hooks/config-changed 600');
    await kill(); // in the middle of a hook
    await juju('wait', '--timeout', '300');
    expect((await trace(1)).slice(-3)).toEqual([
      'begin hooks/config-changed 600',
      'begin hooks/config-changed 0',
      'end hooks/config-changed 0',
    ]);
    expect(await processes((argv) => argv === 'sleep\x00600\x00')).toEqual([]);

    // The plug is pulled: what was on the disk is there again, and `start` tells the charm.
    await juju('stop-machine', '1');
    await juju('start-machine', '1');
    await juju('wait', '--timeout', '300');
    expect((await trace(1)).slice(-2)).toEqual(['begin hooks/start 0', 'end hooks/start 0']);
    expect((await trace(1)).filter((line) => line === 'end hooks/install 0')).toHaveLength(1);

    const { stdout, exitCode } = await run('ssh', '1', 'juju-exec tiny/1 "config-get word; exit 3"');
    expect([stdout, exitCode]).toEqual(['one', 3]);

    await juju('ssh', '1', 'echo 600 >/root/pause');
    await juju('config', 'tiny', 'word=two');
    await until(async () => (await trace(1)).at(-1) === 'begin hooks/config-changed 600');
    await kill();
    expect(await leftovers()).not.toEqual([]); // or the check below would prove nothing
    await juju('destroy-model', MODEL, '--no-prompt');
    await nothingIsLeft();
  }, 600_000);

  test('a model destroyed while its machines boot leaves nothing', async () => {
    // Each time at another point of the boot.
    for (const after of [200, 600, 1000, 1400]) {
      await juju('deploy', charm, '-n', '4');
      await sleep(after);
      await juju('destroy-model', MODEL, '--no-prompt');
      await nothingIsLeft();
    }
    await sleep(500);
    expect(await leftovers()).toEqual([]);
  });

  test('machines have the packages that the model says, and one that cannot be had is named', async () => {
    await juju('model-config', 'machine-packages=hello,no-such-package');
    await juju('deploy', charm);
    const problem = 'machine-packages cannot be installed: Unable to locate package no-such-package';
    await until(async () => (await juju('status')).includes(problem));
    await juju('model-config', 'machine-packages=hello');
    await juju('start-machine', '0');
    await juju('wait', '--timeout', '120');
    expect(await juju('ssh', '0', 'hello')).toBe('Hello, world!');
    // A machine keeps what it was made of.
    await juju('model-config', 'machine-packages=');
    await juju('stop-machine', '0');
    await juju('start-machine', '0');
    await juju('wait', '--timeout', '120');
    expect(await juju('ssh', '0', 'hello')).toBe('Hello, world!');
    await juju('destroy-model', MODEL, '--no-prompt');
    await nothingIsLeft();
  });

  test('a full disk is said, and survived', async () => {
    const directory = `/var/lib/juju-local/${MODEL}`;
    await mkdir(directory, { recursive: true });
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', directory]);
    try {
      await juju('model-config');
      await writeFile(join(directory, 'filler'), Buffer.alloc(400_000)).catch(() => undefined);
      const mounts = `/srv:/${'x'.repeat(20_000)}`;
      const { exitCode, stderr } = await run('model-config', `machine-mounts=${mounts}`);
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringMatching(/^ERROR the model cannot be written to .*full/),
      ]);
      await rm(join(directory, 'filler'));
      expect(await daemons()).toHaveLength(1);
      expect(await juju('model-config')).toContain(mounts); // written once there is room
      await kill();
      expect(await juju('model-config')).toContain(mounts);
      await kill();
    } finally {
      await until(async () => !(await execa('umount', [directory], { reject: false })).failed);
      await juju('destroy-model', MODEL);
    }
    await nothingIsLeft();
  });

  test('a daemon that was killed and has not let go of its lock yet is followed by one all the same', async () => {
    await mkdir('/run/juju-local', { recursive: true });
    const lock = `/run/juju-local/${MODEL}.sock.lock`;
    const holder = execa('flock', ['--exclusive', lock, 'cat'], { stdin: 'pipe', reject: false });
    const adding = juju('add-model', MODEL);
    let first = 0;
    await until(async () => ([first = 0] = await daemons()).length > 0);
    // It has found the lock.
    await until(async () => !(await daemons()).includes(first));
    holder.stdin.end();
    await adding;
    await juju('destroy-model', MODEL);
  });

  test('what goes wrong before a model is there says what to do', async () => {
    const none = await run('status');
    expect([none.exitCode, none.stderr]).toEqual([
      1,
      expect.stringMatching(`^ERROR (there is no model|model "${MODEL}" not found)`),
    ]);
    await juju('add-model', MODEL);
    expect((await run('add-model', MODEL)).stderr).toBe(
      `ERROR failed to create new model: model "${MODEL}" already exists (already exists)`,
    );
    await juju('destroy-model', MODEL);
    expect((await run('destroy-model', MODEL)).exitCode).toBe(1);
    expect((await run('deploy', '/nothing.charm')).stderr).toContain('"/nothing.charm" was not found');
  });

  async function run(...args: readonly string[]) {
    return execa(PROGRAM, args, { env: { JUJU_LOCAL_MODEL: MODEL }, reject: false, stdin: 'ignore' });
  }

  async function juju(...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await run(...args);
    if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async function trace(machine: number): Promise<string[]> {
    return (await juju('ssh', String(machine), 'cat /root/trace || true')).split('\n');
  }
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it never came to it');
    await sleep(100);
  }
}

async function processes(isMeant: (argv: string) => boolean): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (isMeant(argv)) found.push(Number(pid));
  }
  return found;
}

function daemons(): Promise<number[]> {
  return processes((argv) => argv.includes(`daemon/main.ts\x00${MODEL}\x00`));
}

async function kill(): Promise<void> {
  for (const pid of await daemons()) process.kill(pid, 'SIGKILL');
  await until(async () => (await daemons()).length === 0);
}

/** The model's daemon ends a moment after it has answered that the model is destroyed. */
async function nothingIsLeft(): Promise<void> {
  await until(async () => (await daemons()).length === 0);
  expect(await leftovers()).toEqual([]);
}

/** Whatever of a model there is on this host, by its name or its prefix. */
async function leftovers(): Promise<string[]> {
  const found = [
    ...(await daemons()).map((pid) => `daemon ${pid}`),
    ...(await processes((argv) => argv.includes(PREFIX))).map((pid) => `process ${pid}`),
    ...(await processes((argv) => argv === 'sleep\x00600\x00')).map((pid) => `hook ${pid}`),
  ];
  for (const hierarchy of ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'])
    for (const name of existsSync(hierarchy) ? await readdir(hierarchy) : [])
      if (name.startsWith(PREFIX)) found.push(`cgroup ${name}`);
  const lines = async (program: string, ...args: string[]) =>
    (await execa(program, args)).stdout.split('\n').filter((line) => line.includes(PREFIX));
  found.push(
    ...(await lines('ip', '-brief', 'link')),
    ...(await lines('ip', 'netns', 'list')),
    ...(await lines('nft', 'list', 'tables')),
    ...(await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(MODEL)),
  );
  for (const directory of ['/var/lib/juju-local', '/run/juju-local'])
    for (const name of existsSync(directory) ? await readdir(directory) : [])
      if (name.startsWith(MODEL)) found.push(join(directory, name));
  return found;
}
