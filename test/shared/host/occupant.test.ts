// Who looks after a daemon of which a machine has one.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { machine, markOf, occupantOf, type SoleDaemon } from '../../../shared/host/src/index.ts';

let folder: string;
let daemon: SoleDaemon;
const owner = (name: string) => ({ name, home: join(folder, name) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'occupant-'));
  daemon = { package: 'keepalived', config: join(folder, 'etc', 'a.conf'), signature: '# Written by us' };
  await mkdir(join(folder, 'etc'));
  for (const name of ['first', 'second']) await mkdir(join(folder, name));
});
afterEach(() => rm(folder, { recursive: true }));

const claim = (name: string) =>
  machine.apply([markOf(daemon, owner(name))], { stateDirectory: join(folder, 'state') });

test('nobody: there is no configuration, an empty one, or one of ours', async () => {
  expect(await occupantOf(daemon, owner('first'))).toBeUndefined();
  for (const text of ['', '\n', '# Written by us; change it elsewhere\nx\n']) {
    await writeFile(daemon.config, text);
    expect(await occupantOf(daemon, owner('first'))).toBeUndefined();
  }
});

test('who was first stays, until it has gone: by its own will, or without a word', async () => {
  await claim('first');
  await writeFile(daemon.config, '# Written by us\n');
  expect(await occupantOf(daemon, owner('first'))).toBeUndefined();
  expect(await occupantOf(daemon, owner('second'))).toEqual({ kind: 'program', name: 'first' });
  await rm(join(folder, 'first'), { recursive: true });
  expect(await occupantOf(daemon, owner('second'))).toBeUndefined();
  await claim('second');
  expect(await occupantOf(daemon, owner('first'))).toEqual({ kind: 'program', name: 'second' });
});

test('a person who wrote the configuration', async () => {
  await writeFile(daemon.config, 'vrrp_instance by_hand {}\n');
  expect(await occupantOf(daemon, owner('first'))).toEqual({ kind: 'person', config: daemon.config });
  // Once it is our own, whatever somebody has written into it meanwhile.
  await claim('first');
  expect(await occupantOf(daemon, owner('first'))).toBeUndefined();
});

test('what the package brought is nobody’s, until somebody changes it', async () => {
  // Of a package that every Debian has.
  const ofPackage = { package: 'libc-bin', config: '/etc/ld.so.conf', signature: '# Written by us' };
  expect(await occupantOf(ofPackage, owner('first'))).toBeUndefined();
  await writeFile(daemon.config, await readFile(ofPackage.config, 'utf8'));
  expect(await occupantOf(daemon, owner('first'))).toMatchObject({ kind: 'person' });
});

test('a mark that nobody can read is nobody’s', async () => {
  for (const text of ['', '{', '{"name":1}', 'null']) {
    await writeFile(join(folder, 'etc', '.owner'), text);
    expect(await occupantOf(daemon, owner('first'))).toBeUndefined();
  }
});
