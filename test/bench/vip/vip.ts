// What a client that asks every 20 ms through the virtual address loses, with the charms' files and with the HA
// guide's, in the same run. Machines are namespaces of this one: see test/lab.
//
//   npm run bench:vip -- [--rounds 10] [--saturation 20] [--reloads 100] [--inputs 10000] [--only killed]
//
// `--saturation` is in seconds, 600 for the ten minutes of the README; `--inputs` are random option values and relation
// data of each charm; `--only` takes the events whose names have that.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { drainMark } from 'juju-ts-host';
import { CONFIG } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import { CONFIG as KEEPALIVED_CONF } from '../../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { PEERS_NFT } from '../../../charms/keepalived-vip/src/render/peers-nft.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { charmFiles, holderOf, until, VIP, VipMachine, watch, type Files, type Seen } from '../../lab/vip.ts';
import { optionsOf } from '../../options.ts';
import { cfgOf, regions, stateOf } from '../../unit/haproxy/states.ts';
import { guideFiles } from './guide.ts';
import { randomInputs } from './random.ts';

const UNITS = [1, 2, 3];
const URL = `http://${VIP}/`;
const values = optionsOf(
  "npm run bench:vip -- [--rounds 10] [--saturation 20] [--reloads 100] [--inputs 10000] [--only 'HAProxy']",
  {
    rounds: { type: 'string', default: '10' },
    saturation: { type: 'string', default: '20' },
    reloads: { type: 'string', default: '100' },
    inputs: { type: 'string', default: '10000' },
    only: { type: 'string', default: '' },
  },
);
const { only } = values;
const rounds = Number(values.rounds);
const saturation = Number(values.saturation);
const reloads = Number(values.reloads);
const inputs = Number(values.inputs);

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
  readonly timeout: number;
  /** What the guide has no answer to. */
  readonly isOursAlone?: boolean;
  /** @returns what else was measured, in ms, by what it is */
  happen(cluster: Cluster, holder: VipMachine): Promise<Readonly<Record<string, number>> | void>;
  mend(cluster: Cluster, holder: VipMachine): Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();
const reload = ({ machine }: VipMachine): Promise<void> => machine.signal('haproxy', 'SIGUSR2', 'oldest');
const cfgOfUnits = ({ number }: VipMachine, units: readonly number[]): string =>
  cfgOf(stateOf([regions(...units)], { own: [`10.9.0.1${number}`] }));

const EVENTS: readonly Event[] = [
  {
    name: 'the machine with the VIP is killed',
    timeout: 6000,
    happen: async (_, holder) => {
      await holder.machine.kill();
      await sleep(5000);
    },
    mend: async ({ lab, machines, files }, holder) => {
      machines[machines.indexOf(holder)] = await VipMachine.start(lab, holder.number, files(holder.number));
    },
  },
  {
    name: 'haproxy on it is killed',
    timeout: 6000,
    happen: async (_, holder) => {
      await holder.machine.signal('haproxy', 'SIGKILL');
      await sleep(3000);
    },
    mend: nothing,
  },
  {
    name: 'haproxy on it hangs',
    timeout: 6000,
    happen: async (_, holder) => {
      await holder.machine.signal('haproxy', 'SIGSTOP');
      await sleep(6000);
    },
    mend: (_, holder) => holder.machine.signal('haproxy', 'SIGCONT'),
  },
  {
    name: 'its network is cut, and comes back after 5 s',
    timeout: 6000,
    happen: async ({ lab, machines }, holder) => {
      const owners = await Owners.watch(machines);
      await lab.cut(holder.machine);
      await sleep(5000);
      const healed = performance.now();
      await lab.heal(holder.machine);
      await sleep(1500);
      return owners.end(healed);
    },
    mend: nothing,
  },
  {
    name: 'the address is given away on purpose',
    timeout: 6000,
    isOursAlone: true,
    happen: async (_, holder) => {
      await holder.machine.run(['touch', drainMark('haproxy')]);
      await sleep(3000);
    },
    mend: async (_, holder) => {
      await holder.machine.run(['rm', drainMark('haproxy')]);
    },
  },
  {
    name: 'a web server is killed',
    timeout: 20_000,
    happen: async (cluster) => {
      const server = await servingClient(cluster);
      await server.machine.signal('web', 'SIGKILL');
      await sleep(3000);
      server.startWeb();
    },
    mend: nothing,
  },
  {
    name: 'a web server is restarted cleanly',
    timeout: 20_000,
    happen: async (cluster) => {
      const server = await servingClient(cluster);
      await server.machine.signal('web', 'SIGTERM');
      await sleep(500);
      server.startWeb();
      await sleep(2500);
    },
    mend: nothing,
  },
  {
    name: 'a web server hangs for 12 s',
    timeout: 100_000,
    happen: async (cluster) => {
      const { machine } = await servingClient(cluster);
      await machine.signal('web', 'SIGSTOP');
      await sleep(12_000);
      await machine.signal('web', 'SIGCONT');
    },
    mend: nothing,
  },
  {
    name: `haproxy reloads ${reloads} times`,
    timeout: 20_000,
    isOursAlone: true,
    happen: async (_, holder) => {
      for (let count = 0; count < reloads; count += 1) {
        await holder.machine.write(CONFIG, cfgOfUnits(holder, count % 2 === 0 ? [1, 2] : UNITS));
        await reload(holder);
        await sleep(150);
      }
    },
    mend: nothing,
  },
  {
    name: 'a fourth unit comes, and goes again',
    timeout: 20_000,
    isOursAlone: true,
    happen: async ({ lab, machines, files }) => {
      const four = [...UNITS, 4];
      // As the charms do it: a unit starts once the others send to it, and is balanced over once it serves.
      for (const machine of machines) await takePeers(machine, charmFiles(machine.number, four));
      const fourth = await VipMachine.start(lab, 4, charmFiles(4, four));
      for (const machine of machines) await takeServers(machine, charmFiles(machine.number, four));
      await sleep(3000);
      for (const machine of machines) await takeServers(machine, files(machine.number));
      await sleep(1000);
      await fourth.machine.kill();
      for (const machine of machines) await takePeers(machine, files(machine.number));
      await sleep(1000);
    },
    mend: nothing,
  },
];

/** The machine whose web server gets the client's requests: by its address, with the charms' files. */
async function servingClient({ client, machines }: Cluster): Promise<VipMachine> {
  const name = (await client.run(['curl', '-sf', URL])).trim();
  const found = machines.find(({ machine }) => machine.name === name);
  if (!found) throw new Error(`${URL} is answered by ${name}, which is none of the machines`);
  return found;
}

async function write(machine: VipMachine, files: Files, path: string): Promise<void> {
  const { text, mode } = files.get(path) ?? { text: '', mode: 0o600 };
  await machine.machine.write(path, text, mode);
}

async function takeServers(machine: VipMachine, files: Files): Promise<void> {
  await write(machine, files, CONFIG);
  await reload(machine);
}

async function takePeers(machine: VipMachine, files: Files): Promise<void> {
  for (const path of [KEEPALIVED_CONF, PEERS_NFT]) await write(machine, files, path);
  await machine.machine.run(['nft', '--file', PEERS_NFT]);
  await machine.machine.signal('keepalived', 'SIGHUP', 'oldest');
}

/** Notes when machines get the address and when they lose it. */
class Owners {
  readonly #owned = new Set<number>();
  readonly #children: ReturnType<Machine['spawnPiped']>[] = [];
  #since: number | undefined;
  #both = 0;
  #alone = 0;

  static async watch(machines: readonly VipMachine[]): Promise<Owners> {
    const owners = new Owners();
    for (const machine of machines) {
      if (await machine.holds(VIP)) owners.#owned.add(machine.number);
      const child = machine.machine.spawnPiped(['ip', '-oneline', 'monitor', 'address']);
      owners.#children.push(child);
      child.stdout.on('data', (lines: Buffer) => owners.#note(machine.number, lines.toString()));
    }
    await sleep(300);
    return owners;
  }

  #note(number: number, lines: string): void {
    for (const line of lines.split('\n').filter((text) => text.includes(` ${VIP}/`))) {
      if (line.startsWith('Deleted')) this.#owned.delete(number);
      else this.#owned.add(number);
      const now = performance.now();
      if (this.#owned.size > 1) this.#since ??= now;
      else if (this.#since !== undefined) {
        this.#both += now - this.#since;
        this.#since = undefined;
        this.#alone = now;
      }
    }
  }

  /** @param healed when the network was whole again */
  end(healed: number): Readonly<Record<string, number>> {
    for (const child of this.#children) child.kill();
    return { 'with two owners': this.#both, 'from healing to one owner': Math.max(0, this.#alone - healed) };
  }
}

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
  await sleep(3500);
  return holderOf(machines);
}

/** What one round came to. */
interface Round {
  readonly seen: Seen;
  readonly more: Readonly<Record<string, number>>;
}

async function measure(cluster: Cluster, event: Event): Promise<readonly Round[]> {
  const results: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const holder = await settle(cluster);
    let more: Round['more'] = {};
    const seen = await watch(cluster.client, URL, event.timeout, async () => {
      more = (await event.happen(cluster, holder)) ?? {};
    });
    results.push({ seen, more });
    await event.mend(cluster, holder);
  }
  return results;
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

/** Median and worst. */
function spread(numbers: readonly number[]): string {
  const sorted = numbers.map(Math.round).toSorted((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)] ?? 0} / ${sorted.at(-1) ?? 0} ms`;
}

function summary(results: readonly Round[]): string {
  const failed = results.reduce((sum, { seen }) => sum + seen.failed, 0);
  const started = results.reduce((sum, { seen }) => sum + seen.started, 0);
  const more = Object.keys(results[0]?.more ?? {}).map(
    (what) => `${spread(results.map((result) => result.more[what] ?? 0))} ${what}`,
  );
  return [spread(results.map(({ seen }) => seen.gap)), `${failed} of ${started} failed`, ...more].join(', ');
}

const SATURATION = `every core is saturated for ${saturation} s`;
const RANDOM = 'random inputs';
const chosen = EVENTS.filter(({ name }) => name.includes(only));
const columns = { charms: (n: number) => charmFiles(n, UNITS), guide: (n: number) => guideFiles(n, UNITS) };
const table = new Map<string, string[]>();
const note = (event: string, cell: string): void => {
  table.set(event, [...(table.get(event) ?? []), cell]);
  console.error(`${event}: ${cell}`);
};
for (const [column, files] of Object.entries(columns)) {
  const events = chosen.filter(({ isOursAlone = false }) => column === 'charms' || !isOursAlone);
  if (events.length === 0 && !SATURATION.includes(only)) continue;
  const cluster = await startCluster(files);
  try {
    for (const event of events) note(event.name, summary(await measure(cluster, event)));
    if (SATURATION.includes(only)) {
      await settle(cluster);
      note(SATURATION, `${await saturate(cluster, saturation)} takeovers`);
    }
  } finally {
    await cluster.lab.stop();
  }
}
if (table.size > 0) {
  console.log(`longest time without an answer (median / worst of ${rounds}), and requests without one\n`);
  console.log(`| event | charms | HA guide |\n| --- | --- | --- |`);
  for (const [event, [charms = '', guide = '']] of table) console.log(`| ${event} | ${charms} | ${guide} |`);
}
if (RANDOM.includes(only)) console.log(`\n${await randomInputs(inputs)}`);
