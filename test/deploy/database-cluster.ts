// Three PostgreSQL servers of Patroni and a MAAS of several regions, on machines, and what may happen to the primary.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redacted } from 'juju-ts-ops';
import { Client } from 'pg';
import { parse } from 'yaml';
import { z } from 'zod';
import { eventually } from './client.ts';
import { charmFile, EXTENSIONS, type LocalModel, type UnitStatus } from './model.ts';
import { Writers, type Write } from './writers.ts';

const Patroni = z.object({
  members: z.array(z.object({ role: z.string(), state: z.string(), host: z.string() })),
});
const Regiond = z.object({ database_user: z.string(), database_pass: z.string(), database_name: z.string() });
/** What tells whether a region was restarted, or its configuration changed. */
const REGIOND =
  'cat /etc/maas/regiond.conf; systemctl show --property=MainPID maas-regiond maas-apiserver maas-temporal';
/** The processes of PostgreSQL on a machine, Patroni not among them. */
const SERVER = '$(pidof postgres)';

/** Something that happens to the primary, to all regions, or to the whole cluster. */
export interface Failure {
  readonly name: string;
  /** Whether another server becomes the primary. */
  readonly moves: boolean;
  /** Whether Juju would lose its agent there. juju-local does not: a unit there stays the leader, which names the primary. */
  readonly cutsOff?: true;
  happen(cluster: DatabaseCluster, primary: UnitStatus): Promise<unknown>;
  mend?(cluster: DatabaseCluster, primary: UnitStatus): Promise<unknown>;
}

export const FAILURES: readonly Failure[] = [
  {
    name: 'kill -9',
    moves: true,
    happen: ({ model }, { machine }) => model.on(machine, `kill -9 ${SERVER}`),
  },
  {
    name: 'its machine loses power',
    moves: true,
    happen: ({ model }, { machine }) => model.juju('stop-machine', machine),
    mend: ({ model }, { machine }) => model.juju('start-machine', machine),
  },
  {
    name: 'its network is cut',
    moves: true,
    cutsOff: true,
    happen: ({ model }, { machine }) => model.on(machine, CUT),
    mend: ({ model }, { machine }) => model.on(machine, MEND),
  },
  {
    name: 'it hangs (SIGSTOP)',
    moves: true,
    happen: ({ model }, { machine }) => model.on(machine, `kill -STOP ${SERVER}`),
    mend: ({ model }, { machine }) => model.on(machine, `kill -CONT ${SERVER}`),
  },
  {
    name: 'planned switchover',
    moves: true,
    happen: (cluster, primary) => cluster.switchOver(primary),
  },
  {
    name: 'all regions restart',
    moves: false,
    happen: ({ model }) => model.onEach('maas-region', 'systemctl restart maas-regiond'),
  },
  {
    name: 'every machine loses power',
    moves: false,
    happen: async (cluster) => {
      const machines = Object.values(await cluster.machines()).flat();
      await cluster.powerOff(machines);
      await Promise.all(machines.map((machine) => cluster.model.juju('start-machine', machine)));
    },
  },
];

/** What an operator changes about the database while MAAS serves. */
export const CHANGES: readonly Failure[] = [
  {
    name: 'a new password',
    moves: false,
    happen: async ({ model }) => {
      await model.action('postgresql/leader', 'rotate-passwords');
      await model.settle();
    },
  },
  {
    name: 'the servers offer TLS',
    moves: false,
    happen: async ({ model }) => {
      await model.juju('config', 'postgresql', 'tls=true');
      await model.settle();
    },
    mend: async ({ model }) => {
      await model.juju('config', 'postgresql', 'tls=false');
      await model.settle();
    },
  },
];

/** What a machine of the cluster is for. */
export type Role = 'primary' | 'standby' | 'third' | 'region';

/** Every machine loses power, and they start one after the other: each once the one before runs what it is for. */
export function powerLoss(order: readonly Role[]): Failure {
  return {
    name: order.join(', '),
    moves: false,
    happen: async (cluster) => {
      const machines = await cluster.machines();
      await cluster.powerOff(Object.values(machines).flat());
      const left = Object.fromEntries(Object.entries(machines).map(([role, those]) => [role, [...those]]));
      for (const role of order) {
        const machine = left[role]?.shift() ?? '';
        await cluster.model.juju('start-machine', machine);
        await eventually(60, () => cluster.model.on(machine, RUNS));
      }
    },
  };
}

const RUNS = 'systemctl is-active --quiet patroni || systemctl is-active --quiet maas-regiond';

/** A link that goes takes the default route with it. */
const CUT =
  'ip -4 route show default > /run/default; ip link set $(sed "s/.* dev //; s/ .*//" /run/default) down';
const MEND =
  'ip link set $(sed "s/.* dev //; s/ .*//" /run/default) up; ip -4 route replace $(cat /run/default)';

/** What MAAS' clients saw of one failure. */
export interface Outcome {
  /** ms from the promotion, as the server says it, to the next write that is acknowledged; absent where nobody was promoted. */
  readonly afterPromotion?: number;
  /** The same from when it has happened: the last machine was started, for example. */
  readonly afterwards: number;
  /** ms without a write that is acknowledged. */
  readonly gap: number;
  /** Writes that were acknowledged, and are not there. */
  readonly lost: readonly Write[];
  /** Requests that had to be made again. */
  readonly failures: number;
}

export class DatabaseCluster {
  readonly model: LocalModel;
  #vip = '';
  #key = new Redacted('');

  constructor(model: LocalModel) {
    this.model = model;
  }

  /** @param standbys how many have a write before it is acknowledged */
  async deploy(regions: number, standbys: number): Promise<void> {
    const { model } = this;
    const options = { source: await model.sourceOf('3.7') };
    this.#vip = await model.freeAddress();
    await model.deployBundle({
      'default-base': 'ubuntu@24.04',
      applications: {
        postgresql: {
          charm: charmFile('postgresql'),
          num_units: 3,
          options: {
            'experimental-max-connections': 300,
            ...EXTENSIONS,
            'synchronous-node-count': String(standbys),
          },
        },
        'maas-region': { charm: charmFile('maas-region'), num_units: regions, options },
        haproxy: { charm: charmFile('haproxy') },
        'keepalived-vip': { charm: charmFile('keepalived-vip'), options: { vip: this.#vip } },
      },
      relations: [
        ['maas-region:database', 'postgresql:database'],
        ['maas-region:juju-info', 'haproxy:juju-info'],
        ['maas-region:api', 'haproxy:reverseproxy'],
        ['maas-region:juju-info', 'keepalived-vip:juju-info'],
        ['maas-region:vip', 'keepalived-vip:vip'],
        ['haproxy:vip', 'keepalived-vip:vip'],
      ],
    });
    await model.settle(900);
    await this.isHealthy();
    await model.action('maas-region/leader', 'create-admin', 'username=admin', 'email=admin@example.com');
    const said = await model.action('maas-region/leader', 'get-api-key', 'username=admin');
    const key = /api-key: (\S+)/.exec(said)?.[1];
    if (key === undefined) throw new Error(said);
    this.#key = new Redacted(key);
  }

  write(): Writers {
    return new Writers(this.#vip, this.#key);
  }

  /** The configuration of every region, and its processes. */
  regions(): Promise<Readonly<Record<string, string>>> {
    return this.model.onEach('maas-region', REGIOND);
  }

  /** The unit that writes. @throws when there is none for a while */
  primary(): Promise<UnitStatus> {
    return eventually(30, () => this.#primary());
  }

  async #primary(): Promise<UnitStatus> {
    const units = await this.model.unitsOf('postgresql');
    const members = await membersSeenBy(units);
    const leader = members.find(({ role, state }) => role === 'leader' && state === 'running');
    const unit = units.find(({ address }) => address === leader?.host);
    if (!unit) throw new Error(`no primary: ${JSON.stringify(members)}`);
    return unit;
  }

  /** Waits until every server runs, and as many standbys as there should be have every write. */
  async isHealthy(seconds = 180): Promise<void> {
    await eventually(seconds, async () => {
      const units = await this.model.unitsOf('postgresql');
      const members = await membersSeenBy(units);
      const states = members.map(({ role, state }) => `${role} ${state}`).toSorted();
      const isWell = (role: string): boolean => states.some((one) => one.startsWith(role));
      if (members.length !== units.length || !isWell('leader running') || !isWell('sync_standby'))
        throw new Error(`the cluster is ${JSON.stringify(members)}`);
      if (members.some(({ state }) => !['running', 'streaming'].includes(state)))
        throw new Error(`the cluster is ${JSON.stringify(members)}`);
    });
  }

  /** Every region sends MAAS to the primary. */
  async isFollowed(seconds = 30): Promise<void> {
    await eventually(seconds, async () => {
      const { address } = await this.primary();
      const reports = await this.model.onEach('maas-region', 'cat /var/lib/maas-database-proxy/report.json');
      for (const [unit, text] of Object.entries(reports)) {
        const { current } = z
          .object({ current: z.object({ host: z.string() }).optional() })
          .parse(JSON.parse(text));
        if (current?.host !== address)
          throw new Error(`${unit} is at ${current?.host ?? 'none'}, not ${address}`);
      }
    });
  }

  /** Every machine, by what it is for now. */
  async machines(): Promise<Readonly<Record<Role, readonly string[]>>> {
    const units = await this.model.unitsOf('postgresql');
    const members = await eventually(30, () => membersSeenBy(units));
    const ofMembers = (role: string): readonly string[] =>
      units
        .filter(({ address }) => members.some((member) => member.host === address && member.role === role))
        .map(({ machine }) => machine);
    const regions = await this.model.unitsOf('maas-region');
    return {
      primary: ofMembers('leader'),
      standby: ofMembers('sync_standby'),
      third: ofMembers('replica'),
      region: regions.map(({ machine }) => machine),
    };
  }

  async powerOff(machines: readonly string[]): Promise<void> {
    await Promise.all(machines.map((machine) => this.model.juju('stop-machine', machine)));
  }

  async switchOver(primary: UnitStatus): Promise<void> {
    const units = await this.model.unitsOf('postgresql');
    const members = await eventually(30, () => membersSeenBy(units));
    const next = members.find(({ role }) => role === 'sync_standby')?.host;
    const unit = units.find(({ address }) => address === next);
    if (!unit || unit.name === primary.name) throw new Error(`no standby: ${JSON.stringify(members)}`);
    await this.model.action(unit.name, 'promote-to-primary', 'scope=unit');
  }

  /** Has it happen while clients write, and waits until all is well again. */
  async suffer(failure: Failure): Promise<Outcome> {
    await this.isHealthy();
    const primary = await this.primary();
    const writers = this.write();
    try {
      await eventually(30, () => atLeast(writers.acknowledged.length, 30));
      const begun = Date.now();
      const failed = writers.failures;
      const promotion = failure.moves ? this.#promotion(primary) : undefined;
      await failure.happen(this, primary);
      const happened = Date.now();
      const promoted = await promotion;
      const since = promoted ?? happened;
      await eventually(300, () => atLeast(writers.acknowledged.at(-1)?.time ?? 0, since + 2000));
      const gap = writers.longestGapSince(begun);
      const failures = writers.failures - failed;
      const firstSince = (start: number): number =>
        writers.acknowledged.find(({ time }) => time > start)?.time ?? Number.NaN;
      await failure.mend?.(this, primary);
      await this.isHealthy();
      await writers.stop();
      return {
        ...(promoted !== undefined && { afterPromotion: firstSince(promoted) - promoted }),
        afterwards: firstSince(happened) - happened,
        gap,
        failures,
        lost: await this.#lost(writers.acknowledged),
      };
    } finally {
      await writers.stop();
    }
  }

  /** When another server says for the first time that it writes. */
  async #promotion(primary: UnitStatus): Promise<number> {
    const login = await this.#login();
    const others = (await this.model.unitsOf('postgresql')).filter(({ name }) => name !== primary.name);
    return Promise.any(others.map(({ address }) => promotionOf({ ...login, host: address })));
  }

  async #login(): Promise<{ user: string; password: string; database: string }> {
    const [conf = ''] = Object.values(await this.model.onEach('maas-region', 'cat /etc/maas/regiond.conf'));
    const {
      database_user: user,
      database_pass: password,
      database_name: database,
    } = Regiond.parse(parse(conf));
    return { user, password, database };
  }

  async #lost(writes: readonly Write[]): Promise<readonly Write[]> {
    const { address: host } = await this.primary();
    const client = new Client({ ...(await this.#login()), host });
    await client.connect();
    const { rows } = await client.query('SELECT start_ip FROM maasserver_iprange');
    await client.end();
    const there = new Set(
      z
        .array(z.object({ start_ip: z.string() }))
        .parse(rows)
        .map(({ start_ip }) => start_ip),
    );
    return writes.filter(({ address }) => !there.has(address));
  }
}

/**
 * What the members of the cluster know of each other. One that has just started tells what its disk remembers, perhaps
 * that it is still the primary, so no answer is believed alone.
 * @throws while most of these units do not answer, or those that answer say different things
 */
export async function membersSeenBy(
  units: readonly UnitStatus[],
): Promise<z.infer<typeof Patroni>['members']> {
  const asked = units.map(async ({ address }) => {
    const response = await fetch(`http://${address}:8008/cluster`, { signal: AbortSignal.timeout(3000) });
    return Patroni.parse(await response.json()).members;
  });
  const answers = (await Promise.allSettled(asked)).flatMap((one) =>
    one.status === 'fulfilled' ? [one.value] : [],
  );
  const said = new Set(
    answers.map((members) => JSON.stringify(members.toSorted((a, b) => a.host.localeCompare(b.host)))),
  );
  const [members] = answers;
  if (!members || answers.length * 2 <= units.length || said.size > 1)
    throw new Error(`${answers.length} of ${units.length} servers say: ${[...said].join(', ')}`);
  return members;
}

async function promotionOf(login: {
  host: string;
  user: string;
  password: string;
  database: string;
}): Promise<number> {
  const client = new Client({ ...login, application_name: 'watch' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (;;) {
      const { rows } = await client.query('SELECT pg_is_in_recovery() AS standby');
      if (!z.tuple([z.object({ standby: z.boolean() })]).parse(rows)[0].standby) return Date.now();
      await sleep(20);
    }
  } finally {
    await client.end();
  }
}

function atLeast(value: number, least: number): Promise<void> {
  return value >= least ? Promise.resolve() : Promise.reject(new Error(`${value} is less than ${least}`));
}
