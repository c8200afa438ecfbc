// Three machines of the lab with the files of both charms: who holds the addresses after what happens to them.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CHECK_SCRIPT } from '../../../charms/keepalived-vip/src/render/check-service.ts';
import { drainMark } from 'juju-ts-host';
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
  const [first = 1, ...rest] = UNITS;
  // Each address has an election of its own: the one that is alone takes both.
  machines = [await start(first)];
  await Promise.all([VIP, VIP6].map((vip) => holderOf(machines, vip)));
  machines = [...machines, ...(await Promise.all(rest.map(start)))];
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

/** An advert of router 51 with the highest priority, from a sender that the client only claims to be. */
async function forge(from: string, to: string, hops: number): Promise<void> {
  const packet = `my ($from, $to) = map { pack('C4', split /\\./) } '${from}', '${to}';
    my $body = pack('CCCCnn', 0x31, 51, 255, 1, 10, 0) . pack('C4', split /\\./, '${VIP}');
    my $sum = 0; $sum += $_ for unpack('n*', $from . $to . pack('CCn', 0, 112, length $body) . $body);
    $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16; substr($body, 6, 2) = pack('n', ~$sum & 0xffff);
    my $ip = pack('CCnnnCCn', 0x45, 0, 20 + length $body, 0, 0, ${hops}, 112, 0) . $from . $to;
    use Socket; socket(my $s, PF_INET, SOCK_RAW, 255) or die $!;
    for (1 .. 20) { send($s, $ip . $body, 0, sockaddr_in(0, $to)) or die $!; select(undef, undef, undef, 0.05) }`;
  await client.run(['perl', '-e', packet]);
}

test('whoever claims to be another unit from behind a router takes nothing', async () => {
  const holder = await holderOf(machines);
  const since = (): Promise<string> => holder.machine.run(['cat', `${STATE_DIRECTORY}/vip-eth0-ipv4.state`]);
  const before = await since();
  const [other] = others(holder);
  await forge(`10.9.0.1${other?.number}`, `10.9.0.1${holder.number}`, 254);
  expect(await since()).toBe(before);
  expect(await holderOf(machines)).toBe(holder);
  // So it is the hop that counts: without one the same advert makes the holder step down.
  await forge(`10.9.0.1${other?.number}`, `10.9.0.1${holder.number}`, 255);
  await until(async () => (await since()) !== before);
  await holderOf(machines);
}, 30_000);

test("the machine's own address goes and comes back on the holder: nothing moves, and its own connections are its own", async () => {
  const holder = await holderOf(machines);
  const { machine, number } = holder;
  const own = `10.9.0.1${number}`;
  const sourceTo = async (address: string): Promise<string | undefined> =>
    / src (\S+)/.exec(await machine.run(['ip', 'route', 'get', address]))?.[1];
  await machine.run(['sysctl', '-qw', 'net.ipv4.conf.all.promote_secondaries=0']);
  await machine.run(['sysctl', '-qw', 'net.ipv4.conf.eth0.promote_secondaries=0']);
  await machine.run(['sh', '-c', `ip address del ${own}/24 dev eth0 && ip address add ${own}/24 dev eth0`]);
  expect(await sourceTo('10.9.0.200')).toBe(own);
  // Where no address fits the next hop the kernel takes the first that there is.
  await machine.run(['ip', 'route', 'add', '192.0.2.0/24', 'dev', 'eth0']);
  expect(await sourceTo('192.0.2.1')).toBe(own);
  expect(await sourceTo('239.1.1.1').catch(() => own)).toBe(own);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await holderOf(machines);
  await machine.signal('haproxy', 'SIGSTOP');
  await until(async () => (await stateOf(holder)) === 'FAULT');
  expect(await machine.run(['ip', '-oneline', 'address', 'show', 'dev', 'eth0'])).toContain(`${own}/24`);
  await machine.signal('haproxy', 'SIGCONT');
  await until(async () => (await stateOf(holder)) === 'BACKUP');
  expect(await holderOf(machines)).not.toBe(holder);
}, 30_000);

test('a holder that loses the address it sends from gives up what it holds, until it has it again', async () => {
  const holder = await holderOf(machines);
  const own = `10.9.0.1${holder.number}/24`;
  await holder.machine.run(['ip', 'address', 'del', own, 'dev', 'eth0']);
  const next = await holderOf(others(holder));
  await until(async () => !(await holder.holds(VIP)));
  await holder.machine.run(['ip', 'address', 'add', own, 'dev', 'eth0']);
  await until(async () => (await stateOf(holder)) === 'BACKUP');
  expect(await holderOf(machines)).toBe(next);
}, 30_000);

test('addresses that an older revision holds with their subnet: the new one takes them over where they are', async () => {
  const holder = await holderOf(machines);
  const [current, filter] = [CONFIG, PEERS_NFT].map(
    (path) => charmFiles(holder.number, UNITS, OPTIONS).get(path)?.text ?? '',
  );
  const load = async (conf: string): Promise<void> => {
    await holder.machine.write(CONFIG, conf, 0o600);
    await holder.machine.write(PEERS_NFT, filter ?? '');
    await holder.machine.signal('keepalived', 'SIGHUP', 'oldest');
  };
  const shows = async (prefix: number): Promise<boolean> =>
    (await holder.machine.run(['ip', '-oneline', 'address'])).includes(`${VIP}/${prefix} `);
  await load((current ?? '').replaceAll('/32 dev eth0 scope host', '/24 dev eth0'));
  await until(() => shows(24));
  const seen = await watch(client, `http://${VIP}/`, 6000, async () => {
    await load(current ?? '');
    await until(() => shows(32));
    await new Promise((resolve) => setTimeout(resolve, 1500));
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
  expect(await shows(24)).toBe(false);
  expect(await holderOf(machines)).toBe(holder);
  expect(await holder.machine.run(['ip', '-oneline', 'address'])).toContain(`10.9.0.1${holder.number}/24`);
}, 30_000);

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
