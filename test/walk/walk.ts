// npm run walk -- --steps 100 --seed 7 [--juju 4] [--minutes 60]
//
// A model under a seeded random sequence of what users do and what breaks. Whatever is done: no hook fails, and in the end
// every unit is active. Each step is printed before it is taken, as a command that can be typed; the same seed takes the
// same steps. It ends by itself, with the log in what it throws.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildCharms, charmFile, LocalModel } from '../deploy/model.ts';
import { mend, nextStep, randomBy, start, type Step } from './steps.ts';

export interface Walk {
  readonly steps: number;
  readonly seed: number;
  readonly juju: '3.6' | '4';
  /** After how many minutes it takes no further step. */
  readonly minutes: number;
}

const REGIONS = 2;
const RACKS = 1;

/** How long the model may take to become active once it is whole, in seconds. */
const SETTLES = 900;

/** @throws when a hook has failed, or when the model does not become active. */
export async function walk(
  model: LocalModel,
  { steps, seed, juju, minutes }: Walk,
  say: (line: string) => void,
): Promise<void> {
  const random = randomBy(seed);
  const end = Date.now() + minutes * 60_000;
  say(`# Juju ${juju}, seed ${seed}`);
  await model.deploy({
    bundle: 'bundle-postgresql-14.yaml',
    version: '3.4',
    units: { 'maas-region': REGIONS, 'maas-rack': RACKS },
    juju,
  });
  await settle(model);
  let walked = start(REGIONS, RACKS);
  for (let taken = 1; taken <= steps && Date.now() < end; taken += 1) {
    const step = nextStep(walked, random);
    const pause = Math.floor(random() * 15);
    const isWhole = step.after.down === undefined && step.after.cut === undefined;
    say(`${String(taken).padStart(4)}  juju-local ${step.words.join(' ')}   # then ${pause} s`);
    await take(model, step);
    walked = step.after;
    await sleep(pause * 1000);
    await refuseFailures(model);
    // Now and then all is waited for; else the next step comes in the middle of this one.
    if (random() < 0.3 && isWhole) await settle(model);
  }
  for (const words of mend(walked)) {
    say(`      juju-local ${words.join(' ')}`);
    await model.juju(words[0] ?? '', ...words.slice(1));
  }
  await settle(model);
  say('# every unit is active, and no hook has failed');
}

async function take(model: LocalModel, { words: [verb = '', ...words], after }: Step): Promise<void> {
  if (verb === 'upgrade') {
    const source = `source=${await model.sourceOf('3.7')}`;
    for (const app of ['maas-rack', 'maas-region']) await model.juju('config', app, source);
  } else if (verb === 'run') {
    // What an action says of a model that is half there is its own affair.
    const [unit = '', action = '', ...params] = words;
    await model.action(unit, action, ...params);
  } else {
    const charm = /^<(.*)>$/.exec(words.at(-1) ?? '')?.[1];
    if (charm === undefined) await model.juju(verb, ...words);
    else await model.juju(verb, ...words.slice(0, -1), await otherCharm(charm, after.refreshes));
  }
}

/** The same charm in another archive: it has a comment. */
async function otherCharm(name: string, number: number): Promise<string> {
  const bytes = await readFile(charmFile(name));
  const comment = Buffer.from(`refresh ${number}`);
  // The last field of a zip file is the length of its comment (APPNOTE 4.3.16).
  bytes.writeUInt16LE(comment.length, bytes.length - 2);
  const path = join(charmFile(name), `../walk-${name}.charm`);
  await writeFile(path, Buffer.concat([bytes, comment]));
  return path;
}

async function settle(model: LocalModel): Promise<void> {
  try {
    await model.settle(SETTLES);
  } catch (error) {
    throw new Error(`${String(error)}\n${await model.juju('status')}\n${await log(model)}`, { cause: error });
  }
  await refuseFailures(model);
}

async function refuseFailures(model: LocalModel): Promise<void> {
  const failed = /hook "[^"]*" \(via hook dispatching script: dispatch\) failed/;
  const errors = await model.juju('debug-log', '--replay', '--level', 'ERROR');
  if (failed.test(errors)) throw new Error(`a hook has failed\n${await log(model)}`);
}

async function log(model: LocalModel): Promise<string> {
  return model.juju('debug-log', '--lines', '400', '--no-tail', '--date', '--ms');
}

/** The command line. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      juju: { type: 'string', default: '3.6' },
      minutes: { type: 'string', default: '60' },
    },
  });
  const [steps, seed, minutes] = [values.steps, values.seed, values.minutes].map(Number);
  const juju = values.juju === '4' ? '4' : '3.6';
  if (![steps, seed, minutes].every((number) => Number.isSafeInteger(number)) || values.juju !== juju)
    throw new Error('npm run walk -- [--steps N] [--seed N] [--juju 3.6|4] [--minutes N]');
  const model = new LocalModel(`walk-${seed}`);
  await buildCharms();
  try {
    await walk(model, { steps: steps ?? 0, seed: seed ?? 0, juju, minutes: minutes ?? 0 }, console.log);
  } finally {
    await model.juju('destroy-model', model.name, '--no-prompt');
  }
}

if (process.argv[1] === import.meta.filename) await main();
