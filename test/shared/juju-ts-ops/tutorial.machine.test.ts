// Does what docs/tutorial.md says, from an empty folder beside a clone to a charm that runs: writes its files, types
// its lines, and looks for what it promises.
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeOnMachines } from '../../machines.ts';
import { tutorialSteps, type Step } from './tutorial.ts';

const ROOT = join(import.meta.dirname, '../../..');
const MINUTE = 60_000;
/** In the place of the name that the page gives to its model, which a user may have. */
const MODEL = `test-tutorial-${process.pid}`;
const isOnMachines = (step: Step): boolean =>
  step.kind === 'type' && step.lines.some((line) => line.startsWith('npx juju-local'));

let steps: readonly Step[];
let folder: string;
let hello: string;

beforeAll(async () => {
  steps = await tutorialSteps();
  folder = await mkdtemp(join(tmpdir(), 'tutorial-'));
  const clone = join(folder, 'maas-ha');
  const isOfClone = (path: string): boolean => !['node_modules', 'dist', '.git'].includes(basename(path));
  await mkdir(clone);
  for (const name of ['package.json', 'tsconfig.json', 'shared'])
    await cp(join(ROOT, name), join(clone, name), { recursive: true, filter: isOfClone });
  await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  hello = join(folder, 'hello');
  await mkdir(hello);
});

afterAll(async () => {
  if (existsSync(`/var/lib/juju-local/${MODEL}`))
    await type(`npx juju-local destroy-model ${MODEL} --no-prompt`);
  await rm(folder, { recursive: true });
});

/** A line of the page; nothing that this project's own npm put into the environment may help. */
async function type(line: string): Promise<string> {
  const [program = '', ...args] = line.split(' ').map((word) => (word === 'tutorial' ? MODEL : word));
  const PATH = (process.env['PATH'] ?? '')
    .split(':')
    .filter((entry) => !entry.includes('node_modules'))
    .join(':');
  const { failed, all } = await execa(program, args, {
    cwd: hello,
    env: { PATH },
    all: true,
    reject: false,
    stdin: 'ignore',
  });
  if (failed) throw new Error(`${line}:\n${all}`);
  return all;
}

async function follow(some: readonly Step[]): Promise<void> {
  let printed = '';
  for (const step of some) {
    if (step.kind === 'file') {
      await mkdir(dirname(join(hello, step.path)), { recursive: true });
      await writeFile(join(hello, step.path), step.content);
    } else if (step.kind === 'type') {
      printed = '';
      for (const line of step.lines) printed += `${await type(line)}\n`;
    } else {
      for (const line of step.lines) expect(printed).toContain(line);
    }
  }
}

test(
  'from an empty folder to a charm in one file, with nothing but the packages',
  async () => {
    await follow(steps.slice(0, steps.findIndex(isOnMachines)));
    expect(existsSync(join(hello, 'dist/hello.charm'))).toBe(true);
  },
  8 * MINUTE,
);

describeOnMachines('the charm of the tutorial', () => {
  test(
    'runs, follows its options and answers its actions',
    async () => {
      await follow(steps.slice(steps.findIndex(isOnMachines)));
      expect(existsSync(`/var/lib/juju-local/${MODEL}`)).toBe(false);
    },
    10 * MINUTE,
  );
});
