import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseEnv } from 'node:util';
import { execa } from 'execa';
import { JujuModel, unitsOf, type UnitStatus as DriverStatus } from 'juju-ts-ops/driver';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { lock } from '../../shared/juju-local/src/machines/lock.ts';
import { eventually } from './client.ts';
import { buildMaasRepository, MACHINE_FOLDER, type Version } from '../doubles/maas/build.ts';

const ROOT = join(import.meta.dirname, '../..');
const JUJU_LOCAL = join(ROOT, 'node_modules/.bin/juju-local');
const REPOSITORY = join(ROOT, 'dist/maas-apt');

/** What differs on this machine from the bundle that is meant for a controller with Charmhub. */
export interface Deployment {
  readonly bundle: 'bundle.yaml' | 'bundle-postgresql-14.yaml';
  readonly version: Version;
  /** Units of an application, where not as many as the bundle says. */
  readonly units?: Readonly<Record<string, number>>;
  /** What is laid over the bundle. */
  readonly overlay?: 'overlay-ha-database.yaml';
  /** Which Juju the model is like, where it is a new one; 3.6 unless it says so. */
  readonly juju?: '3.6' | '4';
}

const UnitDocument = z.object({
  name: z.string(),
  workload: z.object({ current: z.string(), message: z.string() }),
});

/** A unit that has its machine. */
export type UnitStatus = DriverStatus & Required<Pick<DriverStatus, 'machine' | 'address'>>;

/**
 * What machines of Debian 12 have from the start where it is not tested how things get there: a fifth of the processor time of a
 * deployment goes into unpacking these. None of them is what a charm installs by its name, has a service, or is MAAS' own.
 */
const MACHINE_PACKAGES = `
  bind9-libs libfstrm0 liblmdb0 libmaxminddb0 libprotobuf-c1 libuv1
  libglib2.0-data libnl-genl-3-200 libpci3 libsnmp40 libwrap0 shared-mime-info
  libjson-xs-perl libldap-common libllvm14 libpq5 libxslt1.1 locales perl xz-utils
  libopentracing-c-wrapper0 netbase python3 python3-cryptography python3-dnspython
  python3-etcd python3-httpx python3-prettytable python3-psutil python3-psycopg2
  python3-requests-toolbelt python3-yaml`
  .trim()
  .split(/\s+/);

/** How a model is made. */
interface ModelOptions {
  /** Whether the command's own progress is shown. */
  readonly isVerbose?: boolean;
  /** Whether machines have a minimal system, as those of a user. */
  readonly isBare?: boolean;
}

/** A model of this machine, through the command that users type. */
export class LocalModel {
  readonly name: string;
  readonly #model: JujuModel;
  readonly #isBare: boolean;

  constructor(name: string, { isVerbose = false, isBare = false }: ModelOptions = {}) {
    this.name = name;
    this.#model = new JujuModel({ model: name, program: JUJU_LOCAL, isVerbose });
    this.#isBare = isBare;
  }

  /** Runs `juju-local <args>` and returns what it printed. @throws with what it said when it fails. */
  juju(verb: string, ...args: readonly string[]): Promise<string> {
    return this.#model.cli(verb, ...args);
  }

  destroy(): Promise<void> {
    return this.#model.destroy();
  }

  /** Destroys a model of this name, where there is one. */
  async destroyLeftover(): Promise<void> {
    const names = await this.juju('models');
    if (names.split('\n').includes(this.name)) await this.destroy();
  }

  /** Runs an action and returns what the user sees: its results, or why it failed. */
  async action(unit: string, action: string, ...params: readonly string[]): Promise<string> {
    // Longer than a user waits who does not say so; where two are given, the last one counts.
    const options = ['--model', this.name, '--wait=10m'];
    const { all } = await execa(JUJU_LOCAL, ['run', ...options, unit, action, ...params], {
      stdin: 'ignore',
      reject: false,
      all: true,
    });
    return all;
  }

  /** Every unit, subordinates included. */
  async units(): Promise<readonly UnitStatus[]> {
    const units = unitsOf(await this.#model.status());
    return units.map((unit) => ({ ...unit, machine: unit.machine ?? '', address: unit.address ?? '' }));
  }

  /** The units of one application. */
  async unitsOf(app: string): Promise<readonly UnitStatus[]> {
    return (await this.units()).filter((unit) => unit.app === app);
  }

  /** @throws when there is none. */
  async unit(name: string): Promise<UnitStatus> {
    const found = (await this.units()).find((unit) => unit.name === name);
    if (!found) throw new Error(`no unit ${name}`);
    return found;
  }

  /** The regions that a rack has connections to, by address. */
  async regionsOfRack({ machine }: UnitStatus): Promise<readonly string[]> {
    const listing = await this.on(machine, 'ss --no-header --tcp --numeric state established');
    const peers = [...listing.matchAll(/\s(\d+\.\d+\.\d+\.\d+):525\d(?:\s|$)/g)].map(
      ([, address = '']) => address,
    );
    return [...new Set(peers)].sort();
  }

  /** What MAAS' database says to a statement without double quotes, row by row. */
  async sql(statement: string): Promise<readonly string[]> {
    const { machine } = await this.unit('postgresql/0');
    const rows = await this.on(machine, `runuser -u postgres -- psql -qAt -d maasdb -c "${statement}"`);
    return rows.split('\n').filter((row) => row !== '');
  }

  /** The versions that the database was migrated to, as MAAS itself wrote them down. */
  migrations(): Promise<readonly string[]> {
    return this.sql('SELECT version FROM double_migration ORDER BY finished');
  }

  /** Waits until every unit is idle and active. @throws with what the units say when it takes longer. */
  async settle(seconds = 300): Promise<void> {
    await this.juju('wait', '--timeout', String(seconds));
  }

  /** The relations with all their databags, as the model keeps them. */
  relations(): readonly string[] {
    return this.#documents('relation');
  }

  /** The status of a unit, read in an instant: for one that the next hook hides, as the command may take longer. */
  statusNow(name: string): string {
    const units = this.#documents('unit').map((text) => UnitDocument.parse(JSON.parse(text)));
    const workload = units.find((unit) => unit.name === name)?.workload;
    return workload ? `${workload.current} ${workload.message}` : 'gone';
  }

  /** What the model keeps of one kind, in JSON. */
  #documents(kind: 'relation' | 'unit'): readonly string[] {
    using database = new DatabaseSync(`/var/lib/juju-local/${this.name}/model.sqlite`, { readOnly: true });
    const rows = database.prepare('SELECT value FROM document WHERE key LIKE ?').all(`${kind} %`);
    return rows.map((row) => z.object({ value: z.string() }).parse(row).value);
  }

  /**
   * All that Juju shows to whoever may see the model: status, log and databags; and what MAAS' commands were called with,
   * as far as the stand-in tells.
   */
  async shown(): Promise<readonly string[]> {
    const calls = 'cat /var/log/maas-calls 2>/dev/null || true';
    return [
      ...Object.values(await this.onEach('maas-region', calls)),
      ...Object.values(await this.onEach('maas-rack', calls)),
      await this.juju('status', '--format', 'json'),
      await this.juju('debug-log', '--replay', '--level', 'TRACE'),
      ...this.relations(),
    ];
  }

  /** The certificate of the CA in the model, which units tell their clients. @throws before it has signed something */
  authority(): string {
    for (const relation of this.relations()) {
      const found = /"ca\\*":\s*\\*"(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/.exec(
        relation,
      )?.[1];
      if (found !== undefined) return found.replaceAll(/\\+n/g, '\n');
    }
    throw new Error('the CA has signed nothing');
  }

  /** Runs a command line on a machine, as root, and returns what it printed. */
  async on(machine: string, commandLine: string): Promise<string> {
    return (await this.juju('ssh', machine, commandLine)).trim();
  }

  /** What a command line says on the machine of every unit of an application, by unit. */
  async onEach(app: string, commandLine: string): Promise<Readonly<Record<string, string>>> {
    const units = await this.unitsOf(app);
    return Object.fromEntries(
      await Promise.all(
        units.map(async ({ name, machine }) => [name, await this.on(machine, commandLine)] as const),
      ),
    );
  }

  async hostNamesOf(app: string): Promise<readonly string[]> {
    return Object.values(await this.onEach(app, 'hostname')).sort();
  }

  /** The units of keepalived-vip whose machines have an address. */
  async holdersOf(address: string): Promise<readonly UnitStatus[]> {
    const addresses = await this.onEach('keepalived-vip', 'ip -brief address');
    const units = await this.unitsOf('keepalived-vip');
    return units.filter(({ name }) => addresses[name]?.includes(`${address}/`));
  }

  /** A free address of the model's subnet, for a virtual IP. */
  async freeAddress(last = 200): Promise<string> {
    const { subnet } = z.object({ subnet: z.string() }).parse(parse(await this.juju('model-config')));
    return subnet.replace(/\d+\/24$/, String(last));
  }

  /** The option `source` for a version of MAAS, with what machines need for it: on Debian the stand-in. */
  async sourceOf(version: Version): Promise<string> {
    const source = await maasSource(version);
    if (source !== '') await this.juju('model-config', `machine-mounts=${REPOSITORY}:${MACHINE_FOLDER}`);
    return source;
  }

  /** Has machines see the stand-ins, in {@link MACHINE_FOLDER}. */
  async mountStandIns(): Promise<void> {
    await buildMaasRepository(REPOSITORY);
    await this.juju('model-config', `machine-mounts=${REPOSITORY}:${MACHINE_FOLDER}`);
  }

  /** Gives the database the extensions that MAAS 3.7 needs, and that 3.4 cannot begin with. */
  async enableExtensions(): Promise<void> {
    const options = Object.entries(EXTENSIONS).map(([name, value]) => `${name}=${value}`);
    await this.juju('config', 'postgresql', ...options);
    await eventually(60, async () => {
      const names = await this.sql('SELECT extname FROM pg_extension');
      if (!names.includes('btree_gin') || !names.includes('pgcrypto')) throw new Error(names.join());
    });
  }

  /** Deploys a bundle with what this machine has in place of Charmhub: a PostgreSQL charm for tests, and on Debian the stand-in MAAS. */
  async deploy({ bundle, version, units = {}, overlay, juju }: Deployment): Promise<void> {
    if (juju !== undefined) await this.juju('add-model', this.name, '--juju', juju);
    const source = await this.sourceOf(version);
    const own = {
      applications: {
        postgresql: {
          charm: charmFile('postgresql'),
          channel: '',
          base: '',
          options: unsetOptionsOf14,
        },
        'maas-region': { options: { source }, ...scale(units['maas-region']) },
        'maas-rack': { options: { source }, ...scale(units['maas-rack']) },
        'keepalived-vip': { options: { vip: await this.freeAddress() } },
      },
    };
    const overlays = overlay === undefined ? [] : ['--overlay', join(ROOT, overlay)];
    await this.#furnish();
    await withFile(own, (file) => this.juju('deploy', join(ROOT, bundle), ...overlays, '--overlay', file));
  }

  async #furnish(): Promise<void> {
    if (this.#isBare || (await osRelease())['VERSION_CODENAME'] !== 'bookworm') return;
    await this.juju('model-config', `machine-packages=${MACHINE_PACKAGES.join(',')}`);
  }

  /** Deploys a bundle that no file has. */
  async deployBundle(bundle: object): Promise<void> {
    await this.#furnish();
    await withFile(bundle, (file) => this.juju('deploy', file));
  }

  /** One PostgreSQL, two regions, and a rack beside the first of them. */
  deployRackBesideRegion(source: string, databaseOptions: object = {}): Promise<void> {
    const options = { source };
    return this.deployBundle({
      'default-base': 'ubuntu@24.04',
      machines: { '0': {}, '1': {}, '2': {} },
      applications: {
        postgresql: {
          charm: charmFile('postgresql'),
          num_units: 1,
          to: ['0'],
          options: databaseOptions,
        },
        'maas-region': { charm: charmFile('maas-region'), num_units: 2, to: ['1', '2'], options },
        'maas-rack': { charm: charmFile('maas-rack'), num_units: 1, to: ['1'], options },
      },
      relations: [
        ['maas-region:database', 'postgresql:database'],
        ['maas-region:rpc', 'maas-rack:rpc'],
      ],
    });
  }
}

/** A charm as the build leaves it. */
export function charmFile(name: string): string {
  return join(ROOT, `dist/${name}.charm`);
}

/** Has a command read what is said as YAML. */
async function withFile(content: object, use: (file: string) => Promise<unknown>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  try {
    const file = join(folder, 'bundle.yaml');
    await writeFile(file, stringify(content));
    await use(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function scale(units: number | undefined): { num_units?: number } {
  return units === undefined ? {} : { num_units: units };
}

/** The options by which the charm of PostgreSQL makes what MAAS 3.7 needs. */
export const EXTENSIONS = { 'plugin-btree-gin-enable': true, 'plugin-pgcrypto-enable': true };

/** The charm for tests has the options of charmed PostgreSQL 16, whose names have hyphens. */
const unsetOptionsOf14 = {
  experimental_max_connections: null,
  plugin_btree_gin_enable: null,
  plugin_pgcrypto_enable: null,
};

async function osRelease() {
  return parseEnv(await readFile('/etc/os-release', 'utf8'));
}

/** The option `source` of a version: on Ubuntu nothing, which means the real MAAS; on Debian the stand-in, made here. */
async function maasSource(version: Version): Promise<string> {
  if ((await osRelease())['ID'] === 'ubuntu') return '';
  return (await buildMaasRepository(REPOSITORY))[version];
}

/**
 * Builds the charms that are not built yet; of two that want it at a time, one waits for the other.
 * @param folders of charms that nobody deploys but a test; absent: all others
 */
export async function buildCharms(...folders: readonly string[]): Promise<void> {
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  const unlock = await lock(join(ROOT, 'dist/build.lock'), true);
  try {
    await execa(process.execPath, [join(ROOT, 'build.mjs'), ...folders], {
      stdout: 'inherit',
      stderr: 'inherit',
      cwd: ROOT,
    });
  } finally {
    unlock?.();
  }
}

/** The host names of the regions that MAAS lists behind an address. @throws while it does not answer. */
export async function regionsOf(host: string): Promise<readonly string[]> {
  const response = await fetch(`http://${host}/MAAS/rpc/`, { signal: AbortSignal.timeout(3000) });
  const { eventloops } = z
    .object({ eventloops: z.record(z.string(), z.unknown()) })
    .parse(await response.json());
  return [...new Set(Object.keys(eventloops).map((loop) => loop.split(':')[0] ?? ''))].sort();
}
