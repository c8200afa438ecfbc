import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Redacted, type GoalState } from 'juju-ts-ops';
import { priorityOf } from '../../../charms/keepalived-vip/src/instances.ts';
import { ownersOf } from '../../../charms/keepalived-vip/src/owners.ts';
import { teardown } from '../../../charms/keepalived-vip/src/machine.ts';
import { bindingServices, hasUnmetPeers } from '../../../charms/keepalived-vip/src/read.ts';
import { CONFIG } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import type { State } from '../../../charms/keepalived-vip/src/state.ts';
import { shown } from '../statuses.ts';
import { parseOptions, peerOf, planOf, stateOf } from './states.ts';

const conf = (state: Parameters<typeof planOf>[0]): string => planOf(state).files.get(CONFIG)?.text ?? '';
const status = (state: Parameters<typeof planOf>[0]) => planOf(state).status[0];
const NOON = 1_795_521_780; // 2026-11-24 12:03 UTC
const running = (state: 'MASTER' | 'BACKUP' | 'FAULT') =>
  new Map([['vip-eth0-ipv4', { state, since: NOON, vips: ['10.9.0.100'] }]]);
const report = (number: number, state: 'MASTER' | 'BACKUP', since = NOON) => ({
  source: `10.9.0.1${number}`,
  vips: ['10.9.0.100'],
  state,
  since,
});

describe('where the addresses go', () => {
  test('one instance for each family on each interface, with its own address as the source', () => {
    const text = conf(
      stateOf(1, {
        options: { vip: '10.9.0.100 10.9.0.101,fd09::100 10.8.0.100' },
        addresses: [
          { interface: 'eth0', address: '10.9.0.11', prefix: 24, family: 'ipv4' },
          { interface: 'eth0', address: 'fd09::11', prefix: 64, family: 'ipv6' },
          { interface: 'eth1', address: '10.8.0.11', prefix: 16, family: 'ipv4' },
        ],
        peers: [peerOf(2), peerOf(3, { addresses: ['10.9.0.13', 'fd09::13', '10.8.0.13'] })],
      }),
    );
    const [, ...instances] = text.split(/^vrrp_instance /m);
    expect(instances.map((instance) => instance.split(' ')[0])).toEqual([
      'vip-eth0-ipv4',
      'vip-eth0-ipv6',
      'vip-eth1-ipv4',
    ]);
    expect(instances[0]).toMatch(/10\.9\.0\.100\/32 dev eth0 scope host\n\s+10\.9\.0\.101\/32 dev eth0 /);
    expect(instances[0]).toMatch(/unicast_src_ip 10\.9\.0\.11\n/);
    expect(instances[0]).toMatch(/unicast_peer \{\s+10\.9\.0\.12\s+10\.9\.0\.13\s+\}/);
    expect(instances[1]).toMatch(/fd09::100\/128 dev eth0 preferred_lft 0/);
    expect(instances[1]).toMatch(/unicast_peer \{\s+fd09::12\s+fd09::13\s+\}/);
    expect(instances[2]).toMatch(/10\.8\.0\.100\/32 dev eth1 scope host/);
    expect(instances[2]).toMatch(/unicast_peer \{\s+10\.8\.0\.13\s+\}/);
  });

  test.each([
    ['192.168.7.7', {}, /vip=192\.168\.7\.7 is in no subnet of this machine \(10\.9\.0\.11\/24\)/],
    ['fd77::7', {}, /vip=fd77::7 is in no subnet of this machine \(fd09::11\/64\)/],
    ['10.9.0.11', {}, /vip=10\.9\.0\.11 is this machine's own address/],
    ['FD09:0::11', {}, /vip=fd09::11 is this machine's own address/],
    ['10.9.0.100', { interface: 'eth7' }, /interface=eth7 has no ipv4 address here .* set one of eth0/],
    ['', {}, /juju config keepalived-vip vip=/],
    ['10.9.0.100', { 'vrrp-version': 2 }, /advert-interval=0\.1: .* set 1, or vrrp-version=3/],
  ])('vip=%j %j is refused, and nothing is touched', (vip, more, message) => {
    const planned = planOf(stateOf(1, { options: { vip, ...more } }));
    expect(planned.status).toEqual([{ level: 'blocked', message: expect.stringMatching(message) }]);
    expect(planned.machine).toEqual([]);
  });

  test('what to type names the application as it is called here', () => {
    expect(status(stateOf(1, { app: 'vip-of-maas', options: { vip: '' } }))?.message).toContain(
      'juju config vip-of-maas vip=',
    );
  });

  test('an address that is taken away from the option is held all the same, and the status says so', () => {
    const emptied = stateOf(1, {
      options: { vip: '' },
      managed: ['10.9.0.100'],
      running: running('MASTER'),
    });
    expect(planOf(emptied).machine).toEqual([]);
    expect(status(emptied)).toMatchObject({
      level: 'blocked',
      message: expect.stringMatching(
        /^vip= is empty, and 10\.9\.0\.100 is still held: set vip=, or juju remove-application /,
      ),
    });
  });

  test("another machine's own address is refused on every unit", () => {
    const clash = stateOf(2, { options: { vip: '10.9.0.12' } });
    expect(planOf(clash).databags).toMatchObject([{ unit: { 'own-vips': ['10.9.0.12'] } }]);
    expect(
      status(stateOf(1, { options: { vip: '10.9.0.12' }, peers: [peerOf(2, { ownVips: ['10.9.0.12'] })] })),
    ).toMatchObject({ level: 'blocked', message: expect.stringContaining("keepalived-vip/2's own address") });
  });

  test('an address that keepalived has put here is not taken for an own one', () => {
    const state = stateOf(1, { managed: ['10.9.0.100'], running: running('MASTER') });
    const here = { interface: 'eth0', address: '10.9.0.100', prefix: 24, family: 'ipv4' } as const;
    expect(status({ ...state, addresses: [here, ...state.addresses] })).toEqual({
      level: 'active',
      message: 'holds 10.9.0.100 since 2026-11-24 12:03 UTC',
    });
  });

  test.each([
    '10.9.0.300',
    '127.0.0.1',
    '10.9.0.100/33',
    'fe80::1',
    'ff02::12',
    '::1',
    'fd09::1%eth0',
    'eth0',
  ])('vip=%s is no address to hold', (vip) =>
    expect(() => parseOptions({ vip })).toThrow(/set a free address|\/1 to \/32/),
  );
});

describe('a unit that joins', () => {
  const instances = [report(1, 'MASTER')];

  test('does not start before those that run send to it', () => {
    const waits = stateOf(2, { isLeader: false, peers: [peerOf(1, { instances })] });
    expect(planOf(waits).files.has(CONFIG)).toBe(false);
    expect(status(waits)).toEqual({ level: 'waiting', message: 'keepalived-vip/1 to learn of this unit' });
    expect(planOf(waits).databags).toMatchObject([{ unit: { addresses: ['10.9.0.12'] } }]);

    const known = stateOf(2, {
      isLeader: false,
      peers: [peerOf(1, { instances, sendsTo: ['10.9.0.12'] })],
    });
    expect(planOf(known).files.has(CONFIG)).toBe(true);
  });

  test('does not start before it has met all that those know who run: one of them may be the holder', () => {
    const sendsTo = ['10.9.0.12', '10.9.0.13'];
    const first = peerOf(1, { instances: [report(1, 'BACKUP')], sendsTo });
    const early = stateOf(2, { isLeader: false, peers: [first] });
    expect(planOf(early).files.has(CONFIG)).toBe(false);
    expect(status(early)).toEqual({ level: 'waiting', message: 'Juju to tell of the other units' });

    const holder = peerOf(3, { instances: [report(3, 'MASTER')], sendsTo: ['10.9.0.11', '10.9.0.12'] });
    const met = stateOf(2, { isLeader: false, peers: [first, holder] });
    expect(planOf(met).files.has(CONFIG)).toBe(true);
  });

  test('does not wait for one whose machine is lost, unless nobody else runs', () => {
    const lost = peerOf(1, { instances, sendsTo: ['10.9.0.13', '10.9.0.14'] });
    const alive = peerOf(3, { instances: [report(3, 'MASTER')], sendsTo: ['10.9.0.11', '10.9.0.12'] });
    const sighted = { holders: [], routers: [], silent: ['10.9.0.11'] };
    const runs = (state: State): boolean => planOf(state).files.has(CONFIG);
    const replaces = stateOf(2, { isLeader: false, peers: [lost, alive] });
    expect(runs(replaces)).toBe(false);
    expect(runs({ ...replaces, sighted })).toBe(true);
    expect(runs({ ...replaces, peers: [lost], sighted })).toBe(false);
  });

  test('does not start alone, unless it leads', () => {
    for (const peers of [[], [peerOf(1)]]) {
      expect(planOf(stateOf(2, { isLeader: false, peers })).files.has(CONFIG)).toBe(false);
      expect(planOf(stateOf(2, { isLeader: true, peers })).files.has(CONFIG)).toBe(true);
    }
    const message = (peers: State['peers']) => status(stateOf(2, { isLeader: false, peers }))?.message;
    // The leader may have gone first long ago: this unit has not been told of anybody.
    expect(message([])).toBe('Juju to tell of the other units');
    expect(message([peerOf(1)])).toBe('the leader to go first');
  });

  test('and is not waited for by those that run', () => {
    const runs = stateOf(1, { running: running('MASTER'), isLeader: false, peers: [peerOf(2), peerOf(3)] });
    expect(planOf(runs).databags).toMatchObject([{ unit: { 'sends-to': ['10.9.0.12', '10.9.0.13'] } }]);
    expect(conf(runs)).toContain('10.9.0.13');
  });

  test('lets the instances run that are known, while another waits', () => {
    const half = stateOf(2, {
      options: { vip: '10.9.0.100 fd09::100' },
      isLeader: false,
      peers: [
        peerOf(1, {
          sendsTo: ['10.9.0.12'],
          instances: [...instances, { ...report(1, 'MASTER'), source: 'fd09::11', vips: ['fd09::100'] }],
        }),
      ],
    });
    expect(conf(half)).toContain('vip-eth0-ipv4');
    expect(conf(half)).not.toContain('vip-eth0-ipv6');
  });
});

describe('where VRRP comes from', () => {
  const two = [
    { interface: 'eth0', address: '10.213.1.11', prefix: 24, family: 'ipv4' },
    { interface: 'eth0', address: '10.99.7.11', prefix: 24, family: 'ipv4' },
  ] as const;
  const source = (state: State): string | undefined => /unicast_src_ip (\S+)/.exec(conf(state))?.[1];
  const there = { peers: [peerOf(2, { addresses: ['10.213.1.12', '10.99.7.12'] })] };

  test('it depends neither on the order of the option nor on that of the machine', () => {
    for (const vip of ['10.99.7.200 10.213.1.200', '10.213.1.200 10.99.7.200'])
      for (const addresses of [two, two.toReversed()])
        expect(source(stateOf(1, { options: { vip }, addresses, ...there }))).toBe('10.213.1.11');
  });

  test('it stays while it can, and a new unit follows those that run', () => {
    const options = { vip: '10.213.1.200' };
    const now = { source: '10.99.7.11', vips: ['10.99.7.200'], state: 'MASTER', since: NOON } as const;
    const stays = stateOf(1, {
      options,
      addresses: two,
      ...there,
      running: new Map([['vip-eth0-ipv4', now]]),
    });
    expect(source(stays)).toBe('10.99.7.11');
    const peers = [
      peerOf(2, {
        addresses: ['10.99.7.12'],
        sendsTo: ['10.99.7.11'],
        instances: [{ source: '10.99.7.12', vips: ['10.213.1.200'], state: 'MASTER', since: NOON }],
      }),
    ];
    expect(source(stateOf(1, { options, addresses: two, peers }))).toBe('10.99.7.11');
  });

  test.each([
    ['that another program holds', { held: ['10.9.0.50'] }],
    ['that this keepalived held under another option', { managed: ['10.9.0.50'] }],
    [
      'that another unit says it holds',
      { peers: [peerOf(2, { instances: [{ ...report(2, 'MASTER'), vips: ['10.9.0.50'] }] })] },
    ],
  ])('it is never an address %s', (_, more) => {
    const own = stateOf(1).addresses;
    const foreign = { interface: 'eth0', address: '10.9.0.50', prefix: 24, family: 'ipv4' } as const;
    const state = stateOf(1, { addresses: [foreign, ...own], ...more });
    expect(planOf(state).databags?.[0]?.unit).toMatchObject({ addresses: ['10.9.0.11'] });
  });

  test('a subnet that the machine is not in gets a route, and its connections there are its own', () => {
    const text = conf(stateOf(1, { options: { vip: '10.77.7.200/24', interface: 'eth0' } }));
    expect(text).toContain('10.77.7.200/32 dev eth0 scope host');
    expect(text).toContain('src 10.9.0.11 to 10.77.7.0/24 dev eth0 scope link no_track');
    expect(conf(stateOf(1, { options: { vip: '10.9.0.200/16' } }))).not.toContain('virtual_routes');
  });
});

describe('options that the units must share', () => {
  const old = 'router 51 version 3 unicast every 0.1 10.9.0.100';
  const now = 'router 52 version 3 unicast every 0.1 10.9.0.100';
  const options = { 'virtual-router-id': 52 };
  const before = conf(stateOf(1, { peers: [peerOf(2)] }));
  const here = { interface: 'eth0', address: '10.9.0.100', prefix: 32, family: 'ipv4' } as const;
  const runs = (state: 'MASTER' | 'BACKUP') =>
    new Map([
      ['vip-eth0-ipv4', { state, since: NOON, source: '10.9.0.11', vips: ['10.9.0.100'], speaks: old }],
    ]);
  const peer = (speaks: string, state: 'MASTER' | 'BACKUP') =>
    peerOf(2, { sendsTo: ['10.9.0.11'], instances: [{ ...report(2, state), speaks }] });
  const common = { options, managed: ['10.9.0.100'], conf: new Redacted(before) };
  const holder = { ...common, running: runs('MASTER'), addresses: [here, ...stateOf(1).addresses] };
  const idle = { ...common, running: runs('BACKUP') };
  const says = { level: 'waiting', message: 'keepalived-vip/2 to take the new options' };

  test('who only stands by stops, and waits for the holder', () => {
    const planned = planOf(stateOf(1, { ...idle, peers: [peer(old, 'MASTER')] }));
    expect(planned.machine.slice(-2)).toMatchObject([
      { kind: 'service', state: 'stopped' },
      { kind: 'absent-file', path: CONFIG },
    ]);
    expect(planned.status[0]).toEqual(says);
  });

  test('the holder goes on as it is while another runs as before, says so, and changes when it is alone', () => {
    const waits = planOf(stateOf(1, { ...holder, peers: [peer(old, 'BACKUP')] }));
    expect(waits.machine.filter(({ kind }) => kind === 'service')).toEqual([]);
    expect(waits.status[0]).toEqual(says);
    expect(waits.databags?.[0]?.unit).toMatchObject({ instances: [{ state: 'MASTER', speaks: old }] });
    expect(conf(stateOf(1, { ...holder, peers: [peerOf(2)] }))).toContain(`# speaks ${now}`);
  });

  test('the others join it once it has changed and sends to them', () => {
    const joins = stateOf(1, { options, isLeader: false, peers: [peer(now, 'MASTER')] });
    expect(conf(joins)).toContain(`# speaks ${now}`);
  });

  test('the leader does not start while another goes on as before', () => {
    expect(planOf(stateOf(1, { options, peers: [peer(old, 'MASTER')] })).files.has(CONFIG)).toBe(false);
  });

  test('units of an older revision, which do not say, are heeded as before', () => {
    const older = peerOf(2, { sendsTo: ['10.9.0.11'], instances: [report(2, 'MASTER')] });
    expect(planOf(stateOf(1, { ...idle, options: {}, peers: [older] })).status[0]?.level).toBe('active');
  });

  test('one family waits, and the other goes on', () => {
    const vip = '10.9.0.100 fd09::100';
    const both = conf(stateOf(1, { options: { vip }, peers: [peerOf(2)] }));
    const speaks6 = 'router 51 version 3 unicast every 0.1 fd09::100';
    const state = stateOf(1, {
      ...holder,
      options: { ...options, vip },
      managed: ['10.9.0.100', 'fd09::100'],
      conf: new Redacted(both),
      running: new Map([
        ...runs('MASTER'),
        [
          'vip-eth0-ipv6',
          { state: 'BACKUP', since: NOON, source: 'fd09::11', vips: ['fd09::100'], speaks: speaks6 },
        ],
      ]),
      peers: [
        peerOf(2, {
          sendsTo: ['10.9.0.11', 'fd09::11'],
          instances: [
            { ...report(2, 'BACKUP'), speaks: old },
            { source: 'fd09::12', vips: ['fd09::100'], state: 'MASTER', since: NOON, speaks: speaks6 },
          ],
        }),
      ],
    });
    // What holds stays word for word, and what stands by is taken out: else two holders would wait for each other.
    expect(conf(state)).toContain('virtual_router_id 51');
    expect(conf(state)).toContain('vrrp_instance vip-eth0-ipv4');
    expect(conf(state)).not.toContain('vrrp_instance vip-eth0-ipv6');
  });
});

describe('priorities', () => {
  test('are distinct, 1 to 254, and the same in the eyes of all, whatever the numbers of the units', () => {
    const numbers = [0, 1, 2, 253, 254, 255, 508, 1016, 99_999];
    const seen = numbers.map((number) =>
      priorityOf(
        number,
        numbers.filter((other) => other !== number),
      ),
    );
    expect(new Set(seen).size).toBe(numbers.length);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...seen)).toBe(254);
    expect(seen).toEqual(numbers.map((number) => priorityOf(number, numbers.toReversed())));
  });

  test('do not change when a unit joins or leaves', () => {
    expect(priorityOf(1, [0, 2, 7])).toBe(priorityOf(1, []));
  });

  test('stay distinct for as many units as there are priorities', () => {
    const numbers = Array.from({ length: 254 }, (_, index) => index * 3);
    expect(new Set(numbers.map((number) => priorityOf(number, numbers))).size).toBe(254);
  });
});

describe('the holder in the status', () => {
  test('another unit: the one that took it last', () => {
    const peers = [
      peerOf(1, { instances: [report(1, 'MASTER', NOON - 600)], sendsTo: ['10.9.0.13'] }),
      peerOf(2, { instances: [report(2, 'MASTER')], sendsTo: ['10.9.0.13'] }),
    ];
    expect(status(stateOf(3, { peers, running: running('BACKUP') }))?.message).toBe(
      '10.9.0.100 is on keepalived-vip/2 since 2026-11-24 12:03 UTC',
    );
  });

  test('nobody yet', () => {
    expect(status(stateOf(1, { running: running('BACKUP') }))?.message).toBe('ready to take 10.9.0.100');
  });

  test('a service that does not answer is named, and who has the address meanwhile', () => {
    const state = stateOf(1, {
      running: running('FAULT'),
      failing: ['named'],
      peers: [peerOf(2, { instances: [report(2, 'MASTER')] })],
    });
    expect(status(state)).toEqual({
      level: 'waiting',
      message: 'named to work on this machine; 10.9.0.100 is on keepalived-vip/2 since 2026-11-24 12:03 UTC',
    });
  });

  test('of twenty units and ten addresses it names what fits', () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index + 10);
    const vips = numbers.slice(0, 10).map((number) => `10.9.0.2${number}`);
    const peers = numbers.map((number) => peerOf(number, { instances: [report(number, 'BACKUP')] }));
    const options = { vip: vips.join(' ') };
    expect(
      shown('keepalived-vip', planOf(stateOf(1, { isLeader: false, options, peers })).status),
    ).toContainEqual(expect.stringMatching(/^keepalived-vip\/10, .* and 1[0-9] more to learn of this unit$/));
    const holds = stateOf(1, { options, running: running('BACKUP') });
    expect(shown('keepalived-vip', planOf(holds).status)[0]).toMatch(
      /^ready to take 10.9.0.210; .*; [0-9] more: show-status$/,
    );
  });

  test('two at once: each side says what it has and knows', () => {
    const state = stateOf(1, {
      managed: ['10.9.0.100'],
      running: running('MASTER'),
      peers: [peerOf(2, { instances: [report(2, 'MASTER', NOON + 60)] })],
    });
    const here = { interface: 'eth0', address: '10.9.0.100', prefix: 24, family: 'ipv4' } as const;
    const both = { ...state, addresses: [...state.addresses, here] };
    expect(status(both)?.message).toContain('and so does keepalived-vip/2');
    expect(ownersOf(both)).toMatchObject([{ unit: 'keepalived-vip/1', rival: 'keepalived-vip/2' }]);
  });
});

describe('who else is on the network', () => {
  const router = { holders: [], routers: ['10.9.0.66'], silent: [] };
  const clash = 'router number 51 is also that of 10.9.0.66 on this network: set another virtual-router-id=';

  test('a machine that has the address is named by its MAC, and nothing is started', () => {
    const holders = [{ address: '10.9.0.100', mac: '52:54:00:12:34:56' }];
    const planned = planOf(stateOf(1, { sighted: { holders, routers: [], silent: [] } }));
    expect(planned.machine).toEqual([]);
    expect(planned.status).toEqual([
      {
        level: 'blocked',
        message:
          'vip=10.9.0.100 is in use by machine 52:54:00:12:34:56: set a free address, or free it there',
      },
    ]);
  });

  test('a new leader that has not met all may have seen another unit: nothing is started, and nothing is to be set', () => {
    const holders = [{ address: '10.9.0.100', mac: '52:54:00:12:34:56' }];
    const planned = planOf(stateOf(1, { sighted: { holders, routers: [], silent: [] }, awaitsPeers: true }));
    expect(planned.machine).toEqual([]);
    expect(planned.status).toEqual([
      {
        level: 'waiting',
        message:
          'vip=10.9.0.100 is in use by machine 52:54:00:12:34:56, perhaps a unit that Juju has yet to tell of',
      },
    ]);
    const since = '2026-12-01 00:00:00Z';
    const goal = (...units: readonly (readonly [string, string])[]): GoalState => ({
      units: {},
      relations: {
        'juju-info': Object.fromEntries(
          [['maas-region', 'joined'] as const, ...units].map(([name, status]) => [name, { status, since }]),
        ),
      },
    });
    const own = ['maas-region/5', 'active'] as const;
    const other = ['maas-region/2', 'active'] as const;
    expect(hasUnmetPeers(goal(own, other), 'maas-region/5', 0)).toBe(true);
    expect(hasUnmetPeers(goal(own, other), 'maas-region/5', 1)).toBe(false);
    expect(hasUnmetPeers(goal(own, other, ['maas-region/4', 'active']), 'maas-region/5', 1)).toBe(true);
    expect(hasUnmetPeers(goal(own, ['maas-region/2', 'dying']), 'maas-region/5', 0)).toBe(false);
    expect(hasUnmetPeers(goal(own), 'maas-region/5', 0)).toBe(false);
    expect(hasUnmetPeers({ units: {}, relations: {} }, 'maas-region/5', 0)).toBe(false);
  });

  test('a router with the same number is reported; over unicast the two do not disturb each other', () => {
    const state = stateOf(1, { sighted: router });
    expect(planOf(state).files.has(CONFIG)).toBe(true);
    expect(status(state)).toMatchObject({ level: 'active', message: `ready to take 10.9.0.100; ${clash}` });
  });

  test('over multicast nothing is started beside it, and what runs goes on', () => {
    const state = stateOf(1, { sighted: router, options: { unicast: false } });
    expect(planOf(state).machine).toEqual([]);
    expect(status(state)).toEqual({ level: 'blocked', message: clash });
    const runs = { ...state, running: running('MASTER') };
    expect(planOf(runs).files.has(CONFIG)).toBe(true);
    expect(status(runs)).toEqual({ level: 'blocked', message: clash });
  });
});

test('a unit tells the others that it holds an address by having it, whatever the notify script wrote last', () => {
  const told = (state: State): unknown =>
    planOf(state).databags?.find(({ endpoint }) => endpoint === 'vrrp-cluster')?.unit;
  const state = stateOf(1, { managed: ['10.9.0.100'], running: running('MASTER') });
  expect(told(state)).toMatchObject({ instances: [{ state: 'BACKUP' }] });
  const here = { interface: 'eth0', address: '10.9.0.100', prefix: 24, family: 'ipv4' } as const;
  const holder = { ...state, running: running('BACKUP'), addresses: [...state.addresses, here] };
  expect(told(holder)).toMatchObject({ instances: [{ state: 'MASTER' }] });
});

test('related charms learn the addresses in the first hook of the leader, before keepalived runs', () => {
  const { databags } = planOf(stateOf(1, { options: { vip: '10.9.0.100 fd09::100/64' }, clients: [7] }));
  expect(databags).toContainEqual({
    endpoint: 'vip',
    relation: 7,
    unit: { owner: [] },
    app: {
      vips: [
        { address: '10.9.0.100', prefix: 24, family: 'ipv4' },
        { address: 'fd09::100', prefix: 64, family: 'ipv6' },
      ],
      ready: false,
    },
  });
});

describe('a container that may not set a kernel parameter', () => {
  const kernel = { hasIpv6: true, hasIpVs: false, forbidden: ['net.ipv4.ip_nonlocal_bind'] };

  test('runs all the same, sets what it may, and says so', () => {
    const planned = planOf(stateOf(1, { kernel }));
    expect(planned.status).toEqual([
      {
        level: 'active',
        message:
          'ready to take 10.9.0.100; net.ipv4.ip_nonlocal_bind cannot be set here, and nothing needs it',
      },
    ]);
    expect(planned.files.has(CONFIG)).toBe(true);
    expect(planned.machine.find(({ kind }) => kind === 'sysctl')).toMatchObject({
      values: { 'net.ipv6.ip_nonlocal_bind': '1' },
    });
  });

  test.each([
    ['bind 10.9.0.100:80', true],
    ['bind ipv4@10.9.0.100:443 ssl crt /x.pem', true],
    ['bind [fd09::100]:80', true],
    ['bind 10.9.0.7:80,10.9.0.100:80', true],
    ['bind :80', false],
    ['bind [::]:80 v4v6', false],
    ['bind 10.9.0.10:80', false],
    ['# bind 10.9.0.100:80', false],
    ['server vip 10.9.0.100:80', false],
  ])('is asked what listens on a virtual address by name: %s', async (line, isBinding) => {
    const root = await mkdtemp(join(tmpdir(), 'root-'));
    try {
      const { track, vip } = parseOptions({ vip: '10.9.0.100 fd09::100' });
      expect(await bindingServices({ track, vip }, root)).toEqual([]);
      await mkdir(join(root, 'etc/haproxy'), { recursive: true });
      await writeFile(join(root, 'etc/haproxy/haproxy.cfg'), `frontend f\n  ${line}\n`);
      expect(await bindingServices({ track, vip }, root)).toEqual(isBinding ? ['haproxy'] : []);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test('names the service that needs it, and what its host has to do', () => {
    const planned = planOf(stateOf(1, { kernel, binding: ['haproxy'] }));
    expect(planned.status[0]).toEqual({
      level: 'blocked',
      message: 'haproxy binds the address: on the host, set net.ipv4.ip_nonlocal_bind=1',
    });
    expect(planned.files.has(CONFIG)).toBe(true);
  });
});

describe('keepalived of this machine is another’s', () => {
  const occupant = { kind: 'program', name: 'keepalived-vip/0' } as const;

  test('the second unit names the first, touches nothing, and is counted on by nobody', () => {
    const planned = planOf(stateOf(3, { occupant, peers: [peerOf(0), peerOf(1)], managed: ['10.9.0.100'] }));
    expect(planned.machine).toEqual([]);
    expect(planned.status).toEqual([
      {
        level: 'blocked',
        message: 'keepalived-vip/0 has keepalived on this machine: one unit a machine; remove one of the two',
      },
    ]);
    expect(planned.databags).toEqual([
      expect.objectContaining({ unit: { addresses: [], 'sends-to': [], 'own-vips': [], instances: [] } }),
    ]);
  });

  test('nor at its removal', () => {
    expect(planOf(stateOf(3, { occupant, isBeingRemoved: true })).machine).toEqual([]);
    expect(teardown(occupant)).toEqual([]);
    expect(teardown({ kind: 'person', config: CONFIG })).toEqual([]);
  });

  test('what was set up by hand is asked for', () => {
    const planned = planOf(stateOf(1, { occupant: { kind: 'person', config: CONFIG } }));
    expect(planned.machine).toEqual([]);
    expect(planned.status[0]).toEqual({
      level: 'blocked',
      message: `keepalived was set up by hand here: to hand it over, move ${CONFIG} away`,
    });
  });

  test('a leader that stands aside names who starts first, and the others heed it', () => {
    const app = (state: State) => planOf(state).databags?.[0]?.app;
    expect(app(stateOf(3, { occupant, peers: [peerOf(0), peerOf(1)] }))).toMatchObject({
      'goes-first': 'keepalived-vip/0',
    });
    const person = { kind: 'person', config: CONFIG } as const;
    expect(app(stateOf(3, { occupant: person, peers: [peerOf(1), peerOf(2)] }))).toMatchObject({
      'goes-first': 'keepalived-vip/1',
    });
    const runs = (state: State): boolean => planOf(state).files.has(CONFIG);
    const firstUnit = 'keepalived-vip/0';
    const aside = peerOf(3, { addresses: [] });
    expect(runs(stateOf(0, { firstUnit, peers: [aside], isLeader: false }))).toBe(true);
    for (const isLeader of [false, true])
      expect(runs(stateOf(1, { firstUnit, peers: [peerOf(0), aside], isLeader }))).toBe(false);
  });

  test('whoever was to start first and has gone is not waited for', () => {
    const gone = { firstUnit: 'keepalived-vip/0', peers: [peerOf(3, { addresses: [] })] };
    const runs = (isLeader: boolean): boolean => planOf(stateOf(1, { ...gone, isLeader })).files.has(CONFIG);
    expect([runs(true), runs(false)]).toEqual([true, false]);
  });
});

test('rules that have gone are loaded again, also where all else stays as it was', () => {
  for (const vip of ['10.9.0.100', '']) {
    const state = stateOf(1, { running: running('MASTER'), isFilterMissing: true, options: { vip } });
    expect(planOf(state).machine[0]).toMatchObject({ kind: 'step', id: 'filter' });
  }
});

test('a unit that is being removed gives its addresses away before its peers seem to leave it', () => {
  const state = stateOf(0, {
    isBeingRemoved: true,
    clients: [4],
    running: running('MASTER'),
  });
  const { machine, databags, status } = planOf(state);
  expect(machine).toEqual([{ kind: 'service', name: 'keepalived', state: 'stopped', enabled: false }]);
  expect(databags).toContainEqual({ endpoint: 'vip', relation: 4, unit: { owner: [] } });
  expect(databags).toContainEqual(
    expect.objectContaining({
      endpoint: 'vrrp-cluster',
      unit: { addresses: [], 'sends-to': [], 'own-vips': [], instances: [] },
    }),
  );
  expect(status).toEqual([{ level: 'waiting', message: 'to be removed' }]);
});

test('whoever leaves takes every file of its plan along', () => {
  const written = [
    ...planOf(stateOf(1, { kernel: { hasIpv6: true, hasIpVs: true, forbidden: [] } })).files.keys(),
    '/etc/modules-load.d/ip_vs.conf',
    // By the notify script.
    '/run/keepalived-vip.next',
    '/run/keepalived-vip.telling',
  ];
  const deleted = teardown().flatMap((resource) => (resource.kind === 'absent-file' ? [resource.path] : []));
  expect(deleted.toSorted()).toEqual(written.toSorted());
});

test('the password of version 2 is in the file alone, which only root can read', () => {
  const state = stateOf(1, {
    options: { 'vrrp-version': 2, 'advert-interval': 1 },
    authPass: new Redacted('s3cr3t-8'),
  });
  const planned = planOf(state);
  expect(planned.files.get(CONFIG)).toMatchObject({ mode: 0o600, text: expect.stringContaining('s3cr3t-8') });
  expect(JSON.stringify({ ...planned, files: [] })).not.toContain('s3cr3t-8');
});
