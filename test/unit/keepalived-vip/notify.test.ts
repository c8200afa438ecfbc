// What keepalived runs when an instance changes its state, with a program in the place of nft.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import {
  NEXT_LOCK,
  NOTIFY_SCRIPT,
  renderNotify,
  STATE_DIRECTORY,
  TELLING_LOCK,
} from '../../../charms/keepalived-vip/src/render/notify.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notify-'));
  await writeFile(join(folder, 'nft'), `#!/bin/sh\necho "$@" >>${folder}/asked\n`, { mode: 0o755 });
});
afterEach(() => rm(folder, { recursive: true }));

async function become(state: string): Promise<void> {
  const notify = join(folder, 'notify');
  const script = [NOTIFY_SCRIPT, NEXT_LOCK, TELLING_LOCK, '/usr/bin/juju-exec'].reduce(
    (text, path) => text.replaceAll(path, join(folder, path.split('/').at(-1) ?? '')),
    renderNotify('keepalived-vip/0').replaceAll(`${STATE_DIRECTORY}/`, `${folder}/`),
  );
  await writeFile(notify, script, { mode: 0o755 });
  const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
  await execa(notify, ['INSTANCE', 'vip-eth0-ipv4', state, '100'], { env: { PATH } });
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

test('MASTER on a unit that is about to teardown: it goes on keeping out new connections', async () => {
  await become('MASTER');
  expect(await readFile(join(folder, 'vip-eth0-ipv4.state'), 'utf8')).toMatch('MASTER ');
  expect(await asked()).toBe('');
});

test('however often it flaps, one hook runs at a time, and the last of them sees where it ended', async () => {
  const program = (name: string, text: string): Promise<void> =>
    writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  // As it does: it starts the rest of its arguments and does not wait.
  await program('systemd-run', 'while [ "${1#--}" != "$1" ]; do shift; done; "$@" > /dev/null 2>&1 &');
  await program(
    'juju-exec',
    `echo "start $(cat ${folder}/vip-eth0-ipv4.state)" >> ${folder}/hooks; sleep 0.3; echo end >> ${folder}/hooks`,
  );
  for (let count = 0; count < 20; count += 1) await become(count % 2 === 0 ? 'BACKUP' : 'FAULT');
  await become('MASTER');
  const hooks = async (): Promise<string[]> =>
    (await readFile(join(folder, 'hooks'), 'utf8').catch(() => '')).trim().split('\n');
  let lines = await hooks();
  while (!(lines.at(-2)?.startsWith('start MASTER') && lines.at(-1) === 'end')) {
    await sleep(50);
    lines = await hooks();
  }
  // Nobody else waits.
  await execa('flock', [join(folder, 'keepalived-vip.next'), 'true']);
  await execa('flock', [join(folder, 'keepalived-vip.telling'), 'true']);
  lines = await hooks();
  expect(lines.at(-2)).toMatch('start MASTER');
  expect(lines.map((line) => line.split(' ')[0])).toEqual(
    lines.map((_, index) => (index % 2 === 0 ? 'start' : 'end')),
  );
}, 30_000);
