// What `juju-local watch` shows, as lines: no terminal is needed.
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from '@jest/globals';
import { FullStatus } from '../../../../shared/juju-local/src/cli/status.ts';
import { frame, viewer, type Screen, type View } from '../../../../shared/juju-local/src/cli/watch.ts';
import { verbs } from '../../../../shared/juju-local/src/daemon/verbs.ts';
import { heldAddresses } from '../../../../shared/juju-local/src/machines/held.ts';
import { charmInfo, World } from '../world.ts';

const WIDE: Screen = { columns: 120, rows: 40, isColoured: false };

const shown = (current: string, message?: string) => ({ current, ...(message !== undefined && { message }) });
const machine = (state: string, address: string) => ({
  'juju-status': shown(state),
  'machine-status': shown('running'),
  'dns-name': address,
  'instance-id': 'x',
  base: { name: 'ubuntu', channel: '24.04' },
});
const unit = (workload: string, message: string, agent = shown('idle'), more: object = {}) => ({
  'workload-status': shown(workload, message),
  'juju-status': agent,
  'public-address': '',
  ...more,
});
const app = (units?: object) => ({
  'charm-name': 'x',
  'charm-rev': 0,
  'application-status': shown('active'),
  relations: {},
  ...(units && { units }),
});

/** Two machines, one of them down; the other holds an address, and runs a hook. */
const view: View = {
  status: FullStatus.parse({
    relations: [],
    model: { name: 'maas', controller: 'local', cloud: 'juju-local', version: '3.6' },
    machines: { '0': machine('started', '10.213.0.10'), '1': machine('down', '10.213.0.11') },
    applications: {
      web: app({
        'web/0': unit('active', 'serves', shown('executing', 'running config-changed hook'), {
          leader: true,
          machine: '0',
          subordinates: { 'vip/0': unit('active', 'holds 10.213.0.200') },
        }),
        'web/1': unit('unknown', 'agent lost', shown('lost'), { machine: '1' }),
      }),
      vip: app(),
    },
  }),
  held: { '0': ['10.213.0.200'] },
  hooks: ['12:03:10  web/0  ran "install" hook', '12:03:11  vip/0  ran "start" hook'],
};

test('a frame has the machines with what they hold, the units with what they do, and the last hooks', () => {
  expect(frame(view, WIDE)).toEqual([
    'maas: 1 of 2 machines up',
    '',
    'Machine  State    Address      Holds',
    '0        started  10.213.0.10  10.213.0.200',
    '1        down     10.213.0.11',
    '',
    'Unit     Workload  Agent      Message',
    'web/0*   active    executing  (config-changed) serves',
    '  vip/0  active    idle       holds 10.213.0.200',
    'web/1    unknown   lost       agent lost',
    '',
    'Hooks',
    '12:03:10  web/0  ran "install" hook',
    '12:03:11  vip/0  ran "start" hook',
  ]);
});

test('a frame is no larger than the screen: fewer hooks, shorter lines, and at last fewer of them', () => {
  expect(frame(view, { ...WIDE, rows: 13 }).slice(-2)).toEqual([
    'Hooks',
    '12:03:11  vip/0  ran "start" hook',
  ]);
  expect(frame(view, { ...WIDE, rows: 11 }).at(-1)).toBe('web/1    unknown   lost       agent lost');
  const small = frame(view, { columns: 20, rows: 5, isColoured: false });
  expect(small).toEqual([
    'maas: 1 of 2 machin…',
    '',
    'Machine  State    A…',
    '0        started  1…',
    '6 more lines: make …',
  ]);
});

test('colours change no letter', () => {
  const coloured = frame(view, { ...WIDE, isColoured: true });
  expect(coloured.join('\n')).toContain('\x1b[31m down\x1b[39m');
  expect(coloured.map((line) => stripVTControlCharacters(line))).toEqual(frame(view, WIDE));
});

test('a model that is empty has a frame as well', () => {
  const empty = { ...view, status: { ...view.status, machines: {}, applications: {} }, hooks: [] };
  expect(frame(empty, WIDE)).toEqual(['maas: 0 of 0 machines up']);
});

test('hooks are those that units ran, each once, in the order of the log', async () => {
  await using world = new World();
  await world.add(charmInfo('web'), 1, async ({ name }) => (name === 'start' ? 1 : 0));
  await world.start();
  const see = viewer(async (verb, args) =>
    verb === 'addresses' ? { '0': [] } : await verbs[verb]?.(world.daemon, args, () => undefined),
  );
  expect((await see()).hooks).toEqual([]);
  await world.settle();
  const hooks = (await see()).hooks.map((line) => line.replace(/^\d\d:\d\d:\d\d/, 'TIME'));
  expect(hooks.slice(0, 2)).toEqual([
    'TIME  web/0  ran "install" hook',
    expect.stringMatching(/^TIME {2}web\/0 {2}ran "leader-elected" hook$/),
  ]);
  expect(hooks.at(-1)).toMatch(/^TIME {2}web\/0 {2}hook "start" failed: /);
  expect((await see()).hooks).toHaveLength(hooks.length);
});

test('a machine holds the addresses that are not its own and that others reach; one that hangs holds none', async () => {
  const listed = [
    { ifname: 'lo', addr_info: [{ local: '127.0.0.1', scope: 'host' }] },
    {
      ifname: 'eth0',
      addr_info: [
        // As keepalived-vip has it: no connection of the machine's own comes from it.
        { local: '10.0.0.200', scope: 'host' },
        { local: '10.0.0.10', scope: 'global' },
        { local: '10.0.0.201', scope: 'global' },
        { local: 'fe80::1', scope: 'link' },
        { scope: 'global' },
      ],
    },
  ];
  const machines = ['0', '1', '2'].map((id) => ({
    id,
    hostname: '',
    address: `10.0.0.1${id}`,
    state: id === '2' ? ('stopped' as const) : ('running' as const),
  }));
  const held = await heldAddresses({
    list: () => Promise.resolve(machines),
    run: async (id) => {
      if (id !== '0') throw new Error('the machine hangs');
      return { exitCode: 0, signal: null, stdout: JSON.stringify(listed), stderr: '' };
    },
  });
  expect(held).toEqual({ '0': ['10.0.0.200', '10.0.0.201'], '1': [] });
});
