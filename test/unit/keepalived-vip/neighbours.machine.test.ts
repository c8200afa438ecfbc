// Three machines of the lab, one of which is a stranger: who has an address, and whose VRRP has our number.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LOOK_SCRIPT, routersIn, sightedIn } from '../../../charms/keepalived-vip/src/neighbours.ts';
import { CONFIG } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { PEERS_NFT, TABLE } from '../../../charms/keepalived-vip/src/render/peers-nft.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { until } from '../../lab/vip.ts';
import { describeOnMachines } from '../../machines.ts';
import { peerOf, planOf, stateOf } from './states.ts';

const VIP = '10.9.0.100';
const VIP6 = 'fd09::100';
const UNITS = ['10.9.0.12', 'fd09::12'];

describeOnMachines('the neighbours on a network', () => {
  let lab: Lab;
  let own: Machine;
  let unit: Machine;
  let stranger: Machine;
  const look = async (addresses: readonly string[], units = UNITS) => {
    const output = await own.run(['perl', '-', 'eth0', '51', ...addresses, ...units], LOOK_SCRIPT);
    return sightedIn(output, units);
  };
  const nobody = { holders: [], routers: [], silent: [] };
  const macOf = (machine: Machine): Promise<string> => machine.run(['cat', '/run/mac']);

  beforeAll(async () => {
    lab = await Lab.start();
    own = await lab.machine('own', ['10.9.0.11/24', 'fd09::11/64']);
    unit = await lab.machine('unit', ['10.9.0.12/24', 'fd09::12/64']);
    stranger = await lab.machine('stranger', ['10.9.0.66/24', 'fd09::66/64']);
    for (const machine of [unit, stranger])
      await machine.run([
        'sh',
        '-c',
        "ip -o link show eth0 | sed 's/.*ether //; s/ .*//' | tr -d '\\n' > /run/mac",
      ]);
  }, 30_000);
  afterAll(() => lab.stop());

  const add = (machine: Machine, address: string): Promise<string> =>
    machine.run([
      'ip',
      'address',
      'add',
      address,
      'dev',
      'eth0',
      ...(address.includes(':') ? ['nodad'] : []),
    ]);
  const remove = (machine: Machine, address: string): Promise<string> =>
    machine.run(['ip', 'address', 'delete', address, 'dev', 'eth0']);

  test('nobody has a free address', async () => {
    expect(await look([VIP, VIP6])).toEqual(nobody);
  }, 20_000);

  test('a stranger that has one is seen with its MAC address, over ARP and over neighbour discovery', async () => {
    await add(stranger, `${VIP}/24`);
    await add(stranger, `${VIP6}/64`);
    const mac = await macOf(stranger);
    const { holders } = await look([VIP, VIP6]);
    expect(holders).toHaveLength(2);
    expect(holders).toEqual(expect.arrayContaining([VIP, VIP6].map((address) => ({ address, mac }))));
    await remove(stranger, `${VIP}/24`);
    await remove(stranger, `${VIP6}/64`);
  }, 20_000);

  test('another unit that has one already is no stranger', async () => {
    await add(unit, `${VIP}/24`);
    await add(unit, `${VIP6}/64`);
    expect(await look([VIP, VIP6])).toEqual(nobody);
    await remove(unit, `${VIP}/24`);
    await remove(unit, `${VIP6}/64`);
  }, 20_000);

  test('a unit whose machine is lost does not answer', async () => {
    const lost = ['10.9.0.13', 'fd09::13'];
    expect(await look([], [...UNITS, ...lost])).toEqual({ ...nobody, silent: lost });
  }, 20_000);

  test('a router with the same number is seen, and one with another number is not', async () => {
    // As the HA guide has it: multicast, an advert each second.
    const guide = (number: number): string => `vrrp_instance maas_region {
  state MASTER
  interface eth0
  priority 200
  virtual_router_id ${number}
  virtual_ipaddress { 10.9.0.77/24 }
}
`;
    const start = async (number: number): Promise<void> => {
      await stranger.write(CONFIG, guide(number));
      stranger.spawn(['keepalived', '--dont-fork', '--use-file', CONFIG]);
      const addresses = ['ip', '-brief', 'address'];
      await until(async () => (await stranger.run(addresses)).includes('10.9.0.77'));
    };
    await start(51);
    expect((await look([VIP])).routers).toEqual(['10.9.0.66']);
    // Once this unit runs the firewall tells, also over unicast, for which nobody joins the group.
    const { files } = planOf(stateOf(1, { peers: [peerOf(2)] }));
    await own.write(PEERS_NFT, files.get(PEERS_NFT)?.text ?? '');
    await own.run(['nft', '--file', PEERS_NFT]);
    await until(async () => {
      const table = await own.run(['nft', '--json', 'list', 'table', 'inet', TABLE]);
      return routersIn(table).join(' ') === '10.9.0.66';
    });
    await own.run(['nft', 'delete', 'table', 'inet', TABLE]);
    await stranger.signal('keepalived', 'SIGTERM');
    await until(async () => (await stranger.try(['pgrep', 'keepalived'])).output === '');
    await start(52);
    expect((await look([VIP])).routers).toEqual([]);
  }, 30_000);
});
