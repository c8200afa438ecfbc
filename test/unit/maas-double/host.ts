import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { execa } from 'execa';
import { stringify } from 'yaml';

const FILES = join(import.meta.dirname, '../../doubles/maas/files');

export interface Said {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command of MAAS is run. */
interface RunOptions {
  readonly input?: string;
  /** What the environment has beside its own. */
  readonly env?: Readonly<Record<string, string>>;
  /** As whom; root if absent. */
  readonly uid?: number;
}

/** A machine of the stand-in MAAS that is none: a folder, a host name and an address of loopback. */
export class DoubleHost implements AsyncDisposable {
  readonly root: string;
  readonly address: string;
  readonly #daemons: { readonly process: ChildProcess; log: string }[] = [];

  private constructor(root: string, address: string) {
    this.root = root;
    this.address = address;
  }

  /**
   * @param version `3.7`, or `3.7.3` where the last number counts
   * @param timeScale how long a second of MAAS takes; a heartbeat may be late by 30 of them
   */
  static async make(
    version: string,
    hostname: string,
    address: string,
    timeScale = 0.05,
  ): Promise<DoubleHost> {
    const host = new DoubleHost(await mkdtemp(join(tmpdir(), 'maas-double-')), address);
    for (const folder of ['etc/maas', 'var/lib/maas/http', 'var/lib/maas/certificates', 'usr/share/maas'])
      await mkdir(join(host.root, folder), { recursive: true });
    await host.write('usr/share/maas/version', `${/^\d+\.\d+$/.test(version) ? `${version}.0` : version}\n`);
    await host.write(
      'etc/maas/double.conf',
      stringify({
        time_scale: timeScale,
        dbupgrade_seconds: 0.3,
        region_start_seconds: 0,
        address,
        hostname,
        group: 'root',
      }),
    );
    return host;
  }

  /** Starts the region, and waits until MAAS lists it. @throws with what the host's daemons said, if MAAS does not */
  async serve(hostname: string): Promise<ChildProcess> {
    const regiond = this.startRegion();
    try {
      await until(
        () => this.regions(),
        (regions) => regions.includes(hostname),
      );
    } catch (cause) {
      throw new Error(`${hostname} does not serve: ${this.log}`, { cause });
    }
    return regiond;
  }

  read(path: string): Promise<string> {
    return readFile(join(this.root, path), 'utf8');
  }

  async write(path: string, content: string): Promise<void> {
    await writeFile(join(this.root, path), content);
  }

  /** Writes a regiond.conf by hand. */
  async configure({ host, port, database, user, password }: DatabaseConnection, more = {}): Promise<void> {
    const conf = {
      maas_url: `http://${this.address}:5240/MAAS`,
      database_host: host,
      database_port: port,
      database_name: database,
      database_user: user,
      database_pass: password.reveal(),
      num_workers: 2,
      ...more,
    };
    await this.write('etc/maas/regiond.conf', stringify(conf));
  }

  region(args: readonly string[], options: RunOptions = {}): Promise<Said> {
    return this.#run('maas_region', args, options);
  }

  rack(args: readonly string[], options: RunOptions = {}): Promise<Said> {
    return this.#run('maas_rack', args, options);
  }

  common(args: readonly string[]): Promise<Said> {
    return this.#run('maas_common', args, {});
  }

  async #run(module: string, args: readonly string[], { input = '', uid, env }: RunOptions): Promise<Said> {
    // Without a terminal of its own, as in a hook.
    const { exitCode, stdout, stderr } = await execa(
      'setsid',
      ['--wait', '/usr/bin/python3', '-c', code(module, uid), ...args],
      {
        input,
        timeout: 60_000,
        killSignal: 'SIGKILL',
        // One that asks for ever is killed for it.
        maxBuffer: 100_000,
        reject: false,
        env: { ...this.#environment(), ...env },
      },
    );
    return { exitCode, stdout: stdout ?? '', stderr: stderr ?? '' };
  }

  /**
   * A folder that has `maas-region` and `maas-rack` of this host, for a charm's own code to find on PATH; `maas-common` is
   * where it always is.
   */
  async commands(): Promise<string> {
    const variables = Object.entries(this.#environment()).map(([key, value]) => `${key}='${value}'`);
    for (const path of ['bin/maas-region', 'bin/maas-rack', 'usr/lib/maas/maas-common']) {
      const module = basename(path).replace('-', '_');
      const script = `#!/bin/sh\nexec env ${variables.join(' ')} /usr/bin/python3 -c '${code(module)}' "$@"\n`;
      await mkdir(dirname(join(this.root, path)), { recursive: true });
      await writeFile(join(this.root, path), script, { mode: 0o755 });
    }
    return join(this.root, 'bin');
  }

  /** Starts regiond and the web server before it. */
  startRegion(): ChildProcess {
    this.startWeb();
    return this.#start('regiond');
  }

  /** It begins to serve once regiond has written its configuration. */
  startWeb(): ChildProcess {
    return this.#start('maas_http');
  }

  /** Starts Temporal beside a region that serves, and waits until it listens. */
  async startTemporal(): Promise<void> {
    this.#start('temporal_server');
    const listens = async (): Promise<boolean> => {
      const socket = connect(5271, this.address);
      try {
        await once(socket, 'connect');
        return true;
      } catch {
        return false;
      } finally {
        socket.destroy();
      }
    };
    await until(listens, Boolean);
  }

  startRack(): ChildProcess {
    return this.#start('rackd');
  }

  #start(module: string): ChildProcess {
    const child = spawn('/usr/bin/python3', ['-c', code(module)], {
      env: { ...process.env, ...this.#environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const daemon = { process: child, log: '' };
    child.stdout.on('data', (chunk: Buffer) => (daemon.log += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (daemon.log += chunk.toString()));
    this.#daemons.push(daemon);
    return child;
  }

  get log(): string {
    return this.#daemons.map(({ log }) => log).join('\n');
  }

  /** The answer to a GET; 0 where the connection is refused. */
  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const response = await fetch(`http://${this.address}:5240${path}`, { redirect: 'manual' });
      return { status: response.status, text: await response.text() };
    } catch {
      return { status: 0, text: '' };
    }
  }

  /** Host names in what this region answers on /MAAS/rpc/. */
  async regions(): Promise<readonly string[]> {
    const { status, text } = await this.get('/MAAS/rpc/');
    if (status !== 200) return [];
    return [...new Set([...text.matchAll(/"([\w-]+):pid=/g)].map(([, name = '']) => name))].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.#daemons) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.root, { recursive: true, force: true });
  }

  #environment(): Record<string, string> {
    return { MAAS_ROOT: this.root, PYTHONPATH: FILES, PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' };
  }
}

/** @param uid to be once the code is loaded, which may be in a folder of root's alone */
function code(module: string, uid?: number): string {
  const become = uid === undefined ? '' : `import os; os.seteuid(${uid}); `;
  return `from maas_double.${module} import main; ${become}main()`;
}

/** Waits until something is so. @throws after a minute, with what it was then */
export async function until<T>(ask: () => Promise<T> | T, isSo: (answer: T) => boolean): Promise<T> {
  for (const end = Date.now() + 60_000; ;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(answer)}`);
    await sleep(25);
  }
}
