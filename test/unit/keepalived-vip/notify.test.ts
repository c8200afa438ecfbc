// What keepalived runs when an instance changes its state, with a program in the place of nft.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { renderNotify, STATE_DIRECTORY } from '../../../charms/keepalived-vip/src/render/notify.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notify-'));
  await writeFile(join(folder, 'nft'), `#!/bin/sh\necho "$@" >>${folder}/asked\n`, { mode: 0o755 });
});
afterEach(() => rm(folder, { recursive: true }));

async function become(state: string): Promise<void> {
  const script = renderNotify('keepalived-vip/0').replaceAll(STATE_DIRECTORY, folder);
  const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
  await execa('sh', ['-s', 'INSTANCE', 'vip-eth0-ipv4', state, '100'], { input: script, env: { PATH } });
}
const asked = (): Promise<string> => readFile(join(folder, 'asked'), 'utf8').catch(() => '');

test.each(['BACKUP', 'FAULT'])(
  '%s: the addresses are elsewhere, and nobody is kept out any more',
  async (state) => {
    await become(state);
    expect(await readFile(join(folder, 'vip-eth0-ipv4.state'), 'utf8')).toMatch(`${state} `);
    expect(await asked()).toMatch('delete table inet keepalived-vip-handover');
  },
);

test('MASTER on a unit that is about to leave: it goes on keeping out new connections', async () => {
  await become('MASTER');
  expect(await readFile(join(folder, 'vip-eth0-ipv4.state'), 'utf8')).toMatch('MASTER ');
  expect(await asked()).toBe('');
});
