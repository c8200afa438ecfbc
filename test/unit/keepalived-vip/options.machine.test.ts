// Three units on one network with two subnets, whose options change while they run: who holds what meanwhile.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Peer } from '../../../charms/keepalived-vip/src/state.ts';
import { Lab } from '../../lab/lab.ts';
import { Holdings, VipUnit } from '../../lab/units.ts';
import type { RawOptions } from './states.ts';

const LOW = '10.99.7.200';
const HIGH = '10.213.1.200';

let lab: Lab;
let units: VipUnit[];
let options: Partial<RawOptions> = { vip: `${LOW} ${HIGH}` };

/** Hooks of all units, one after the other, until all are content. Between two of them an advert would be missed. */
async function settle(order: readonly VipUnit[]): Promise<void> {
  const said: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    const levels: string[] = [];
    for (const unit of order) {
      const [status] = await unit.hook(options);
      levels.push(status?.level ?? '');
      said.push(`${unit.number}: ${status?.level} ${status?.message}`);
      await sleep(600);
    }
    if (levels.every((level) => level === 'active')) return;
  }
  throw new Error(`they did not become active:\n${said.join('\n')}`);
}

async function holderOf(vip: string): Promise<VipUnit> {
  const held = await Promise.all(units.map((unit) => unit.holds(vip)));
  const [holder, ...more] = units.filter((_, index) => held[index]);
  if (!holder || more.length > 0) throw new Error(`${more.length + (holder ? 1 : 0)} units hold ${vip}`);
  return holder;
}

beforeAll(async () => {
  lab = await Lab.start();
  const told = new Map<number, Peer>();
  units = [];
  // The two subnets are not in the same order everywhere, as DHCP and people have it.
  for (const number of [1, 2, 3]) {
    const addresses = [`10.213.1.1${number}/24`, `10.99.7.1${number}/24`];
    units.push(await VipUnit.start(lab, number, number === 2 ? addresses.toReversed() : addresses, told));
  }
  await settle(units);
}, 120_000);
afterAll(() => lab.stop());

// To keepalived one that sends otherwise is another instance: the holder drops the address, and takes it as soon as it would a
// lost one.
test.each([
  ['the order of the addresses', { vip: `${HIGH} ${LOW}` }, [LOW, HIGH], 'last', 1],
  ['one address in the place of another, in the other subnet', { vip: HIGH }, [HIGH], 'first', 1],
  ['back again, and one more', { vip: '10.99.7.201 10.213.1.200' }, [HIGH, '10.99.7.201'], 'last', 1],
  [
    'another router number, by multicast',
    { vip: HIGH, 'virtual-router-id': 52, unicast: false },
    [HIGH],
    'last',
    0,
  ],
  ['VRRP version 2', { vip: HIGH, 'vrrp-version': 2, 'advert-interval': 1 }, [HIGH], 'first', 0],
] as const)(
  '%s: the holder stays, and never are there two',
  async (_, changed, vips, place, fewest) => {
    const before = await holderOf(HIGH);
    const others = units.filter((unit) => unit !== before);
    options = changed;
    const holdings = await Holdings.watch(units, [...vips, LOW]);
    await settle(place === 'first' ? [before, ...others] : [...others, before]);
    expect(await holderOf(HIGH)).toBe(before);
    const seen = await holdings.end(HIGH);
    expect(seen.most).toBe(1);
    expect(seen.fewest).toBeGreaterThanOrEqual(fewest);
    for (const vip of [...vips, LOW]) expect([vip, (await holdings.end(vip)).most <= 1]).toEqual([vip, true]);
    for (const vip of vips) await holderOf(vip);
  },
  120_000,
);
