// What `npm run build` makes, and what it refuses to make.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parse } from 'yaml';
import { stateOf } from 'juju-ts-ops/testing';
import { charm as haproxy } from '../charms/haproxy/src/charm.ts';
import { environmentOf } from '../shared/juju-ts-ops/src/testing/environment.ts';
import { CharmStore } from '../shared/juju-local/src/charm/archive.ts';
import { CACHE } from '../shared/juju-local/src/machines/nspawn.ts';

const ROOT = join(import.meta.dirname, '..');
const MINUTE = 60_000;
const charms = new CharmStore(join(CACHE, 'charms'));
const folders: string[] = [];

/** A copy of what the build needs, to change and to build in. */
async function project(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'build-test-'));
  folders.push(folder);
  for (const name of ['build.mjs', 'package.json', 'package-lock.json', 'LICENSE', 'charms'])
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

async function build(folder: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, ['build.mjs', ...args], {
    cwd: folder,
    reject: false,
  });
  return exitCode === 0 ? stdout : `exit ${exitCode}: ${stderr}`;
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(file, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(file, after);
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

describe('a charm', () => {
  let first: string;

  beforeAll(async () => {
    first = await project();
    expect(await build(first, 'haproxy')).toBe('build: dist/haproxy.charm');
  }, 3 * MINUTE);

  test('has what Juju reads, and an executable dispatch', async () => {
    const { digest, metadata, bases, options, actions, version } = await charms.read(
      join(first, 'dist/haproxy.charm'),
    );
    expect(metadata).toMatchObject({ name: 'haproxy', subordinate: true });
    expect(bases.map(({ name, channel }) => `${name}@${channel}`)).toEqual([
      'ubuntu@22.04',
      'ubuntu@24.04',
      'ubuntu@26.04',
    ]);
    expect(options).toHaveProperty('port');
    expect(actions).toHaveProperty('show-plan');
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const folder = charms.folder(digest);
    expect((await stat(join(folder, 'dispatch'))).mode & 0o777).toBe(0o755);
    for (const name of ['LICENSE', 'README.md', 'icon.svg'])
      expect((await stat(join(folder, name))).size).not.toBe(0);
    // Juju would take an unquoted 22.04 for a number.
    expect(await readFile(join(folder, 'manifest.yaml'), 'utf8')).toContain('channel: "22.04"');
    expect(parse(await readFile(join(folder, 'metadata.yaml'), 'utf8'))).toMatchObject({
      'display-name': 'HAProxy',
      website: 'https://www.haproxy.org',
    });
    for (const action of Object.values(parse(await readFile(join(folder, 'actions.yaml'), 'utf8'))))
      expect(action).toHaveProperty('additionalProperties', false);
  });

  const IN_IT = [
    'node/LICENSE',
    'libatomic1/copyright',
    'libatomic1/GPL-3',
    ...['zod/LICENSE', 'yaml/LICENSE', 'execa/license', 'signal-exit/LICENSE.txt'].map(
      (name) => `npm/${name}`,
    ),
  ];
  const licencesIn = async (name: string): Promise<(name: string) => Promise<string>> => {
    const { digest } = await charms.read(join(first, 'dist', name));
    return (file) => readFile(join(charms.folder(digest), 'licenses', file), 'utf8').catch(() => '');
  };

  test('has the licences of all that is in it', async () => {
    const licence = await licencesIn('haproxy.charm');
    const missing = [];
    for (const name of IN_IT)
      if (!/licen[cs]e|copyright|permission/i.test(await licence(name))) missing.push(name);
    expect(missing).toEqual([]);
    expect(await licence('libatomic1/copyright')).toContain('GCC Runtime Library Exception');
    expect(await licence('node/LICENSE')).toContain('Node.js is licensed for use as follows');
  });

  test('runs without a Node on the machine, and says who starts it when nobody does', async () => {
    const { digest } = await charms.read(join(first, 'dist/haproxy.charm'));
    const result = await execa(join(charms.folder(digest), 'dispatch'), [], {
      reject: false,
      extendEnv: false,
      env: { PATH: '/nonexistent' },
    });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('this program is run by Juju');
  });

  test('that crashes names the line of the source', async () => {
    const { digest } = await charms.read(join(first, 'dist/haproxy.charm'));
    const folder = charms.folder(digest);
    const unit = await mkdtemp(join(tmpdir(), 'build-unit-'));
    folders.push(unit);
    for (const name of ['dispatch', 'dispatch.js.map', 'lib'])
      await cp(join(folder, name), join(unit, name), { recursive: true });
    // Every tool of Juju says what no tool says, but for the log.
    await mkdir(join(unit, 'bin'));
    for (const tool of ['config-get', 'relation-ids', 'is-leader', 'network-get', 'state-get', 'status-get'])
      await writeFile(join(unit, 'bin', tool), '#!/bin/sh\necho "{nonsense"\n', { mode: 0o755 });
    await writeFile(join(unit, 'bin/juju-log'), `#!/bin/sh\necho "$@" >>${unit}/log\n`, { mode: 0o755 });
    const { exitCode } = await execa(join(unit, 'dispatch'), [], {
      reject: false,
      extendEnv: false,
      env: {
        ...environmentOf(stateOf(haproxy), 'config-changed', unit),
        PATH: `${unit}/bin:/usr/bin:/bin`,
      },
    });
    expect(exitCode).toBe(1);
    const [, file = '', line] =
      /\((charms\/haproxy\/src\/read\.ts):(\d+):\d+\)/.exec(await readFile(join(unit, 'log'), 'utf8')) ?? [];
    const source = (await readFile(join(ROOT, file), 'utf8')).split('\n');
    expect(source[Number(line) - 1]).toContain('await Promise.all');
  });

  test(
    'is the same, byte for byte, wherever it is built',
    async () => {
      const second = await project();
      await build(second, 'haproxy');
      const charms = [first, second].map((folder) => readFile(join(folder, 'dist/haproxy.charm')));
      const [a, b] = await Promise.all(charms);
      expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
    },
    3 * MINUTE,
  );

  test(
    'lies in its own folder where charmcraft packs it from: all but what charmcraft writes itself',
    async () => {
      await build(first, '--charmcraft', 'haproxy');
      const { digest } = await charms.read(join(first, 'dist/haproxy.charm'));
      const built = join(first, 'charms/haproxy/built', process.arch === 'arm64' ? 'arm64' : 'amd64');
      expect((await stat(join(built, 'dispatch'))).mode & 0o777).toBe(0o755);
      const filesIn = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted();
      const written = ['actions.yaml', 'config.yaml', 'manifest.yaml', 'metadata.yaml'];
      expect([...(await filesIn(built)), ...written].toSorted()).toEqual(
        await filesIn(charms.folder(digest)),
      );
    },
    3 * MINUTE,
  );

  test(
    'can be built for arm64 on another machine',
    async () => {
      const other = process.arch === 'arm64' ? 'x64' : 'arm64';
      expect(await build(first, '--arch', other, 'haproxy')).toContain(`dist/haproxy_${other}.charm`);
      const { digest } = await charms.read(join(first, `dist/haproxy_${other}.charm`));
      const header = await readFile(join(charms.folder(digest), 'dispatch'));
      const machine = { x64: 62, arm64: 183 }[other]; // e_machine of the ELF header
      expect(header.readUInt16LE(18)).toBe(machine);
      const licence = await licencesIn(`haproxy_${other}.charm`);
      for (const name of IN_IT) expect([name, await licence(name)]).not.toEqual([name, '']);
    },
    5 * MINUTE,
  );
});

describe('the build refuses', () => {
  const other = process.arch === 'arm64' ? 'x64' : 'arm64';

  test(
    'a Node for another machine that is not the one of the lock file, and one that is in none',
    async () => {
      const folder = await project();
      const lock = join(folder, 'package-lock.json');
      const hash = new RegExp(
        `(node_modules/node-linux-${other}":\\s*\\{[^}]*?"integrity": "sha512-)....`,
        's',
      );
      await edit(lock, (text) => text.replace(hash, '$1AAAA'));
      expect(await build(folder, '--arch', other, 'haproxy')).toMatch(
        new RegExp(`exit 1: .*node-linux-${other}@\\S+ is not what package-lock.json says`, 's'),
      );
      await rm(lock);
      expect(await build(folder, '--arch', other, 'haproxy')).toContain('has no hash of node-linux-');
    },
    3 * MINUTE,
  );

  test('an option that the code does not know', async () => {
    const folder = await project();
    const file = join(folder, 'charms/haproxy/charmcraft.yaml');
    await edit(file, (text) =>
      text.replace(
        '  options:\n',
        '  options:\n    colour: { type: string, default: red, description: none }\n',
      ),
    );
    expect(await build(folder, '--check', 'haproxy')).toContain('run: npx juju-ts-ops types charms/haproxy');
    await build(folder, '--types', 'haproxy');
    expect(await build(folder, '--check', 'haproxy')).toMatch(
      /declares the options \[.*colour.*\], the code has/,
    );
  });

  test('an action that charmcraft.yaml does not declare', async () => {
    const folder = await project();
    await edit(join(folder, 'charms/haproxy/src/actions.ts'), (text) =>
      text.replace("'show-backends':", "'hide-backends':"),
    );
    expect(await build(folder, '--check', 'haproxy')).toMatch(/declares the actions \[show-backends\]/);
  });

  test('a handler for a hook that Juju never runs', async () => {
    const folder = await project();
    await edit(join(folder, 'charms/haproxy/src/charm.ts'), (text) =>
      text.replace('  read,\n', "  on: { 'backup-relation-changed': () => Promise.resolve() },\n  read,\n"),
    );
    expect(await build(folder, '--check', 'haproxy')).toContain(
      'the code has handlers for [backup-relation-changed], which never happen',
    );
  });

  test('YAML that is none, with the line', async () => {
    const folder = await project();
    await edit(join(folder, 'charms/haproxy/charmcraft.yaml'), (text) => `colour: [red\n${text}`);
    const said = await build(folder, '--check', 'haproxy');
    expect(said).toMatch(/charmcraft\.yaml: .* at line 2, column 1:/);
    expect(said).not.toMatch(/^\s+at /m);
  });

  test('a key of charmcraft.yaml that means nothing', async () => {
    const folder = await project();
    await edit(join(folder, 'charms/haproxy/charmcraft.yaml'), (text) => `${text}colour: red\n`);
    expect(await build(folder, '--check', 'haproxy')).toContain('Unrecognized key: "colour"');
  });
});
