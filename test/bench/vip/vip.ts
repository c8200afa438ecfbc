// What a client that asks every 20 ms through the virtual address loses, with the charms' files and with the HA
// guide's, in the same run: node test/bench/vip/vip.ts [rounds] [seconds of saturation]
// Machines are namespaces of this one: see test/lab.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIG } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { charmFiles, holderOf, until, VIP, VipMachine, watch, type Files, type Seen } from '../../lab/vip.ts';
import { cfgOf, regions, stateOf } from '../../unit/haproxy/states.ts';
import { guideFiles } from './guide.ts';

const UNITS = [1, 2, 3];
const URL = `http://${VIP}/`;
const [rounds = 10, saturation = 600] = process.argv.slice(2).map(Number);

/** Three machines and a client. */
interface Cluster {
  readonly lab: Lab;
  readonly client: Machine;
  readonly machines: VipMachine[];
  readonly files: (number: number) => Files;
}

/** Something that happens to a cluster, and how it is undone. */
interface Event {
  readonly name: string;
  /** ms that a request may take. */
  readonly patience: number;
  happen(cluster: Cluster, holder: VipMachine): Promise<void>;
  mend(cluster: Cluster, holder: VipMachine): Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();
const oldest = (machine: VipMachine): Promise<void> => machine.machine.signal('haproxy', 'SIGUSR2', 'oldest');

const EVENTS: readonly Event[] = [
  {
    name: 'the machine with the VIP is killed',
    patience: 6000,
    happen: async (_, holder) => {
      await holder.machine.kill();
      await sleep(6000);
    },
    mend: async ({ lab, machines, files }, holder) => {
      machines[machines.indexOf(holder)] = await VipMachine.start(lab, holder.number, files(holder.number));
    },
  },
  {
    name: 'haproxy on it is killed',
    patience: 6000,
    happen: async (_, holder) => {
      await holder.machine.signal('haproxy', 'SIGKILL');
      await sleep(4000);
    },
    mend: nothing,
  },
  {
    name: 'haproxy on it hangs',
    patience: 6000,
    happen: async (_, holder) => {
      await holder.machine.signal('haproxy', 'SIGSTOP');
      await sleep(6000);
    },
    mend: (_, holder) => holder.machine.signal('haproxy', 'SIGCONT'),
  },
  {
    name: 'its network is cut, and comes back after 6 s',
    patience: 6000,
    happen: async ({ lab }, holder) => {
      await lab.cut(holder.machine);
      await sleep(6000);
      await lab.heal(holder.machine);
      await sleep(1000);
    },
    mend: nothing,
  },
  {
    name: 'a web server is killed',
    patience: 20_000,
    happen: async ({ machines }) => {
      for (const machine of machines.slice(0, 1)) await machine.machine.signal('web', 'SIGKILL');
      await sleep(3000);
    },
    mend: ({ machines }) => Promise.resolve(machines[0]?.startWeb()),
  },
  {
    name: 'a web server hangs for 12 s',
    patience: 100_000,
    happen: async ({ machines }) => {
      for (const { machine } of machines.slice(0, 1)) {
        await machine.signal('web', 'SIGSTOP');
        await sleep(12_000);
        await machine.signal('web', 'SIGCONT');
      }
    },
    mend: nothing,
  },
  {
    name: 'haproxy reloads ten times',
    patience: 20_000,
    happen: async ({ files }, holder) => {
      for (let count = 0; count < 10; count += 1) {
        const own = files(holder.number).get(CONFIG)?.text ?? '';
        // Another file each time: the charms' without one of the servers.
        const other = cfgOf(stateOf([regions(1, 2)], { own: [`10.9.0.1${holder.number}`] }));
        await holder.machine.write(CONFIG, count % 2 === 0 && own.includes('charm') ? other : own);
        await oldest(holder);
        await sleep(300);
      }
    },
    mend: nothing,
  },
];

async function startCluster(files: Cluster['files']): Promise<Cluster> {
  const lab = await Lab.start();
  const client = await lab.machine('client', ['10.9.0.200/24']);
  const machines: VipMachine[] = [];
  for (const number of UNITS) machines.push(await VipMachine.start(lab, number, files(number)));
  return { lab, client, machines, files };
}

/** Until all is as it was: one holder, who answers, and every server up in everybody's eyes. */
async function settle({ client, machines }: Cluster): Promise<VipMachine> {
  await until(async () => (await client.try(['curl', '-sf', '--max-time', '1', URL])).exitCode === 0);
  await sleep(4500);
  return holderOf(machines);
}

async function measure(cluster: Cluster, event: Event): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const holder = await settle(cluster);
    seen.push(await watch(cluster.client, URL, event.patience, () => event.happen(cluster, holder)));
    await event.mend(cluster, holder);
  }
  return seen;
}

/** Saturates every core, and counts how often the address moves. */
async function saturate({ machines }: Cluster, seconds: number): Promise<number> {
  const hogs = machines.flatMap(({ machine }) =>
    Array.from({ length: availableParallelism() }, () =>
      machine.spawn(['timeout', String(seconds), 'sh', '-c', 'while :; do :; done']),
    ),
  );
  let takeovers = 0;
  let holder: number | undefined;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    for (const machine of machines) {
      if (!(await machine.holds(VIP)) || machine.number === holder) continue;
      if (holder !== undefined) takeovers += 1;
      holder = machine.number;
    }
    await sleep(200);
  }
  for (const hog of hogs) hog.kill();
  return takeovers;
}

function summary(seen: readonly Seen[]): string {
  const gaps = seen.map(({ gap }) => gap).toSorted((a, b) => a - b);
  const failed = seen.reduce((sum, one) => sum + one.failed, 0);
  const started = seen.reduce((sum, one) => sum + one.started, 0);
  const median = gaps[Math.floor(gaps.length / 2)] ?? 0;
  return `${median} / ${gaps.at(-1) ?? 0} ms, ${failed} of ${started} failed`;
}

const columns = { charms: (n: number) => charmFiles(n, UNITS), guide: (n: number) => guideFiles(n, UNITS) };
const table = new Map<string, string[]>();
for (const files of Object.values(columns)) {
  const cluster = await startCluster(files);
  try {
    for (const event of EVENTS) {
      const cell = summary(await measure(cluster, event));
      table.set(event.name, [...(table.get(event.name) ?? []), cell]);
    }
    await settle(cluster);
    const name = `every core is saturated for ${saturation} s`;
    const cell = `${await saturate(cluster, saturation)} takeovers`;
    table.set(name, [...(table.get(name) ?? []), cell]);
  } finally {
    await cluster.lab.stop();
  }
}
console.log(`longest time without an answer (median / worst of ${rounds}), and requests without one\n`);
console.log(`| event | charms | HA guide |\n| --- | --- | --- |`);
for (const [event, cells] of table) console.log(`| ${event} | ${cells.join(' | ')} |`);
