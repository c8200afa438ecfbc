// What MAAS loses when PostgreSQL's primary fails, and what the path to it costs per query. Machines are namespaces of
// this one: see test/lab.
//
//   npm run bench:db -- [--rounds 5] [--queries 10] [--only 'kill -9']
//
// `--only` takes the failures whose names have that, or `path`: what a query costs on each path that was compared.
import { createInterface } from 'node:readline';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LOCAL } from '../../../charms/maas-region/src/database-proxy/route.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { CLIENT, DatabaseMachine, PORT } from '../../lab/postgresql.ts';
import { until } from '../../lab/vip.ts';
import { medianOf } from '../figures.ts';
import { comparePaths } from './paths.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    queries: { type: 'string', default: '10' },
    only: { type: 'string', default: '' },
  },
});

const [A, B] = ['10.9.0.1', '10.9.0.2'] as const;

/** What happens to a primary, after which its standby is promoted at once. */
const FAILURES: readonly {
  readonly name: string;
  readonly happen: (lab: Lab, primary: DatabaseMachine) => Promise<void>;
}[] = [
  { name: 'kill -9', happen: (_lab, primary) => primary.kill() },
  { name: 'its machine loses power', happen: (_lab, primary) => primary.machine.kill() },
  { name: 'its network is cut', happen: (lab, primary) => lab.cut(primary.machine) },
  { name: 'it hangs (SIGSTOP)', happen: (_lab, primary) => primary.machine.signal('postgres', 'SIGSTOP') },
  { name: 'planned switchover', happen: (_lab, primary) => primary.stop() },
];

interface Outcome {
  /** ms from the promotion, as the standby says it, to the next write that is acknowledged. */
  readonly afterPromotion: number;
  /** ms without a write that is acknowledged. */
  readonly gap: number;
  /** Writes that were acknowledged, and are not there. */
  readonly lost: number;
}

async function failover(
  happen: (typeof FAILURES)[number]['happen'],
  isSynchronous: boolean,
): Promise<Outcome> {
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
    await until(() => Promise.resolve(acknowledged.length > 50));
    await happen(lab, primary);
    await standby.promote();
    const promoted = Date.now();
    await until(() => Promise.resolve((acknowledged.at(-1)?.time ?? 0) > promoted + 100));
    await region.signal('MainThread', 'SIGKILL');
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
for (const isSynchronous of [true, false]) {
  for (const { name, happen } of failures) {
    const outcomes: Outcome[] = [];
    for (let round = 0; round < rounds; round += 1) {
      outcomes.push(await failover(happen, isSynchronous));
      await sleep(100);
    }
    const figure = (what: keyof Outcome): string => {
      const all = outcomes.map((outcome) => outcome[what]);
      return `${Math.round(medianOf(all))} / ${Math.round(Math.max(...all))}`;
    };
    const kind = isSynchronous ? 'synchronous' : 'asynchronous';
    console.log(
      `| ${name}, ${kind} standby | ${rounds} | ${figure('afterPromotion')} ms | ${figure('gap')} ms | ${figure('lost')} |`,
    );
  }
}
if ('path'.includes(values.only)) console.log(`\n${await comparePaths(Number(values.queries))}`);
process.exit(0);
