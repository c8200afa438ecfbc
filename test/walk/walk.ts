// npm run walk -- --steps 100 --seed 7 [--juju 4] [--minutes 60]
//
// A model under a seeded random sequence of what users do and what breaks. Whatever is done: no hook fails; and whenever
// the model is whole, every unit becomes active, and MAAS is what its users expect (see `refuseHarm`). Each step is printed
// before it is taken, as a command that can be typed; the same seed takes the same steps. It ends by itself. When something
// is wrong, it throws with the log, and the model `walk-<seed>` stays to be looked at.
import { deepStrictEqual, match } from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../deploy/client.ts';
import { buildCharms, charmFile, LocalModel, regionsOf } from '../deploy/model.ts';
import { optionsOf } from '../options.ts';
import { mend, nextStep, randomBy, start, type Step, type Walked } from './steps.ts';

export interface Walk {
  readonly steps: number;
  readonly seed: number;
  /** After how many minutes it takes no further step. */
  readonly minutes: number;
}

const REGIONS = 2;
const RACKS = 1;

/** How long the model may take to become active once it is whole, in seconds. */
const SETTLES = 900;

/** How long MAAS may take to forget who is gone, and to finish an upgrade, once every unit is active, in seconds. */
const CALMS = 600;

/** Makes a model to walk in, with {@link REGIONS} and {@link RACKS}, and waits until it is whole. */
export async function begin(model: LocalModel, juju: '3.6' | '4'): Promise<Walked> {
  await model.deploy({
    bundle: 'bundle-postgresql-14.yaml',
    version: '3.4',
    units: { 'maas-region': REGIONS, 'maas-rack': RACKS },
    juju,
  });
  const beginning = start(REGIONS, RACKS);
  await settle(model, beginning);
  return beginning;
}

/**
 * Walks on in a model that is whole.
 * @param say told of each step before it is taken
 * @throws when a hook has failed, when the model does not become active, or when MAAS is not what its users expect.
 */
export async function walk(
  model: LocalModel,
  beginning: Walked,
  { steps, seed, minutes }: Walk,
  say: (line: string) => void,
): Promise<void> {
  const random = randomBy(seed);
  const end = Date.now() + minutes * 60_000;
  let walked = beginning;
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
    if (random() < 0.3 && isWhole) await settle(model, walked);
  }
  for (const words of mend(walked)) {
    say(`      juju-local ${words.join(' ')}`);
    await take(model, { words, after: walked });
  }
  await settle(model, walked);
  say('# every unit is active, and no hook has failed');
}

async function take(model: LocalModel, { words: [verb = '', ...words], after }: Step): Promise<void> {
  if (verb === 'upgrade') {
    await model.enableExtensions();
    const source = `source=${await model.sourceOf('3.7')}`;
    for (const app of ['maas-rack', 'maas-region']) await model.juju('config', app, source);
  } else if (verb === 'run') {
    // What an action says of a model that is half there is its own affair.
    const [unit = '', action = '', ...params] = words;
    await model.action(unit, action, ...params, '--wait=60s');
  } else if (verb === 'integrate') {
    // Juju refuses it until every unit has left the relation of before.
    await eventually(SETTLES, () => model.juju(verb, ...words), 3000);
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

async function settle(model: LocalModel, walked: Walked): Promise<void> {
  try {
    await model.settle(SETTLES);
    await refuseHarm(model, walked);
  } catch (error) {
    throw new Error(`${String(error)}\n${await model.juju('status')}\n${await log(model)}`, { cause: error });
  }
  await refuseFailures(model);
}

/**
 * One machine has the virtual address, every region answers behind it, every rack is connected to every region, all have
 * one secret and one MAAS, which lists the units that there are, and its database was migrated once to each version.
 */
async function refuseHarm(model: LocalModel, { versions }: Walked): Promise<void> {
  const vip = (await model.juju('config', 'keepalived-vip', 'vip')).trim();
  const version = versions.at(-1) ?? '';
  const onAll = async (command: string): Promise<readonly string[]> =>
    (await Promise.all(['maas-region', 'maas-rack'].map((app) => model.onEach(app, command)))).flatMap(
      (said) => Object.values(said),
    );
  await eventually(
    CALMS,
    async () => {
      deepStrictEqual(await model.migrations(), versions);
      const regions = await model.hostNamesOf('maas-region');
      const listed = await model.sql('SELECT hostname FROM maasserver_node ORDER BY hostname');
      deepStrictEqual(listed, [...regions, ...(await model.hostNamesOf('maas-rack'))].sort());
      for (const packages of await onAll("dpkg-query -W -f '${Version}' maas-common"))
        match(packages, new RegExp(`^1:${version.replace('.', '\\.')}\\.`));
      const secrets = new Set(await onAll('cat /var/lib/maas/secret'));
      deepStrictEqual(secrets.size, 1, 'there are two secrets');
      const holders = (await model.holdersOf(vip)).map(({ name }) => name);
      deepStrictEqual(holders.length, 1, `who has the virtual address: ${holders.join(', ')}`);
      deepStrictEqual(await regionsOf(vip), regions);
      const addresses = (await model.unitsOf('maas-region')).map(({ address }) => address).sort();
      for (const rack of await model.unitsOf('maas-rack'))
        deepStrictEqual(await model.regionsOfRack(rack), addresses, rack.name);
    },
    3000,
  );
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
  const usage = 'npm run walk -- [--steps N] [--seed N] [--juju 3.6|4] [--minutes N]';
  const values = optionsOf(usage, {
    steps: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    juju: { type: 'string', default: '3.6' },
    minutes: { type: 'string', default: '60' },
  });
  const [steps, seed, minutes] = [values.steps, values.seed, values.minutes].map(Number);
  const juju = values.juju === '4' ? '4' : '3.6';
  if (![steps, seed, minutes].every((number) => Number.isSafeInteger(number)) || values.juju !== juju)
    throw new Error(usage);
  const model = new LocalModel(`walk-${seed}`);
  await buildCharms();
  console.log(`# Juju ${juju}, seed ${seed}`);
  const beginning = await begin(model, juju);
  await walk(model, beginning, { steps: steps ?? 0, seed: seed ?? 0, minutes: minutes ?? 0 }, (line) =>
    console.log(`${new Date().toISOString().slice(11, 19)} ${line}`),
  );
  await model.destroy();
}

if (process.argv[1] === import.meta.filename) await main();
