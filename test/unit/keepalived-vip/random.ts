// Random options and relation data for keepalived-vip.
import * as fc from 'fast-check';
import { Redacted } from 'juju-ts-ops';
import { endpoints } from '../../../charms/keepalived-vip/src/endpoints.ts';
import type { Peer, State } from '../../../charms/keepalived-vip/src/state.ts';
import { decodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';
import { parseOptions, peerOf, stateOf, type RawOptions } from './states.ts';

/** A peer as read from its databag. */
export function decodePeer(number: number, bag: Readonly<Record<string, string>>): Peer {
  const { data } = decodeBag(endpoints['vrrp-cluster'].requirer.unit, bag);
  return peerOf(number, {
    addresses: data.addresses ?? [],
    sendsTo: data['sends-to'] ?? [],
    ownVips: data['own-vips'] ?? [],
    instances: data.instances ?? [],
  });
}

const byte = fc.integer({ min: 0, max: 255 });
const near = fc.oneof(
  byte.map((last) => `10.9.0.${last}`),
  byte.map((last) => `fd09::${last.toString(16)}`),
);
const address = fc.oneof({ weight: 40, arbitrary: near }, fc.ipV4(), fc.ipV6());
const prefix = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.integer({ min: 1, max: 34 }).map((n) => `/${n}`),
);
/** Mostly what is right, now and then anything. */
const mostly = <T>(usual: fc.Arbitrary<T>, rest: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 40, arbitrary: usual }, { weight: 1, arbitrary: rest });
const vipText = fc
  .array(
    fc.oneof(
      { weight: 60, arbitrary: fc.tuple(address, prefix).map((parts) => parts.join('')) },
      fc.string({ maxLength: 12 }),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .chain((items) => fc.constantFrom(' ', ',', ', ', '\n').map((separator) => items.join(separator)));
const rawOptions: fc.Arbitrary<RawOptions> = fc.record({
  vip: mostly(vipText, fc.constant('')),
  interface: mostly(fc.constantFrom('', '', 'eth0'), fc.string({ maxLength: 16 })),
  'virtual-router-id': mostly(fc.integer({ min: 1, max: 255 }), fc.integer()),
  priority: mostly(fc.integer({ min: 0, max: 254 }), fc.integer()),
  'advert-interval': mostly(
    fc.oneof(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 4000 }).map((hundredths) => hundredths / 100),
    ),
    fc.double(),
  ),
  'vrrp-version': mostly(fc.constantFrom(2, 3), fc.integer({ min: 0, max: 4 })),
  preempt: fc.boolean(),
  unicast: fc.boolean(),
  track: mostly(
    fc.shuffledSubarray(['haproxy', 'named', 'maas-regiond', 'ssh@7']).map((names) => names.join(' ')),
    fc.string({ maxLength: 20 }),
  ),
});

const bag = fc.record(
  {
    addresses: mostly(
      fc.array(address, { maxLength: 3 }).map((list) => list.join(',')),
      fc.string(),
    ),
    'sends-to': mostly(fc.constantFrom('10.9.0.11,fd09::11', ''), fc.string()),
    'own-vips': mostly(fc.constant(''), near),
    instances: mostly(
      fc
        .record({
          source: near,
          vips: fc.array(near),
          state: fc.constantFrom('MASTER', 'BACKUP'),
          since: fc.nat(),
        })
        .map((report) => JSON.stringify([report])),
      fc.string(),
    ),
  },
  { requiredKeys: [] },
);

/** Something to plan for. */
export interface PlanInput {
  /** The state; where the options are refused, why. */
  state(): State | string;
}

export const randomPlanInput: fc.Arbitrary<PlanInput> = fc
  .record({
    options: rawOptions,
    number: fc.integer({ min: 0, max: 600 }),
    bags: fc.array(bag, { maxLength: 4 }),
    isLeader: fc.boolean(),
  })
  .map(({ options, number, bags, isLeader }) => ({
    state: (): State | string => {
      try {
        parseOptions(options);
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
      return stateOf(1, {
        options,
        unitNumber: number,
        isLeader,
        peers: bags.map((values, index) => decodePeer(number + 1 + index, values)),
        ...(options['vrrp-version'] === 2 && { authPass: new Redacted('a1b2c3d4') }),
      });
    },
  }));
