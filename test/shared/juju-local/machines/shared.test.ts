// What this host does in folders that a machine may have changed: nothing through a link that the machine has laid.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { HookToolServer } from '../../../../shared/juju-local/src/hooktools/server.ts';
import { SharedFolder } from '../../../../shared/juju-local/src/machines/shared.ts';

let folder: string;
/** What the machine sees, and a folder of this host that it does not. */
const there = (...parts: readonly string[]): string => join(folder, 'machine', ...parts);
const host = (...parts: readonly string[]): string => join(folder, 'host', ...parts);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shared-'));
  mkdirSync(there());
  mkdirSync(host('unit-web-0'), { recursive: true });
  writeFileSync(host('unit-web-0', 'file'), 'of the host');
  writeFileSync(host('relation-get'), 'of the host');
});
afterEach(() => rmSync(folder, { recursive: true }));

function expectHostUntouched(): void {
  expect(readdirSync(host()).toSorted()).toEqual(['relation-get', 'unit-web-0']);
  expect(readdirSync(host('unit-web-0'))).toEqual(['file']);
  for (const path of [host('unit-web-0', 'file'), host('relation-get')])
    expect(readFileSync(path, 'utf8')).toBe('of the host');
}

test('the folders of a unit are removed, and none of this host that a link leads to', async () => {
  mkdirSync(there('agents'));
  mkdirSync(there('agents/unit-web-0'));
  symlinkSync(host(), there('agents/unit-web-0/link'));
  symlinkSync(host('unit-web-0'), there('agents/unit-web-1'));
  // In the place of the folder itself.
  symlinkSync(host(), there('tools'));
  await using root = await SharedFolder.open(there());
  for (const name of ['agents', 'tools']) {
    await using of = await root.folder(name);
    for (const unit of ['unit-web-0', 'unit-web-1']) await of.remove(unit);
  }
  expect(readdirSync(there('agents'))).toEqual([]);
  expect(lstatSync(there('tools')).isDirectory()).toBe(true);
  expectHostUntouched();
});

test('the tools of a unit are laid in a folder of the machine’s own, whatever it has laid there', async () => {
  symlinkSync(host(), there('tools'));
  const server = new HookToolServer(there(), () => Promise.reject(new Error('not asked')));
  await server.installTools('unit-web-0', false);
  expectHostUntouched();
  expect(readlinkSync(there('tools/unit-web-0/relation-get'))).toBe('../../hook-tool');

  rmSync(there('tools/unit-web-0'), { recursive: true });
  symlinkSync(host('unit-web-0'), there('tools/unit-web-0'));
  await server.installTools('unit-web-0', true);
  expectHostUntouched();
  expect(lstatSync(there('tools/unit-web-0')).isDirectory()).toBe(true);
  expect(readdirSync(there('tools/unit-web-0'))).not.toContain('leader-get');
});

test('the program behind the tools takes the place of a link, and is not written through it', async () => {
  symlinkSync(host('relation-get'), there('hook-tool'));
  const server = new HookToolServer(there(), () => Promise.reject(new Error('not asked')));
  await server.listen();
  server.close();
  expect(lstatSync(there('hook-tool')).isFile()).toBe(true);
  expectHostUntouched();
});

test('a path that leads out is none', async () => {
  symlinkSync(host(), there('out'));
  await using root = await SharedFolder.open(there());
  for (const name of ['..', '', 'a/b']) expect(() => root.path(name)).toThrow('is no name of a file');
  await expect(root.existing('out/unit-web-0')).rejects.toThrow('no such folder');
  await root.take('out', join(folder, 'taken'));
  expect(existsSync(join(folder, 'taken'))).toBe(false);
});
