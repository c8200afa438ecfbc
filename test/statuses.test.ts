// What statuses.yaml says of a charm is what its sources can say. That all that they say is in it, the tests of events hold.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { isKnown, knownStatuses, literalsOf } from '../docs/statuses.ts';

const ROOT = join(import.meta.dirname, '..');

async function sourcesOf(charm: string): Promise<string> {
  const folders = [`charms/${charm}`, 'shared/maas', 'shared/interfaces', 'shared/juju-ts-ops'];
  const texts = folders.map(async (folder) => {
    const names = await readdir(join(ROOT, folder, 'src'), { recursive: true });
    const files = names.filter((name) => name.endsWith('.ts'));
    return Promise.all(files.map((name) => readFile(join(ROOT, folder, 'src', name), 'utf8')));
  });
  return (await Promise.all(texts)).flat(2).join('\n');
}

test.each(['haproxy', 'keepalived-vip', 'maas-rack', 'maas-region'])(
  'every status in the reference of %s is in its sources',
  async (charm) => {
    const sources = await sourcesOf(charm);
    const isThere = (text: string): boolean =>
      // The sources put some of them together.
      text
        .split(/: |= | to be | to | for | expired /)
        .every((part) => part.trim().length < 6 || sources.includes(part.trim()));
    const invented = (await knownStatuses(charm)).filter(
      ({ says }) => !literalsOf(says).every((text) => isThere(text)),
    );
    expect(invented.map(({ says }) => says)).toEqual([]);
  },
);

test('a message is known with its notes, at its level', async () => {
  const known = await knownStatuses('maas-region');
  const serves = 'serves http://10.0.0.200/MAAS';
  expect(isKnown(serves, 'active', known)).toBe(true);
  expect(
    isKnown(`${serves}; MAAS still lists region-1 as running; 2 more: show-status`, 'active', known),
  ).toBe(true);
  expect(isKnown('regiond to serve', 'waiting', known)).toBe(true);
  expect(isKnown('regiond to serve', 'blocked', known)).toBe(false);
  expect(isKnown('something else', 'waiting', known)).toBe(false);
});
