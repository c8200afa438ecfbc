import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { machine, type Resource } from '../../../shared/host/src/index.ts';

let folder: string;
let place: { readonly stateDirectory: string };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'host-test-'));
  place = { stateDirectory: join(folder, 'state') };
});
afterEach(() => rm(folder, { recursive: true }));

function file(content: string, more: object = {}): Extract<Resource, { kind: 'file' }> {
  return { kind: 'file', path: join(folder, 'a.conf'), content, mode: 0o640, ...more };
}

function secret(value: string): Resource {
  return { ...file(''), content: { reveal: () => value } };
}

const inode = async (): Promise<number> => (await stat(join(folder, 'a.conf'))).ino;
const text = (): Promise<string> => readFile(join(folder, 'a.conf'), 'utf8');

describe('a file', () => {
  test('is written with its mode and owner, and not a second time', async () => {
    const wanted = file('one\n', { owner: 'nobody', group: 'nogroup' });
    expect(await machine.apply([wanted], place)).toHaveLength(1);
    const { mode, uid, gid } = await stat(wanted.path);
    expect([mode & 0o7777, uid, gid]).toEqual([0o640, 65534, 65534]);

    const before = await inode();
    expect(await machine.apply([wanted], place)).toEqual([]);
    expect(await inode()).toBe(before);
  });

  test('is set right when only its mode is wrong', async () => {
    await writeFile(join(folder, 'a.conf'), 'one\n', { mode: 0o666 });
    expect(await machine.apply([file('one\n')], place)).toEqual([
      { what: `file:${folder}/a.conf`, how: 'owner and mode set' },
    ]);
    expect((await stat(join(folder, 'a.conf'))).mode & 0o7777).toBe(0o640);
  });

  test('that its checker refuses never replaces the one in place', async () => {
    const validate = ['grep', '--quiet', 'good', '{}'];
    await machine.apply([file('good\n', { validate })], place);
    await expect(machine.apply([file('bad\n', { validate })], place)).rejects.toMatchObject({
      code: 'invalid-file',
      remedy: 'user',
      message: expect.stringContaining('a.conf stays as it was'),
    });
    expect(await text()).toBe('good\n');
    expect((await readdir(folder)).filter((name) => name !== 'state')).toEqual(['a.conf']);
  });

  test('what its checker says names the file, not the temporary one', async () => {
    const validate = ['sh', '-c', 'echo "$1:3: unknown keyword" >&2; exit 1', 'sh', '{}'];
    await expect(machine.apply([file('bad\n', { validate })], place)).rejects.toThrow(
      `refuses the new one: ${folder}/a.conf:3: unknown keyword`,
    );
  });

  test('is not written through a link that somebody put in the way', async () => {
    await writeFile(join(folder, 'shadow'), 'precious\n');
    await symlink(join(folder, 'shadow'), join(folder, 'a.conf.new'));
    await symlink(join(folder, 'shadow'), join(folder, 'a.conf'));
    await machine.apply([file('one\n')], place);
    expect(await readFile(join(folder, 'shadow'), 'utf8')).toBe('precious\n');
    expect(await text()).toBe('one\n');
  });

  test('that should not be there is deleted once, with what a crash left of it', async () => {
    const absent: Resource = { kind: 'absent-file', path: join(folder, 'a.conf') };
    await writeFile(absent.path, 'one\n');
    await writeFile(`${absent.path}.new`, 'half');
    expect(await machine.apply([absent], place)).toEqual([
      { what: `absent-file:${absent.path}`, how: 'deleted' },
    ]);
    expect(existsSync(absent.path) || existsSync(`${absent.path}.new`)).toBe(false);
    expect(await machine.apply([absent], place)).toEqual([]);
  });
});

describe('a preview', () => {
  test('shows the lines that would change, and changes nothing', async () => {
    await machine.apply([file('one\ntwo\n')], place);
    const [change] = await machine.preview([file('one\nthree\n')], place);
    expect(change?.how).toContain('-two\n+three');
    expect(await text()).toBe('one\ntwo\n');
  });

  test('hides what is secret', async () => {
    const shown = [
      ...(await machine.preview([secret('pa55word')], place)),
      ...(await machine.apply([secret('pa55word')], place)),
      ...(await machine.preview([secret('passw0rd')], place)),
    ];
    expect(shown).toHaveLength(3);
    expect(JSON.stringify(shown)).not.toMatch(/pa55word|passw0rd/);
    expect(await text()).toBe('pa55word');
  });
});

describe('a step', () => {
  test('runs until it succeeds, and again when its inputs change', async () => {
    let runs = 0;
    const step = (version: string, result: Promise<void>): Resource => ({
      kind: 'step',
      id: 'migrate',
      inputs: { version },
      run: () => {
        runs += 1;
        return result;
      },
    });
    await expect(machine.apply([step('1', Promise.reject(new Error('no database')))], place)).rejects.toThrow(
      'no database',
    );
    for (const version of ['1', '1', '2', '2'])
      await machine.apply([step(version, Promise.resolve())], place);
    expect(runs).toBe(3);
  });
});

test('a damaged memory does things again rather than never', async () => {
  const step: Resource = { kind: 'step', id: 'once', inputs: {}, run: () => Promise.resolve() };
  await machine.apply([step], place);
  await writeFile(join(place.stateDirectory, 'applied.json'), '{"steps":');
  expect(await machine.apply([step], place)).toEqual([{ what: 'step:once', how: 'done' }]);
});
