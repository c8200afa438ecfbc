// What a query costs on each of the paths that a region could take to its database, in the same run.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL } from '../../../charms/maas-region/src/database/proxy/route.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { CLIENT, DatabaseMachine, PORT } from '../../lab/postgresql.ts';
import { until } from '../../lab/vip.ts';
import { medianOf } from '../figures.ts';

const SERVER = '10.9.0.1';
const PROXY_PORT = 7000;

/** A path to the database, from the region's own machine. */
interface Path {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Name of the process that passes the bytes on. */
  readonly program?: string;
  /** @param folder for its files, gone afterwards */
  prepare(region: Machine, folder: string): Promise<void>;
}

const HAPROXY_CFG = `global
  stats socket /run/haproxy-database.sock level admin
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen database
  bind 127.0.0.1:${PROXY_PORT}
  server primary ${SERVER}:${PORT}
`;

const PGBOUNCER_INI = `[databases]
* = host=${SERVER} port=${PORT}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${PROXY_PORT + 1}
auth_type = plain
auth_file = /run/users.txt
pool_mode = session
default_pool_size = 100
unix_socket_dir =
`;

const PATHS: readonly Path[] = [
  { name: 'direct', host: SERVER, port: PORT, prepare: () => Promise.resolve() },
  {
    name: 'nftables, with the service',
    host: LOCAL.host,
    port: PORT,
    async prepare(region, folder) {
      const config = {
        relation: 1,
        ...CLIENT,
        named: [{ host: SERVER, port: PORT }],
        former: [],
        metricsPort: 9543,
      };
      await writeFile(join(folder, 'config.json'), JSON.stringify(config));
      region.spawn([process.execPath, join(import.meta.dirname, '../../lab/database-proxy.ts'), folder]);
    },
  },
  {
    name: 'HAProxy',
    host: '127.0.0.1',
    port: PROXY_PORT,
    program: 'haproxy -db',
    async prepare(region) {
      await region.write('/run/haproxy-database.cfg', HAPROXY_CFG);
      region.spawn(['haproxy', '-db', '-f', '/run/haproxy-database.cfg']);
    },
  },
  {
    name: 'PgBouncer, session mode',
    host: '127.0.0.1',
    port: PROXY_PORT + 1,
    program: 'pgbouncer',
    async prepare(region) {
      await region.write('/run/users.txt', `"${CLIENT.user}" "${CLIENT.password}"\n`, 0o644);
      await region.write('/run/pgbouncer.ini', PGBOUNCER_INI);
      region.spawn(['pgbouncer', '--user=postgres', '/run/pgbouncer.ini']);
    },
  },
  {
    name: 'a proxy in Node',
    host: '127.0.0.1',
    port: PROXY_PORT + 2,
    program: 'node-proxy.ts',
    prepare(region) {
      const script = new URL('node-proxy.ts', import.meta.url).pathname;
      region.spawn([process.execPath, script, String(PROXY_PORT + 2), SERVER, String(PORT)]);
      return Promise.resolve();
    },
  },
];

/** What so many queries of one client cost. */
const QUERIES = 4000;
/** How many clients ask at once for as long, in seconds, to see how much the machine can take. */
const [CLIENTS, DURATION] = [8, 2];

interface Cost {
  /** The time of one query, in µs. */
  readonly time: number;
  /** The time that the processors spent on one, in the client, the server and between them, in µs. */
  readonly processors: number;
  /** How many a second there are of many clients, of queries and of pgbench's own transactions, which write. */
  readonly queries: number;
  readonly transactions: number;
}

async function costOf(region: Machine, server: Machine, path: Path): Promise<Cost> {
  const { program } = path;
  const spent = async (): Promise<number> =>
    (await spentBy(server, 'postgres')) + (program === undefined ? 0 : await spentBy(region, program));
  const before = await spent();
  const { url, args } = pgbench(path, ['--select-only', `--transactions=${QUERIES}`]);
  const output = await region.run(['python3', '-c', TIMED, ...args, url]);
  const client = Number(/^client ([\d.]+)$/m.exec(output)?.[1]);
  const ms = Number(/^latency average = ([\d.]+) ms/m.exec(output)?.[1]);
  return {
    time: 1000 * ms,
    processors: (1e6 * (client + (await spent()) - before)) / QUERIES,
    queries: await throughputOf(region, path, ['--select-only']),
    transactions: await throughputOf(region, path, []),
  };
}

async function throughputOf(region: Machine, path: Path, what: readonly string[]): Promise<number> {
  const many = [`--client=${CLIENTS}`, '--jobs=2', `--time=${DURATION}`];
  const { url, args } = pgbench(path, [...what, ...many]);
  return Number(/^tps = ([\d.]+)/m.exec(await region.run([...args, url]))?.[1]);
}

function pgbench({ host, port }: Path, args: readonly string[]): { url: string; args: readonly string[] } {
  return {
    url: `postgresql://${CLIENT.user}:${CLIENT.password}@${host}:${port}/${CLIENT.database}?sslmode=disable`,
    args: [`${BIN}/pgbench`, '--no-vacuum', ...args],
  };
}

/** Runs a program, and says how many seconds of a processor it took. */
const TIMED =
  'import resource,subprocess,sys; subprocess.run(sys.argv[1:],check=True); u=resource.getrusage(resource.RUSAGE_CHILDREN); print("client",u.ru_utime+u.ru_stime)';

/** The seconds of a processor that a program's processes have taken, and those of theirs that have ended. */
async function spentBy(machine: Machine, program: string): Promise<number> {
  const script =
    'import os,sys; t=0\nfor p in filter(str.isdigit,os.listdir("/proc")):\n  try:\n    if sys.argv[1] in open(f"/proc/{p}/cmdline").read().replace("\\0"," ") and int(p)!=os.getpid(): t+=sum(map(int,open(f"/proc/{p}/stat").read().rsplit(")",1)[1].split()[11:15]))\n  except OSError: pass\nprint(t/os.sysconf("SC_CLK_TCK"))';
  return Number(await machine.run(['python3', '-c', script, program]));
}

const BIN = '/usr/lib/postgresql/15/bin';

/** @returns a table in Markdown */
export async function comparePaths(rounds: number): Promise<string> {
  const lab = await Lab.start();
  const folder = await mkdtemp(join(tmpdir(), 'bench-path-'));
  const server = await DatabaseMachine.primary(lab, 'db1', SERVER);
  try {
    const ways: (Path & { readonly region: Machine })[] = [];
    for (const [index, path] of PATHS.entries()) {
      // A machine each: once there are rules, the kernel looks at what takes another path too.
      const region = await lab.machine(`region${index}`, [`10.9.0.${10 + index}/24`]);
      await path.prepare(region, folder);
      const { url } = pgbench(path, []);
      await until(async () => (await region.try(['psql', '-XAtqc', 'SELECT 1', url])).exitCode === 0);
      ways.push({ ...path, region });
    }
    const address = `postgresql://${CLIENT.user}:${CLIENT.password}@${SERVER}/${CLIENT.database}`;
    await ways[0]?.region.run([`${BIN}/pgbench`, '--initialize', '--quiet', '--scale=10', address]);
    const seen = new Map<string, Cost[]>(PATHS.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      // There and back, so that none is always the last.
      for (const { region, ...path } of round % 2 === 0 ? ways : ways.toReversed())
        seen.get(path.name)?.push(await costOf(region, server.machine, path));
    }
    // The best of all rounds: what else the machine does only ever takes away from it.
    const best = (name: string, what: keyof Cost): number =>
      Math.min(...(seen.get(name) ?? []).map((cost) => cost[what]));
    // Beside that of the direct path in the same round, because the machine is not as fast in each.
    const share = (name: string, what: 'queries' | 'transactions'): string => {
      const direct = seen.get('direct') ?? [];
      const shares = (seen.get(name) ?? []).map(
        (cost, round) => cost[what] / (direct[round]?.[what] ?? Number.NaN),
      );
      return medianOf(shares).toFixed(2);
    };
    const lines = ways.map(async ({ name, program, region }) => {
      const time = best(name, 'time');
      const more = time - best('direct', 'time');
      const memory = program === undefined ? '0' : await memoryOf(region, program);
      return `| ${name} | ${time.toFixed(0)} µs | ${more.toFixed(0)} µs | ${best(name, 'processors').toFixed(0)} µs | ${share(name, 'queries')} | ${share(name, 'transactions')} | ${memory} MB |`;
    });
    return [
      '| | a query | more than direct | of processors | throughput of queries | of transactions | memory |',
      '| -- | -- | -- | -- | -- | -- | -- |',
      ...(await Promise.all(lines)),
    ].join('\n');
  } finally {
    await server.remove();
    await lab.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Resident memory of a program's processes, in MB. */
async function memoryOf(machine: Machine, program: string): Promise<string> {
  const processes = (await machine.run(['ps', 'ax', '-o', 'rss=,args='])).split('\n');
  const sizes = processes.filter((line) => line.includes(program)).map((line) => Number.parseInt(line, 10));
  return (sizes.reduce((sum, size) => sum + size, 0) / 1024).toFixed(0);
}
