// What charmcraft.yaml may say: what Juju and `charmcraft pack` would refuse later is refused here.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { readDeclaration } from '../../../../shared/juju-ts-ops/src/builder/declaration.ts';

const GREET = { description: 'Greet somebody.', additionalProperties: false };
const RIGHT = {
  name: 'hello',
  type: 'charm',
  title: 'Hello',
  summary: 'Says hello',
  description: 'Says hello.',
  config: { options: { greeting: { type: 'string', default: 'Hello', description: 'What to say.' } } },
  actions: { greet: GREET },
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'declaration-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function read(changes: object) {
  await writeFile(join(folder, 'charmcraft.yaml'), stringify({ ...RIGHT, ...changes }));
  return readDeclaration(folder);
}
const option = (type: string, value: unknown) => ({
  config: { options: { greeting: { type, default: value, description: 'What to say.' } } },
});

test('what is right is read', async () => {
  expect(await read({ parts: { charm: {} } })).toMatchObject(RIGHT);
});

test.each([
  ['a long name', { name: 'a'.repeat(41) }, /name/],
  ['a long title', { title: 'a'.repeat(41) }, /title/],
  ['a long summary', { summary: 'a'.repeat(201) }, /summary/],
  ['a default of another type', option('int', 'many'), /greeting\.default/],
  ['a fraction', option('int', 1.5), /greeting\.default/],
  ['a secret that is none', option('secret', 'hunter2'), /greeting\.default/],
  ['an unknown type', option('list', 'a'), /greeting\.type/],
  ['an action that Python knows', { actions: { import: GREET } }, /keyword of Python\n.*actions\.import/],
  ['an action with a dot', { actions: { 'say.hello': GREET } }, /letters, digits.*\n.*say\.hello/],
  ['an action without a description', { actions: { greet: {} } }, /greet\.description/],
])('%s is refused', async (_what, changes, problem) => {
  await expect(read(changes)).rejects.toThrow(problem);
});

test('what charmcraft packs says that actions take no other parameters, because Juju 3.6 would', async () => {
  const actions = {
    greet: { description: 'Greet somebody.' },
    open: { ...GREET, additionalProperties: true },
  };
  expect(await read({ actions })).toMatchObject({ actions });
  await expect(read({ actions, parts: { charm: {} } })).rejects.toThrow(
    /give greet additionalProperties: false$/,
  );
});
