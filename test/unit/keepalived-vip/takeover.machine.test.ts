// Three machines of the lab with the files of both charms: who holds the addresses after what happens to them.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CHECK_SCRIPT } from '../../../charms/keepalived-vip/src/render/check-service.ts';
import { drainMark } from '@maas-ha/host';
import { CONFIG } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { HANDOVER_TABLE } from '../../../charms/keepalived-vip/src/render/handover-nft.ts';
import { STATE_DIRECTORY } from '../../../charms/keepalived-vip/src/render/notify.ts';
import { PEERS_NFT } from '../../../charms/keepalived-vip/src/render/peers-nft.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { charmFiles, holderOf, until, VIP, VipMachine, watch } from '../../lab/vip.ts';

const VIP6 = 'fd09::100';
const UNITS = [1, 2, 3];
const OPTIONS = { vip: `${VIP} ${VIP6}` };

let lab: Lab;
let client: Machine;
let machines: readonly VipMachine[];
const start = (number: number): Promise<VipMachine> =>
  VipMachine.start(lab, number, charmFiles(number, UNITS, OPTIONS));
const others = (machine: VipMachine): readonly VipMachine[] => machines.filter((other) => other !== machine);
const answers = async (url: string): Promise<boolean> =>
  (await client.try(['curl', '--silent', '--fail', '--globoff', '--max-time', '2', url])).exitCode === 0;
const stateOf = async ({ machine }: VipMachine): Promise<string> =>
  (await machine.try(['cat', `${STATE_DIRECTORY}/vip-eth0-ipv4.state`])).output.split(' ')[0] ?? '';

beforeAll(async () => {
  lab = await Lab.start();
  client = await lab.machine('client', ['10.9.0.200/24', 'fd09::200/64']);
  machines = await Promise.all(UNITS.map(start));
  await holderOf(machines);
  await until(() => answers(`http://${VIP}/`));
}, 60_000);
afterAll(() => lab.stop());

test('one machine holds both addresses, knows it, and answers there', async () => {
  const holder = await holderOf(machines);
  await until(() => holder.holds(VIP6));
  expect(await stateOf(holder)).toBe('MASTER');
  for (const other of others(holder)) {
    await until(async () => (await stateOf(other)) === 'BACKUP');
    expect(await other.holds(VIP6)).toBe(false);
  }
  await until(() => answers(`http://[${VIP6}]/`));
  expect(await answers(`http://${VIP}/`)).toBe(true);
});

test('new peers and a reload move nothing', async () => {
  const holder = await holderOf(machines);
  for (const { machine, number } of machines) {
    const files = charmFiles(number, [...UNITS, 4], OPTIONS);
    await machine.write(CONFIG, files.get(CONFIG)?.text ?? '', 0o600);
    await machine.write(PEERS_NFT, files.get(PEERS_NFT)?.text ?? '');
    await machine.run(['nft', '--file', PEERS_NFT]);
    await machine.signal('keepalived', 'SIGHUP', 'oldest');
    expect(await holder.holds(VIP)).toBe(true);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await holderOf(machines)).toBe(holder);
});

test('a stranger who claims the router number takes nothing', async () => {
  const holder = await holderOf(machines);
  // VRRP version 3, router 51, priority 255, one address; its checksum is right.
  const packet = `my $body = pack('CCCCnn', 0x31, 51, 255, 1, 10, 0) . pack('C4', split /\\./, '${VIP}');
    my $sum = 0; my $to = '10.9.0.1${holder.number}';
    my $pseudo = pack('C4C4CCn', split(/\\./, '10.9.0.200'), split(/\\./, $to), 0, 112, length $body);
    $sum += $_ for unpack('n*', $pseudo . $body); $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
    substr($body, 6, 2) = pack('n', ~$sum & 0xffff);
    use Socket; socket(my $s, PF_INET, SOCK_RAW, 112) or die; setsockopt($s, IPPROTO_IP, 2, pack('i', 255)) or die;
    for (1 .. 20) { send($s, $body, 0, sockaddr_in(0, inet_aton($to))) or die; select(undef, undef, undef, 0.05) }`;
  await client.run(['perl', '-e', packet]);
  expect(await stateOf(holder)).toBe('MASTER');
  expect(await holderOf(machines)).toBe(holder);
});

test('the holder loses its power: another takes over, and keeps the addresses when it comes back', async () => {
  const holder = await holderOf(machines);
  await holder.machine.kill();
  const next = await holderOf(others(holder));
  await until(() => answers(`http://${VIP}/`));
  await until(() => answers(`http://[${VIP6}]/`));
  machines = [...others(holder), await start(holder.number)];
  await until(
    async () => (await Promise.all(machines.map(stateOf))).filter((now) => now === 'BACKUP').length === 2,
  );
  expect(await holderOf(machines)).toBe(next);
}, 30_000);

test('HAProxy hangs on the holder: it gives the addresses up, and is ready again when HAProxy is', async () => {
  const holder = await holderOf(machines);
  const check = [CHECK_SCRIPT, 'haproxy'];
  expect((await holder.machine.try(check)).exitCode).toBe(0);
  await holder.machine.signal('haproxy', 'SIGSTOP');
  expect((await holder.machine.try(check)).exitCode).toBe(1);
  expect(await holderOf(others(holder))).not.toBe(holder);
  await until(async () => (await stateOf(holder)) === 'FAULT' && !(await holder.holds(VIP6)));
  await until(() => answers(`http://${VIP}/`));
  await holder.machine.signal('haproxy', 'SIGCONT');
  await until(async () => (await stateOf(holder)) === 'BACKUP');
}, 30_000);

test('its own web server dies: the addresses stay, because HAProxy serves from the others', async () => {
  const holder = await holderOf(machines);
  await holder.machine.signal('web', 'SIGKILL');
  await until(() => answers(`http://${VIP}/`));
  await new Promise((resolve) => setTimeout(resolve, 3000));
  expect(await holderOf(machines)).toBe(holder);
  expect(await answers(`http://${VIP}/`)).toBe(true);
  holder.startWeb();
}, 30_000);

test('the network is cut: each side has a holder, and one is left after it heals', async () => {
  const holder = await holderOf(machines);
  await lab.cut(holder.machine);
  const next = await holderOf(others(holder));
  await until(() => answers(`http://${VIP}/`));
  expect(await stateOf(holder)).toBe('MASTER');
  expect(await stateOf(next)).toBe('MASTER');
  await lab.heal(holder.machine);
  await holderOf(machines);
  await until(() => answers(`http://${VIP}/`));
}, 30_000);

test('a service that is going to stop: the addresses move, and no request is lost, however long it takes', async () => {
  const holder = await holderOf(machines);
  const seen = await watch(client, `http://${VIP}/?100`, 6000, async () => {
    await holder.machine.run(['touch', drainMark('haproxy')]);
    await holderOf(others(holder));
    await until(async () => (await stateOf(holder)) === 'FAULT');
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
  await holder.machine.run(['rm', drainMark('haproxy')]);
  await until(async () => (await stateOf(holder)) === 'BACKUP');
  // It takes connections again once the address is back.
  expect((await holder.machine.try(['nft', 'list', 'table', 'inet', HANDOVER_TABLE])).exitCode).not.toBe(0);
}, 30_000);

test('keepalived ends: no address stays behind, and no state', async () => {
  const holder = await holderOf(machines);
  await holder.machine.signal('keepalived', 'SIGTERM', 'oldest');
  await holderOf(others(holder));
  await until(async () => !(await holder.holds(VIP)) && !(await holder.holds(VIP6)));
  await until(async () => (await stateOf(holder)).startsWith('cat:'));
}, 30_000);
