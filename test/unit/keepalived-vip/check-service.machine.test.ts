// What keepalived asks the services of a machine, on a machine of the lab.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { drainMark } from 'juju-ts-host';
import {
  CHECK_SCRIPT,
  CHECK_SCRIPT_CONTENT,
} from '../../../charms/keepalived-vip/src/render/check-service.ts';
import { Machine } from '../../lab/lab.ts';
import { until } from '../../lab/vip.ts';

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.start('checked');
  await machine.write(CHECK_SCRIPT, CHECK_SCRIPT_CONTENT, 0o755);
  await systemctl('exit 1');
  await machine.run(['mount', '--bind', '/run/systemctl', '/usr/bin/systemctl']);
});
afterAll(() => machine.kill());

/** What systemctl does on the machine, in shell. The same file stays, because it is mounted. */
const systemctl = async (script: string): Promise<void> => {
  await machine.run(['tee', '/run/systemctl'], `#!/bin/sh\n${script}\n`);
  await machine.run(['chmod', '755', '/run/systemctl']);
};
const works = async (service: string): Promise<boolean> =>
  (await machine.try([CHECK_SCRIPT, service])).exitCode === 0;

test.each(['haproxy', 'named', 'maas-regiond'])(
  '%s does not count where nothing enables it',
  async (service) => {
    await systemctl('exit 1');
    expect(await works(service)).toBe(true);
  },
);

test.each(['haproxy', 'named', 'maas-regiond'])(
  '%s fails where it should run and does not',
  async (service) => {
    await systemctl('[ "$1" = is-enabled ]');
    expect(await works(service)).toBe(false);
  },
);

test('a service that is going to stop fails while it still serves', async () => {
  await systemctl('exit 0');
  await machine.run(['touch', drainMark('haproxy')]);
  expect(await works('haproxy')).toBe(false);
  expect(await works('maas-regiond')).toBe(true);
  await machine.run(['rm', drainMark('haproxy')]);
  expect(await works('haproxy')).toBe(true);
});

test('another service works while systemd says that it is active', async () => {
  await systemctl('[ "$1" = is-active ] && [ "$3" = maas-regiond.service ]');
  expect(await works('maas-regiond')).toBe(true);
});

test('named works while something answers the question, whatever the answer', async () => {
  await systemctl('[ "$1" = is-enabled ]');
  // Refuses everything, as a name server does that serves other networks only.
  const named = `use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0); bind($s, sockaddr_in(53, INADDR_LOOPBACK)) or die;
    while (my $from = recv($s, my $question, 512, 0)) { substr($question, 2, 2) = pack('n', 0x8005); send($s, $question, 0, $from) }`;
  const server = machine.spawn(['perl', '-e', named]);
  await until(() => works('named'));
  await machine.signal('perl', 'SIGSTOP');
  expect(await works('named')).toBe(false);
  await machine.signal('perl', 'SIGKILL');
  server.kill();
});
