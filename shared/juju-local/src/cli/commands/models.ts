import { rm } from 'node:fs/promises';
import { stringify } from 'yaml';
import { ask, modelDirectory, socketPath } from '../../daemon/protocol.ts';
import { UsageError } from '../../errors.ts';
import { readConfig } from '../arguments.ts';
import { define, JUJU, jujuOf } from '../command.ts';
import { chooseModel, ensureDaemon, isRunning, machinesOf, models, requireRoot } from '../connect.ts';

export const modelCommands = {
  'add-model': define(
    'add-model <model> [--juju 3.6|4]',
    'Makes an empty model, like Juju 3.6 or like Juju 4; deploy makes one by itself.',
    JUJU,
    { least: 1, most: 1 },
    async (_call, values, [name]) => {
      const model = await chooseModel(name, true);
      if ((await models()).includes(model))
        throw new UsageError(`failed to create new model: model "${model}" already exists (already exists)`);
      await ensureDaemon(model, jujuOf(values));
      console.error(`Added '${model}' model on juju-local`);
    },
  ),

  'model-config': define(
    'model-config [<key>=<value>...]',
    'Shows or sets options of the model.',
    {},
    { least: 0 },
    async ({ request }, _values, words) => {
      const answer = await request('model-config', { values: await readConfig(words, undefined) });
      if (words.length === 0) console.log(stringify(answer).trimEnd());
    },
    true,
  ),

  models: define('models', 'Lists the models of this machine.', {}, { least: 0, most: 0 }, async () => {
    for (const name of await models()) console.log(name);
  }),

  'destroy-model': define(
    'destroy-model [<model>] [--no-prompt]',
    'Removes a model with all its machines, even after a crash.',
    { 'no-prompt': { type: 'boolean' }, force: { type: 'boolean' } },
    { least: 0, most: 1 },
    async ({ named }, _values, [name = named]) => {
      const model = await chooseModel(name, false);
      requireRoot();
      if (await isRunning(model)) await ask(model, 'destroy', null);
      else {
        await (await machinesOf(model)).destroy();
        await rm(modelDirectory(model), { recursive: true, force: true });
        await rm(socketPath(model), { force: true });
        await rm(`${socketPath(model)}.lock`, { force: true });
      }
      console.error(`Model "${model}" destroyed.`);
    },
  ),
};
