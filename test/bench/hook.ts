// A hook that changes nothing: the built dispatch beside a Python charm on ops that makes the same reads, both under
// the same tools.
import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { builtCharm, stateOf } from 'juju-ts-ops/testing';
import { parse } from 'yaml';
import { z } from 'zod';
import { charm } from './reader/src/charm.ts';
import { medianOf, unpacked, type Figure } from './figures.ts';

const OPS_VERSION = '3.9.0';
const RUNS = 15;
/** What a tool of Juju costs: a large Go program starts, and then waits its turn. Milliseconds. */
const TOOL = { start: 23, serial: 2 };

const remote = (app: string, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${app}/${index}`, { port: '80' }]));
const state = stateOf(charm, {
  isLeader: true,
  relations: [
    { id: 1, endpoint: 'db', app: 'mysql', appData: { host: 'db.example.com' }, units: remote('mysql', 3) },
    {
      id: 2,
      endpoint: 'proxy',
      app: 'haproxy',
      appData: { host: 'www.example.com' },
      units: remote('haproxy', 2),
    },
  ],
  status: { level: 'active', message: 'Untitled 80 leads db.example.com www.example.com 400' },
});

interface Sample {
  readonly milliseconds: number;
  /** All that was in memory at its peak, and of that what only this process has: the rest are pages of its program's file. */
  readonly megabytes: number;
  readonly ownMegabytes: number;
  readonly tools: number;
}

/** The figures, or why there are none. */
export async function hookFigures(): Promise<readonly Figure[]> {
  const work = await mkdtemp(join(tmpdir(), 'bench-hook-'));
  try {
    const ours = await unpacked('reader', join(work, 'reader'));
    const theirs = await pythonCharm(join(work, 'ops-reader'));
    if (theirs === undefined)
      return [
        { what: 'a hook that changes nothing', ours: 'not measured: Python with ops cannot be had here' },
      ];
    return [
      ...(await compare({ title: 'tools that cost nothing', goal: 0.6 }, ours, theirs, work)),
      ...(await compare(
        { title: 'tools that cost what those of Juju do', goal: 0.5 },
        ours,
        theirs,
        work,
        costly(),
      )),
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function compare(
  { title, goal }: { readonly title: string; readonly goal: number },
  ours: string,
  theirs: string,
  work: string,
  delay?: () => Promise<void>,
): Promise<readonly Figure[]> {
  const samples: { ours: Sample[]; theirs: Sample[] } = { ours: [], theirs: [] };
  for (let run = 0; run < RUNS; run += 1) {
    samples.ours.push(await sample(join(ours, 'dispatch'), ours, delay));
    samples.theirs.push(await sample(theirs, join(work, 'ops-reader'), delay));
  }
  const figure = (what: string, unit: string, pick: (sample: Sample) => number): Figure => {
    const [own, other] = [medianOf(samples.ours.map(pick)), medianOf(samples.theirs.map(pick))];
    return {
      what: `${what}, ${title}`,
      ours: `${own.toFixed(0)} ${unit}`,
      theirs: `${other.toFixed(0)} ${unit} (ops ${OPS_VERSION})`,
      ratio: own / other,
    };
  };
  return [
    { ...figure('a hook that changes nothing', 'ms', ({ milliseconds }) => milliseconds), goal },
    figure('its peak memory', 'MB', ({ megabytes }) => megabytes),
    figure('its peak memory without the pages of its program', 'MB', ({ ownMegabytes }) => ownMegabytes),
    figure('its tool processes', 'tools', ({ tools }) => tools),
  ];
}

async function sample(program: string, charmDirectory: string, delay?: () => Promise<void>): Promise<Sample> {
  const peak = { all: 0, own: 0 };
  const watch = async (pid: number): Promise<void> => {
    for (; ; await sleep(3)) {
      const file = `/proc/${pid}/status`;
      if (!existsSync(file)) return;
      const kilobytes = readFileSync(file, 'utf8');
      const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(kilobytes)?.[1] ?? 0);
      peak.all = Math.max(peak.all, of('VmHWM'));
      peak.own = Math.max(peak.own, of('RssAnon'));
    }
  };
  const unit = builtCharm(charm.charmcraft, [program], {
    charmDirectory,
    onStart: (pid) => void watch(pid),
    ...(delay && { delay }),
  });
  const { exitCode, milliseconds, calls, state: after, logs } = await unit.run('update-status', state);
  if (exitCode !== 0 || after.status.message !== state.status.message)
    throw new Error(`${program} did not do its work: ${JSON.stringify([exitCode, after.status, logs])}`);
  return { milliseconds, megabytes: peak.all / 1024, ownMegabytes: peak.own / 1024, tools: calls.length };
}

/** Every tool starts by itself, and then one after the other is answered. */
function costly(): () => Promise<void> {
  let turn = Promise.resolve();
  return async () => {
    await sleep(TOOL.start);
    turn = turn.then(() => sleep(TOOL.serial));
    await turn;
  };
}

/** A charm folder whose dispatch runs the Python charm; `undefined` where there is no Python or no ops to be had. */
async function pythonCharm(folder: string): Promise<string | undefined> {
  const environment = join(homedir(), '.cache', 'maas-ha', `ops-${OPS_VERSION}`);
  const python = join(environment, 'bin/python3');
  if (!existsSync(join(environment, 'ready'))) {
    const made = await execa('python3', ['-m', 'venv', environment], { reject: false });
    if (made.failed) return undefined;
    const installed = await execa(python, ['-m', 'pip', 'install', '--quiet', `ops==${OPS_VERSION}`], {
      reject: false,
    });
    if (installed.failed) return undefined;
    await writeFile(join(environment, 'ready'), '');
  }
  const source = join(import.meta.dirname, 'ops-reader/charm.py');
  const { requires, config } = z
    .object({ requires: z.unknown(), config: z.unknown() })
    .parse(parse(await readFile(join(import.meta.dirname, 'reader/charmcraft.yaml'), 'utf8')));
  await mkdir(join(folder, 'src'), { recursive: true });
  await copyFile(source, join(folder, 'src/charm.py'));
  await writeFile(
    join(folder, 'metadata.yaml'),
    JSON.stringify({ name: 'reader', summary: '-', description: '-', requires }),
  );
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(config));
  // What charmcraft makes for a Python charm, which has a virtual environment beside it.
  const dispatch = join(folder, 'dispatch');
  await writeFile(dispatch, `#!/bin/sh\nexec ${python} ./src/charm.py\n`);
  await chmod(dispatch, 0o755);
  return dispatch;
}
