import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { CharmStore } from '../../../../shared/juju-local/src/charm/archive.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'charm-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const GOOD: Readonly<Record<string, string>> = {
  'metadata.yaml': 'name: tiny\nsummary: s\ndescription: d\n',
  'manifest.yaml': 'bases:\n- {name: ubuntu, channel: "24.04", architectures: [amd64]}\n',
  dispatch: '#!/bin/sh\n',
};

/** Makes and reads an archive: the good files, but for those given; `undefined` leaves one out. */
async function read(
  changes: Readonly<Record<string, string | undefined>> = {},
  modes: Readonly<Record<string, number>> = {},
) {
  const files: Zippable = {};
  for (const [name, content] of Object.entries({ ...GOOD, ...changes })) {
    const mode = modes[name] ?? 0o100_644;
    if (content !== undefined) files[name] = [strToU8(content), { os: 3, attrs: mode * 0x1_0000 }];
  }
  const path = join(folder, 'tiny.charm');
  // One time for all: the same files are the same archive, also a second later.
  writeFileSync(path, zipSync(files, { mtime: new Date('2026-01-01') }));
  const store = new CharmStore(join(folder, 'store'));
  const charm = await store.read(path);
  return { charm, files: store.folder(charm.digest) };
}

test('reads what the charm says of itself, and unpacks it with the modes of the archive', async () => {
  const { charm, files } = await read(
    {
      'config.yaml': 'options:\n  port: {type: int, default: 80}\n  name: {}\n',
      'actions.yaml': 'backup:\n  params: {file: {type: string}}\n  required: [file]\n',
      version: 'revision-id: abc\nmore',
      'lib/data': 'x',
      link: 'lib/data',
      'hooks/install': '#!/bin/sh\n',
    },
    { dispatch: 0o100_755, link: 0o120_777 },
  );
  expect(charm).toMatchObject({
    metadata: { name: 'tiny', subordinate: false },
    bases: [{ name: 'ubuntu', channel: '24.04' }],
    options: { port: { type: 'int', default: 80 }, name: { type: 'string' } },
    actions: { backup: { required: ['file'] } },
    version: 'abc',
  });
  expect(statSync(join(files, 'dispatch')).mode & 0o777).toBe(0o755);
  expect(statSync(join(files, 'lib/data')).mode & 0o777).toBe(0o644);
  expect(statSync(join(files, 'hooks/install')).mode & 0o100).toBe(0o100); // Juju mends these
  expect(readlinkSync(join(files, 'link'))).toBe('lib/data');
  expect(readFileSync(join(files, 'link'), 'utf8')).toBe('x');
});

const NAME = 'name: tiny\nsummary: s\ndescription: d\n';

test.each<[Readonly<Record<string, string | undefined>>, string]>([
  [{ 'metadata.yaml': undefined }, 'metadata.yaml not found'],
  [{ 'metadata.yaml': 'name: tiny\nsummary: s\n' }, 'description'],
  [{ 'metadata.yaml': 'name: tiny-2\nsummary: s\ndescription: d\n' }, 'invalid charm name'],
  [{ 'metadata.yaml': ': : :' }, 'metadata.yaml: '],
  [{ 'manifest.yaml': undefined }, 'charm does not define any bases, not valid'],
  [{ 'manifest.yaml': 'bases: []\n' }, 'charm does not define any bases, not valid'],
  [{ 'manifest.yaml': 'bases:\n- {name: ubuntu, channel: 24.04}\n' }, 'channel is quoted'],
  [{ dispatch: undefined }, 'invalid charm "tiny": has no hooks nor dispatch file'],
  [{ 'config.yaml': '' }, 'invalid config: empty configuration'],
  [{ 'config.yaml': 'options: {a: {type: text}}' }, 'config.yaml'],
  [{ 'actions.yaml': 'Back_Up: {}' }, 'actions.yaml'],
  [{ 'metadata.yaml': `${NAME}series: [jammy]\n` }, '"series" cannot be used with bases'],
  [{ 'metadata.yaml': `${NAME}min-juju-version: 3.6\n` }, '"min-juju-version" cannot be used with bases'],
  [
    { 'metadata.yaml': `${NAME}provides: {a: {interface: x}}\nrequires: {a: {interface: z}}\n` },
    'charm "tiny" using a duplicated relation name: "a"',
  ],
  [
    { 'metadata.yaml': `${NAME}provides: {juju-x: {interface: x}}\n` },
    'charm "tiny" using a reserved relation name: "juju-x"',
  ],
  [
    { 'metadata.yaml': `${NAME}provides: {a: {interface: juju}}\n` },
    'charm "tiny" relation "a" using a reserved interface: "juju"',
  ],
  [
    { 'metadata.yaml': `${NAME}subordinate: true\nrequires: {a: {interface: x}}\n` },
    'subordinate charm "tiny" lacks "requires" relation with container scope',
  ],
])('%j is refused', async (changes, message) => {
  await expect(read(changes)).rejects.toThrow(message);
});

test('what is no zip, or leads out of the charm, is refused', async () => {
  writeFileSync(join(folder, 'text.charm'), 'hello');
  const store = new CharmStore(join(folder, 'store'));
  await expect(store.read(join(folder, 'text.charm'))).rejects.toThrow('is no zip archive');
  await expect(store.read(join(folder, 'nothing.charm'))).rejects.toThrow('no charm was found at');
  await expect(read({ out: '../../etc/passwd' }, { out: 0o120_777 })).rejects.toThrow(
    'links out of the charm',
  );
  await expect(read({ out: '/etc/passwd' }, { out: 0o120_777 })).rejects.toThrow('links out of the charm');
});

test.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, number>>, string]>([
  ['a file behind a link', { up: '.', 'up/x': 'x' }, { up: 0o120_777 }, 'through the symlink "up"'],
  [
    'links that lead out only together',
    { 'sub/up': '..', round: 'sub/up/../../etc' },
    { 'sub/up': 0o120_777, round: 0o120_777 },
    'links out of the charm',
  ],
  [
    'a chain',
    { 'a/b': '..', c: 'a/b', d: 'c/../etc' },
    { 'a/b': 0o120_777, c: 0o120_777, d: 0o120_777 },
    'links out of the charm',
  ],
  ['links in a circle', { a: 'b', b: 'a' }, { a: 0o120_777, b: 0o120_777 }, 'links out of the charm'],
])('%s is refused, and nothing is written outside of the store', async (_what, files, modes, message) => {
  await expect(read(files, modes)).rejects.toThrow(message);
  expect(readdirSync(folder).filter((name) => !/^(store|.*\.charm)$/.test(name))).toEqual([]);
});

test('links within a charm are kept, through one another too', async () => {
  const { files } = await read(
    { 'a/b': '..', c: 'a/b/lib/data', 'lib/data': 'x' },
    { 'a/b': 0o120_777, c: 0o120_777 },
  );
  expect(readFileSync(join(files, 'c'), 'utf8')).toBe('x');
});

test('YAML is read as Juju reads it: merge keys, yes and off, keys that stand twice', async () => {
  const { charm } = await read({
    'config.yaml': [
      'options:',
      '  one: &one {type: boolean, default: yes, description: of one}',
      '  two: {<<: *one, default: off}',
      '  three: {type: int, default: 1, default: 0x10}',
      '',
    ].join('\n'),
  });
  expect(charm.options).toMatchObject({
    one: { type: 'boolean', default: true },
    two: { type: 'boolean', default: false, description: 'of one' },
    three: { default: 16 },
  });
});

test('a refresh follows no link that a machine has laid, and a machine changes no file of the store', async () => {
  const store = new CharmStore(join(folder, 'store'));
  const large = 'x'.repeat(2_000_000);
  const { charm: old } = await read({ 'lib/data': '1', 'lib/large': large, 'lib/old': '1' });
  const { charm } = await read({ 'lib/data': '2', 'lib/large': large, version: '2' });
  const [host, machine] = [join(folder, 'host'), join(folder, 'machine')];
  for (const path of [host, machine]) mkdirSync(path);
  writeFileSync(join(host, 'data'), 'of the host');
  writeFileSync(join(host, 'old'), 'of the host');
  await store.lay(old.digest, machine, 'agents/unit/charm', undefined);
  writeFileSync(join(machine, 'agents/unit/charm/lib/large'), 'changed on the machine');
  expect(readFileSync(join(store.folder(old.digest), 'lib/large'), 'utf8')).toBe(large);

  rmSync(join(machine, 'agents/unit/charm/lib'), { recursive: true });
  symlinkSync(host, join(machine, 'agents/unit/charm/lib'));
  await store.lay(charm.digest, machine, 'agents/unit/charm', old.digest);
  expect(readFileSync(join(machine, 'agents/unit/charm/lib/data'), 'utf8')).toBe('2');
  rmSync(join(machine, 'agents'), { recursive: true });
  symlinkSync(host, join(machine, 'agents'));
  await store.lay(charm.digest, machine, 'agents/unit/charm', old.digest);
  expect(readFileSync(join(machine, 'agents/unit/charm/lib/data'), 'utf8')).toBe('2');
  expect(readdirSync(host).sort()).toEqual(['data', 'old']);
  expect(readFileSync(join(host, 'data'), 'utf8')).toBe('of the host');
});

test('a subordinate may require juju-info under that name', async () => {
  const { charm } = await read({
    'metadata.yaml': `${NAME}subordinate: true\nrequires: {juju-info: {interface: juju-info, scope: container}}\n`,
  });
  expect(charm.metadata.requires).toEqual({
    'juju-info': { interface: 'juju-info', scope: 'container', limit: 0 },
  });
});

test('an upgrade takes away what only the old charm had, and leaves what the charm has made', async () => {
  const store = new CharmStore(join(folder, 'store'));
  const { charm: old } = await read({ 'lib/old': '1', 'lib/both': '1' }, { dispatch: 0o100_755 });
  const { charm } = await read({ 'lib/new': '2', 'lib/both': '2' });
  const target = join(folder, 'unit');
  await store.lay(old.digest, folder, 'unit', undefined);
  expect(statSync(join(target, 'dispatch')).mode & 0o777).toBe(0o755);
  writeFileSync(join(target, 'lib/made'), 'x');
  writeFileSync(join(target, 'lib/both'), 'changed by the charm');
  await store.lay(charm.digest, folder, 'unit', old.digest);
  expect(readdirSync(join(target, 'lib')).sort()).toEqual(['both', 'made', 'new']);
  expect(readFileSync(join(target, 'lib/both'), 'utf8')).toBe('2');
  await store.lay(old.digest, folder, 'other', undefined);
  expect(readFileSync(join(folder, 'other/lib/both'), 'utf8')).toBe('1'); // a unit's files are its own
});

test('of charms that no model uses, those go that nobody has read for a while, and what was left unfinished', async () => {
  const { charm: used } = await read();
  const { charm: unused } = await read({ version: '2' });
  const { charm: fresh } = await read({ version: '3' });
  const store = new CharmStore(join(folder, 'store'));
  const unfinished = join(folder, 'store', `${unused.digest}.x7Gh2a`);
  mkdirSync(unfinished);
  const before = new Date(Date.now() - 3_600_000);
  for (const path of [store.folder(used.digest), store.folder(unused.digest), unfinished])
    utimesSync(path, before, before);
  await store.prune(new Set([used.digest]));
  const kept = readdirSync(join(folder, 'store')).filter((name) => name !== 'lock');
  expect(kept.sort()).toEqual([used.digest, fresh.digest].sort());
  // One that goes is unpacked again when it is deployed again.
  const { files } = await read({ version: '2' });
  expect(readdirSync(files)).toContain('dispatch');
});

test('a charm that is deployed again stays, however old its files are', async () => {
  const { charm, files } = await read();
  const before = new Date(Date.now() - 3_600_000);
  utimesSync(files, before, before);
  await read();
  await new CharmStore(join(folder, 'store')).prune(new Set());
  expect(readdirSync(files)).toContain('dispatch');
  expect(charm.digest).toMatch(/^[0-9a-f]{64}$/);
});
