// The README of each charm names what its charmcraft.yaml has, and nothing else.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { charmcraft as haproxy } from '../charms/haproxy/src/charmcraft.ts';
import { charmcraft as keepalivedVip } from '../charms/keepalived-vip/src/charmcraft.ts';
import { charmcraft as maasRack } from '../charms/maas-rack/src/charmcraft.ts';
import { charmcraft as maasRegion } from '../charms/maas-region/src/charmcraft.ts';

describe.each([haproxy, keepalivedVip, maasRack, maasRegion])('the README of $name', (charm) => {
  const read = () => readFile(join(import.meta.dirname, '../charms', charm.name, 'README.md'), 'utf8');

  test('has a row for each option', async () => {
    const table = /^\| option .*\n(?:\|.*\n)+/m.exec(await read())?.[0] ?? '';
    const named = [...table.matchAll(/^\| (`[^|]*`) +\|/gm)].flatMap(([, cell = '']) => cell.split(', '));
    expect(named.map((name) => name.replaceAll('`', '')).toSorted()).toEqual(
      Object.keys(charm.options).toSorted(),
    );
  });

  test.each(Object.keys(charm.actions))('says what %s does', async (action) => {
    expect(await read()).toMatch(new RegExp(`\`${action}\`|juju run \\S+ ${action}\\b`));
  });

  test.each(Object.keys({ ...charm.provides, ...charm.requires }))(
    'speaks of the endpoint %s',
    async (endpoint) => {
      expect(await read()).toMatch(new RegExp(`\`${endpoint}\`|${charm.name}:${endpoint}\\b`));
    },
  );
});
