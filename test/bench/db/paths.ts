// What a query costs on each of the paths that a region could take to its database, in the same run.
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab, type Machine } from '../../lab/lab.ts';
import { CLIENT, DatabaseMachine, PORT } from '../../lab/postgresql.ts';

const SERVER = '10.9.0.1';
const REGION = '10.9.0.9';
const PROXY_PORT = 7000;

/** A path to the database, from the region's own machine. */
interface Path {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Name of the process that passes the bytes on. */
  readonly program?: string;
  prepare(region: Machine): Promise<void>;
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

const LOCAL = '127.54.32.1';
const NFT = `table ip bench-database {
  chain route { type nat hook output priority -100; ip daddr ${LOCAL} tcp dport ${PORT} dnat to ${SERVER}:${PORT}; }
  chain guard { type filter hook output priority 0; ct direction original ct original ip daddr ${LOCAL} ct reply ip saddr != ${SERVER} reject with tcp reset; }
}`;

const PATHS: readonly Path[] = [
  { name: 'direct', host: SERVER, port: PORT, prepare: () => Promise.resolve() },
  {
    name: 'nftables',
    host: LOCAL,
    port: PORT,
    async prepare(region) {
      await region.run([
        'ip',
        'route',
        'replace',
        'local',
        LOCAL,
        'dev',
        'lo',
        'table',
        'local',
        'src',
        REGION,
      ]);
      await region.run(['nft', '-f', '-'], NFT);
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

/** What so many queries cost. */
const QUERIES = 4000;

interface Cost {
  /** The time of one query, in µs. */
  readonly time: number;
  /** The time that the processors spent on one, in the client, the server and between them, in µs. */
  readonly processors: number;
}

async function costOf(region: Machine, server: Machine, { host, port, program }: Path): Promise<Cost> {
  const url = `postgresql://${CLIENT.user}:${CLIENT.password}@${host}:${port}/${CLIENT.database}?sslmode=disable`;
  const spent = async (): Promise<number> =>
    (await spentBy(server, 'postgres')) + (program === undefined ? 0 : await spentBy(region, program));
  const before = await spent();
  const [first, ...args] = ['--select-only', '--no-vacuum', `--transactions=${QUERIES}`, url];
  const output = await region.run(['python3', '-c', TIMED, `${BIN}/pgbench`, first ?? '', ...args]);
  const client = Number(/^client ([\d.]+)$/m.exec(output)?.[1]);
  const ms = Number(/^latency average = ([\d.]+) ms/m.exec(output)?.[1]);
  return { time: 1000 * ms, processors: (1e6 * (client + (await spent()) - before)) / QUERIES };
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
  const server = await DatabaseMachine.primary(lab, 'db1', SERVER);
  try {
    const region = await lab.machine('region', [`${REGION}/24`]);
    const address = `postgresql://${CLIENT.user}:${CLIENT.password}@${SERVER}/${CLIENT.database}`;
    await region.run([`${BIN}/pgbench`, '--initialize', '--quiet', '--scale=1', address]);
    for (const path of PATHS) await path.prepare(region);
    await sleep(1000);
    const seen = new Map<string, Cost[]>(PATHS.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const path of PATHS) seen.get(path.name)?.push(await costOf(region, server.machine, path));
    }
    // The best of all rounds: what else the machine does only ever takes away from it.
    const best = (name: string, what: keyof Cost): number =>
      Math.min(...(seen.get(name) ?? []).map((cost) => cost[what]));
    const lines = PATHS.map(async ({ name, program }) => {
      const [time, processors] = [best(name, 'time'), best(name, 'processors')];
      const more = time - best('direct', 'time');
      const throughput = best('direct', 'processors') / processors;
      const memory = program === undefined ? '0' : await memoryOf(region, program);
      return `| ${name} | ${time.toFixed(0)} µs | ${more.toFixed(0)} µs | ${processors.toFixed(0)} µs | ${throughput.toFixed(2)} | ${memory} MB |`;
    });
    return [
      '| | a query | more than direct | of processors | throughput of a busy machine | memory |',
      '| -- | -- | -- | -- | -- | -- |',
      ...(await Promise.all(lines)),
    ].join('\n');
  } finally {
    await server.remove();
    await lab.stop();
  }
}

/** Resident memory of a program's processes, in MB. */
async function memoryOf(machine: Machine, program: string): Promise<string> {
  const processes = (await machine.run(['ps', 'ax', '-o', 'rss=,args='])).split('\n');
  const sizes = processes.filter((line) => line.includes(program)).map((line) => Number.parseInt(line, 10));
  return (sizes.reduce((sum, size) => sum + size, 0) / 1024).toFixed(0);
}
