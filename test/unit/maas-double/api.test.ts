// The stand-in’s API does what that of the real MAAS was seen to do: it exists to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { authorization, DEB, MaasApi } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { forgetRack, insist } from '../../../charms/maas-region/src/cluster/controllers.ts';
import { dhcpConfigurer } from '../../../charms/maas-region/src/racks/dhcp.ts';
import { type DoubleHost, until } from './host.ts';
import { apiOf, doubleHosts, keyOf } from './hosts.ts';

const doubles = doubleHosts();

test('every address of a region is static in MAAS, and is of the one that told of it last', async () => {
  const hosts = [await doubles.migrated(1, '3.7'), await doubles.configured(2, '3.7')] as const;
  const VIRTUAL = '127.0.7.200';
  const holds = async (host: DoubleHost, addresses: string): Promise<void> =>
    host.write(
      'etc/maas/double.conf',
      `${(await host.read('etc/maas/double.conf')).replace(/^addresses:.*\n/m, '')}addresses: [${addresses}]\n`,
    );
  await holds(hosts[0], VIRTUAL);
  for (const [index, host] of hosts.entries()) await host.serve(`region-${index + 1}`);
  const maas = await apiOf(hosts[0]);
  const known = async (): Promise<readonly (readonly string[])[]> =>
    (await maas.regionControllers()).map(({ ip_addresses }) => ip_addresses);
  await until(known, (now) => JSON.stringify(now) === `[["127.0.7.1","${VIRTUAL}"],["127.0.7.2"]]`);
  // Whoever held it may be dead, and tell of nothing.
  await holds(hosts[1], VIRTUAL);
  await until(known, (now) => JSON.stringify(now) === `[["127.0.7.1"],["127.0.7.2","${VIRTUAL}"]]`);
});

describe('the API', () => {
  test('takes OAuth; answers 400 without it and 401 to a wrong key', async () => {
    const host = await doubles.serving();
    expect(await host.get('/MAAS/api/2.0/regioncontrollers/')).toMatchObject({ status: 400 });
    const stranger = new MaasApi({ host: host.address, port: 5240 }, new Redacted('a:b:c'));
    await expect(stranger.regionControllers()).rejects.toThrow('Invalid API key');
    const [controller] = await (await apiOf(host)).regionControllers();
    expect(controller).toMatchObject({ hostname: 'region-1', version: '3.4.0' });
  });

  test('refuses to forget a region that runs, forgets one that does not, and knows no other', async () => {
    const one = await doubles.serving();
    const two = await doubles.configured(2);
    const regiond = await two.serve('region-2');
    expect(await one.regions()).toHaveLength(2);
    const maas = await apiOf(one);
    const id = (await two.read('var/lib/maas/maas_id')).trim();
    await expect(maas.deleteController('region', id)).rejects.toThrow(
      "Unable to delete region-2 as it's currently running.",
    );
    regiond.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
    await maas.deleteController('region', id);
    expect((await maas.regionControllers()).map(({ hostname }) => hostname)).toEqual(['region-1']);
    await maas.deleteController('region', id);
  });

  test('a rack on a region’s machine is one controller with it, and either goes for itself', async () => {
    const region = await doubles.serving();
    const both = await doubles.make('3.4', 'region-1', '127.0.7.9');
    await both.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await both.write('var/lib/maas/secret', await region.read('var/lib/maas/secret'));
    await both.write('var/lib/maas/maas_id', await region.read('var/lib/maas/maas_id'));
    both.startRack();
    const maas = await apiOf(region);
    const [rack] = await until(
      () => maas.rackControllers(),
      (list) => list.length === 1,
    );
    expect(rack?.system_id).toBe(await region.read('var/lib/maas/maas_id'));
    await maas.deleteController('rack', rack?.system_id ?? '');
    expect(await maas.rackControllers()).toEqual([]);
    expect((await maas.regionControllers()).map(({ hostname }) => hostname)).toEqual(['region-1']);
  });

  test('has DHCP on a VLAN only with a range and a primary rack, and never on one rack twice', async () => {
    const host = await doubles.serving();
    const rack = await doubles.make('3.4', 'rack-1', '127.0.7.9');
    await rack.rack(['config', '--region-url', 'http://127.0.7.1:5240/MAAS']);
    await rack.rack(['install-shared-secret'], { input: await host.read('var/lib/maas/secret') });
    const rackd = rack.startRack();
    const maas = await apiOf(host);
    const racks = await until(
      () => maas.rackControllers(),
      (list) => list.length === 1,
    );
    const id = racks[0]?.system_id ?? '';
    const vlan = { fabric_id: 0, vid: 0 };
    await expect(maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: id })).rejects.toThrow(
      'dhcp_on: dhcp can only be turned on when a dynamic IP range is defined.',
    );
    await doubles.server.sql("INSERT INTO maasserver_iprange VALUES ('10.0.0.100', '10.0.0.200', 5001)");
    await expect(maas.updateVlan(vlan, { dhcp_on: 'true' })).rejects.toThrow(
      'when a primary rack controller is set',
    );
    await expect(maas.updateVlan(vlan, { primary_rack: 'zzzzzz' })).rejects.toThrow(
      'zzzzzz is not one of the available choices',
    );
    await expect(maas.updateVlan(vlan, { primary_rack: id, secondary_rack: id })).rejects.toThrow(
      'must be different',
    );
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: id });
    await expect(maas.deleteController('rack', id)).rejects.toThrow(
      'no other rack controller can provide DHCP',
    );
    const key = await keyOf(host);
    const forget = (what: string) =>
      fetch(`http://${host.address}:5240/MAAS/api/2.0/rackcontrollers/${what}`, {
        method: 'DELETE',
        headers: { Authorization: authorization(key, randomUUID(), Math.floor(Date.now() / 1000)) },
      });
    const unknown = await forget('zzzzzz/');
    expect([unknown.status, await unknown.text()]).toEqual([
      404,
      'No RackController matches the given query.',
    ]);
    // One that goes takes its secret along and starts anew, to wait for another.
    const gone = once(rackd, 'exit');
    expect((await forget(`${id}/?force=true`)).status).toBe(204);
    await gone;
    await expect(rack.read('var/lib/maas/secret')).rejects.toThrow('ENOENT');
    expect(await rack.read('var/lib/maas/maas_id')).toBe(id);
  });

  const vlan = { fabric_id: 0, vid: 0 };

  /** Racks that are connected to every process of every region, on a VLAN that has a range of addresses. */
  async function withRacks(...names: readonly string[]): Promise<void> {
    for (const name of names)
      await doubles.server.sql(
        `INSERT INTO maasserver_node VALUES ('id_${name}', '${name}', 2, '127.0.7.9', '3.4', true);
         INSERT INTO maasserver_regionrackrpcconnection SELECT system_id, port, 'id_${name}' FROM maasserver_regionprocess`,
      );
    await doubles.server.sql("INSERT INTO maasserver_iprange VALUES ('10.0.0.100', '10.0.0.200', 5001)");
  }

  async function pairOf(maas: MaasApi): Promise<string> {
    const [found] = await maas.vlans();
    return `${found?.primary_rack} ${found?.secondary_rack}`;
  }

  test('lets a rack go from one place on a VLAN to the other in two changes only, and the charm makes both', async () => {
    const host = await doubles.serving();
    const maas = await apiOf(host);
    await withRacks('a', 'b', 'c');
    const pairNow = (): Promise<string> => pairOf(maas);
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await expect(maas.updateVlan(vlan, { primary_rack: 'id_c', secondary_rack: 'id_a' })).rejects.toThrow(
      'id_a is already set as the primary rack controller',
    );
    await maas.updateVlan(vlan, { primary_rack: 'id_b', secondary_rack: 'id_c' });
    expect(await pairNow()).toBe('id_b null');
    for (const [primary = '', secondary = ''] of ['ab', 'ba', 'cb', 'bc', 'ca', 'ab']) {
      await dhcpConfigurer({ vlan: 0, primary, secondary })(maas);
      expect(await pairNow()).toBe(`id_${primary} id_${secondary}`);
    }
  });

  test('knows which racks are connected, and gives a dead primary no new secondary', async () => {
    const host = await doubles.serving();
    const maas = await apiOf(host);
    await withRacks('a', 'b', 'c');
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await doubles.server.sql(
      `DELETE FROM maasserver_regionrackrpcconnection WHERE rack = 'id_a' OR rack = 'id_b' AND port = 5250`,
    );
    const services = (await maas.rackControllers()).flatMap(({ service_set }) => service_set);
    expect(services.map(({ status, status_info }) => `${status} ${status_info}`)).toEqual([
      'dead ',
      // MAAS counts four processes for each region, however many there are.
      'degraded 75% connected to region controllers.',
      'running ',
    ]);
    await expect(maas.updateVlan(vlan, { secondary_rack: 'id_c' })).rejects.toThrow(
      'The primary rack controller must be up and running to set a secondary rack controller.',
    );
    await expect(dhcpConfigurer({ vlan: 0, primary: 'a', secondary: 'c' })(maas)).rejects.toThrow(
      'its rackd is dead',
    );
    await dhcpConfigurer({ vlan: 0 })(maas);
    expect(await pairOf(maas)).toBe('id_b id_c');
  });

  test('3.7 answers 500 to what it has done where Temporal is down; the charm puts it back, and asks again', async () => {
    const host = await doubles.serving('3.7');
    const maas = await apiOf(host);
    await withRacks('a', 'b', 'c');
    const stateNow = async (): Promise<string> => `${(await maas.vlans())[0]?.dhcp_on} ${await pairOf(maas)}`;
    await expect(
      maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' }),
    ).rejects.toThrow('it says 500');
    expect(await stateNow()).toBe('true id_a id_b');
    for (const [primary = '', secondary = ''] of ['bc', 'ba', 'ca', 'cb', 'ac']) {
      await expect(dhcpConfigurer({ vlan: 0, primary, secondary })(maas)).rejects.toThrow('it says 500');
      expect(await stateNow()).toBe('true id_a id_b');
    }
    await expect(maas.updateVlan(vlan, { dhcp_on: 'false', secondary_rack: '' })).rejects.toThrow('500');
    await maas.updateVlan(vlan, { primary_rack: '' });
    const command = join(await host.commands(), 'maas-region');
    const installed = {
      ...DEB,
      sockets: join(host.root, 'var/lib/maas'),
      region: (...args: readonly string[]) => [command, ...args] as const,
    };
    const configure = dhcpConfigurer({ vlan: 0, primary: 'b', secondary: 'a' });
    await expect(insist(installed, configure, 1)).rejects.toThrow(
      "500, after 0 s: `systemctl list-units 'maas-*'` shows what does not run; run this action again",
    );
    expect(await stateNow()).toBe('false null null');
    const asked = insist(installed, configure);
    await host.startTemporal();
    await asked;
    expect(await stateNow()).toBe('true id_b id_a');
  });

  test('a rack that is forgotten leaves its DHCP to the others; where that is off it is in the way', async () => {
    const host = await doubles.serving();
    const maas = await apiOf(host);
    await withRacks('a', 'b', 'c');
    await maas.updateVlan(vlan, { dhcp_on: 'true', primary_rack: 'id_a', secondary_rack: 'id_b' });
    await maas.deleteController('rack', 'id_a');
    expect(await pairOf(maas)).toBe('id_b id_c');
    await maas.deleteController('rack', 'id_c');
    expect(await pairOf(maas)).toBe('id_b null');
    await maas.updateVlan(vlan, { dhcp_on: 'false' });
    await expect(maas.deleteController('rack', 'id_b')).rejects.toThrow('it says 500');
    await forgetRack(maas, 'id_b');
    expect(await maas.rackControllers()).toEqual([]);
    expect(await pairOf(maas)).toBe('null null');
  });
});
