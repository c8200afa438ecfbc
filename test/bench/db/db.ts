// What MAAS loses when PostgreSQL's primary fails, and what the path to it costs per query. Machines are namespaces of
// this one: see test/lab.
//
//   npm run bench:db -- [--rounds 5] [--queries 10] [--only 'kill -9']
//   npm run bench:db -- --machines [--rounds 5] [--orders 20] [--plain 1] [--only 'kill -9']
//
// `--machines` has the whole suite on machines instead, with Patroni, see machines.ts; `--orders` is how many orders it has
// the machines start in, and `--plain` are its rounds without what follows the primary.
// `--only` takes the failures whose names have that, or `path`: what a query costs on each path that was compared.
import { createInterface } from 'node:readline';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL } from '../../../charms/maas-region/src/database/proxy/route.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { CLIENT, DatabaseMachine, PORT } from '../../lab/postgresql.ts';
import { until } from '../../lab/vip.ts';
import { optionsOf } from '../../options.ts';
import { medianOf } from '../figures.ts';
import { benchMachines } from './machines.ts';
import { comparePaths } from './paths.ts';

const values = optionsOf(
  "npm run bench:db -- [--machines [--orders 20] [--plain 1]] [--rounds 5] [--queries 10] [--only 'kill -9']",
  {
    rounds: { type: 'string', default: '5' },
    queries: { type: 'string', default: '10' },
    only: { type: 'string', default: '' },
    machines: { type: 'boolean', default: false },
    orders: { type: 'string', default: '20' },
    plain: { type: 'string', default: '1' },
  },
);

if (values.machines) {
  const { rounds, orders, plain, only } = values;
  await benchMachines({
    rounds: Number(rounds),
    orders: Number(orders),
    plainRounds: Number(plain),
    only,
  });
  process.exit(0);
}

const [A, B] = ['10.9.0.1', '10.9.0.2'] as const;
/** How long a machine that is busy may take to get going, in seconds. */
const PATIENCE = 60;

interface Failure {
  readonly name: string;
  readonly happen: (lab: Lab, primary: DatabaseMachine) => Promise<void>;
  /** Whether the primary sees to it that the standby has all. */
  readonly isPlanned?: true;
}

/** What happens to a primary, after which its standby is promoted at once. */
const FAILURES: readonly Failure[] = [
  { name: 'kill -9', happen: (_lab, primary) => primary.kill() },
  { name: 'its machine loses power', happen: (_lab, primary) => primary.machine.kill() },
  { name: 'its network is cut', happen: (lab, primary) => lab.cut(primary.machine) },
  { name: 'it hangs (SIGSTOP)', happen: (_lab, primary) => primary.machine.signal('postgres', 'SIGSTOP') },
  { name: 'planned switchover', happen: (_lab, primary) => primary.stop(), isPlanned: true },
];

/** What the primary waits for before it acknowledges a write, and how far behind the standby is, in milliseconds. */
interface Replication {
  readonly isSynchronous: boolean;
  readonly lag: number;
}

/** A standby that is behind stands for a slow network or disk: what it lacks is lost, unless the primary waited for it. */
const LAG = 1000;
const REPLICATIONS: readonly Replication[] = [
  { isSynchronous: true, lag: 0 },
  { isSynchronous: true, lag: LAG },
  { isSynchronous: false, lag: 0 },
  { isSynchronous: false, lag: LAG },
];

interface Outcome {
  /** ms from the promotion, as the standby says it, to the next write that is acknowledged. */
  readonly afterPromotion: number;
  /** ms without a write that is acknowledged. */
  readonly gap: number;
  /** Writes that were acknowledged, and are not there. */
  readonly lost: number;
}

async function failover(happen: Failure['happen'], { isSynchronous, lag }: Replication): Promise<Outcome> {
  const lab = await Lab.start();
  const folder = await mkdtemp(join(tmpdir(), 'bench-db-'));
  const servers: DatabaseMachine[] = [];
  try {
    const region = await lab.machine('region', ['10.9.0.9/24']);
    const primary = await DatabaseMachine.primary(lab, 'db1', A);
    servers.push(primary);
    const standby = await DatabaseMachine.standbyOf(lab, 'db2', B, primary);
    servers.push(standby);
    await primary.sql('CREATE TABLE written (number int); ALTER TABLE written OWNER TO maas');
    if (isSynchronous) {
      await primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
      await primary.sql('SELECT pg_reload_conf()');
      await until(async () => (await primary.sql('SELECT sync_state FROM pg_stat_replication')) === 'sync');
    }
    const named = [A, B].map((host) => ({ host, port: PORT }));
    const config = { relation: 1, ...CLIENT, named, former: [], metricsPort: 9543 };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    region.spawn([process.execPath, join(import.meta.dirname, '../../lab/database-proxy.ts'), folder]);
    const acknowledged = writing(region);
    await until(() => Promise.resolve(acknowledged.length > 50), PATIENCE);
    if (lag > 0) {
      await standby.machine.run(['nft', '-f', '-'], LAGGING);
      await sleep(lag);
    }
    await happen(lab, primary);
    await standby.promote();
    const promoted = Date.now();
    await until(() => Promise.resolve((acknowledged.at(-1)?.time ?? 0) > promoted + 100), PATIENCE);
    await region.signal('database-proxy', 'SIGKILL');
    // What is acknowledged from now on is there as well, but may be looked for too early.
    const written = acknowledged.slice();
    const there = new Set((await standby.sql('SELECT number FROM written')).split('\n').map(Number));
    const times = written.map(({ time }) => time);
    return {
      afterPromotion: (times.find((time) => time > promoted) ?? Number.NaN) - promoted,
      gap: Math.max(...times.map((time, index) => time - (times[index - 1] ?? time))),
      lost: written.filter(({ number }) => !there.has(number)).length,
    };
  } finally {
    await Promise.all(servers.map((server) => server.remove()));
    await lab.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The standby hears nothing more from the primary. */
const LAGGING = `table ip lagging {
  chain hear { type filter hook input priority 0; ip saddr ${A} tcp sport ${PORT} drop; }
}`;

interface Acknowledged {
  readonly number: number;
  readonly time: number;
}

/** Has a client write all along. @returns what was acknowledged up to now */
function writing(region: Machine): readonly Acknowledged[] {
  const url = `postgresql://${CLIENT.user}:${CLIENT.password}@${LOCAL.host}:${LOCAL.port}/${CLIENT.database}`;
  const writer = region.spawnPiped([process.execPath, join(import.meta.dirname, 'writer.ts'), url]);
  const acknowledged: Acknowledged[] = [];
  createInterface({ input: writer.stdout }).on('line', (line) => {
    const [number, time] = line.split(' ').map(Number);
    acknowledged.push({ number: number ?? Number.NaN, time: time ?? Number.NaN });
  });
  return acknowledged;
}

const rounds = Number(values.rounds);
const failures = FAILURES.filter(({ name }) => name.includes(values.only));
console.log(
  '| the primary | rounds | writes again after the promotion | no write acknowledged for | lost of acknowledged |',
);
console.log('| -- | -- | -- | -- | -- |');
for (const replication of REPLICATIONS) {
  for (const { name, happen, isPlanned } of failures) {
    if (isPlanned && replication.lag > 0) continue;
    const outcomes: Outcome[] = [];
    for (let round = 0; round < rounds; round += 1) {
      outcomes.push(await failover(happen, replication));
      await sleep(100);
    }
    const figure = (what: keyof Outcome): string => {
      const all = outcomes.map((outcome) => outcome[what]);
      return `${Math.round(medianOf(all))} / ${Math.round(Math.max(...all))}`;
    };
    const standby = `${replication.isSynchronous ? 'synchronous' : 'asynchronous'} standby${replication.lag > 0 ? `, ${replication.lag} ms behind` : ''}`;
    console.log(
      `| ${name}, ${standby} | ${rounds} | ${figure('afterPromotion')} ms | ${figure('gap')} ms | ${figure('lost')} |`,
    );
  }
}
if ('path'.includes(values.only)) console.log(`\n${await comparePaths(Number(values.queries))}`);
process.exit(0);
