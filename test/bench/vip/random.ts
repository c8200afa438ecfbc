// Random option values and relation data: how many files the plans write, how many of them the daemons' own checkers
// accept, and how often reading or planning throws, which would be a failed hook.
import { writeFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { CONFIG } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { randomState } from '../../unit/haproxy/random.ts';
import { cfgOf } from '../../unit/haproxy/states.ts';
import { randomPlanInput } from '../../unit/keepalived-vip/random.ts';
import { planOf, stateOf } from '../../unit/keepalived-vip/states.ts';

/** Checks that run side by side in one shell on the machine: starting a program there costs more than the check. */
const BATCH = 50;

interface Result {
  thrown: number;
  refused: number;
  readonly files: string[];
}

function collect<T>(inputs: readonly T[], fileOf: (input: T) => string | undefined): Result {
  const result: Result = { thrown: 0, refused: 0, files: [] };
  for (const input of inputs) {
    try {
      const file = fileOf(input);
      if (file === undefined) result.refused += 1;
      else result.files.push(file);
    } catch {
      result.thrown += 1;
    }
  }
  return result;
}

/** How many of the files a checker accepts without a word. */
async function accepted(machine: Machine, files: readonly string[], checker: string): Promise<number> {
  let good = 0;
  for (let start = 0; start < files.length; start += BATCH) {
    const batch = files.slice(start, start + BATCH);
    for (const [index, text] of batch.entries())
      await writeFile(`/proc/${machine.pid}/root/run/check-${index}`, text);
    const loop = `for n in $(seq 0 ${batch.length - 1}); do said=$(${checker} /run/check-$n 2>&1) && [ -z "$said" ] && echo good; done; true`;
    good += (await machine.run(['sh', '-c', loop])).split('\n').filter((line) => line === 'good').length;
  }
  return good;
}

/** The table of both charms. @param count inputs of each */
export async function randomInputs(count: number): Promise<string> {
  const lab = await Lab.start();
  try {
    const machine = await lab.machine('one', ['10.9.0.11/24', 'fd09::11/64']);
    await machine.run(['ip', 'route', 'add', 'default', 'dev', 'lo']);
    for (const [path, { text, mode }] of planOf(stateOf(1)).files) {
      if (path.startsWith('/etc/keepalived/')) await machine.write(path, text, mode);
    }
    const keepalived = collect(fc.sample(randomPlanInput, count), (input) => {
      const state = input.state();
      return typeof state === 'string' ? undefined : planOf(state).files.get(CONFIG)?.text;
    });
    const haproxy = collect(fc.sample(randomState, count), (make) => {
      const state = make();
      return typeof state === 'string' ? undefined : cfgOf(state) || undefined;
    });
    const rows: string[] = [];
    for (const [name, { thrown, refused, files }, checker] of [
      ['keepalived-vip', keepalived, 'keepalived --config-test --use-file'],
      ['haproxy', haproxy, 'haproxy -c -dW -q -f'],
    ] as const) {
      const good = await accepted(machine, files, checker);
      rows.push(`| ${name} | ${count} | ${refused} | ${files.length} | ${good} | ${thrown} |`);
    }
    return [
      '| charm | random inputs | no file, with a reason | files | accepted | thrown |',
      '| --- | --- | --- | --- | --- | --- |',
      ...rows,
    ].join('\n');
  } finally {
    await lab.stop();
  }
}
