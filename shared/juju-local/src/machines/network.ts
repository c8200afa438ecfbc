import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { attempt, command } from './command.ts';
import { lock } from './lock.ts';

/** The first two numbers of the networks that a model may get, one of 256 of each; private ones that few use. */
const RANGES = ['10.213', '172.29', '10.87'];

/** Whoever chooses a network holds it. */
const LOCK = '/run/juju-local/network.lock';
/** Which network a model has, in the folder of the model. */
const FILE = 'network.json';

const Saved = z.object({ subnet: z.string() });
const Routes = z.array(z.object({ dst: z.string() }));

/** The network of one model: a bridge on this host, and a network namespace for each machine. */
export class ModelNetwork {
  readonly #prefix: string;
  readonly #file: string;
  #subnet: string | undefined;

  /** @param prefix begins the name of everything that is made */
  constructor(prefix: string, directory: string) {
    this.#prefix = prefix;
    this.#file = join(directory, FILE);
  }

  /** `10.213.4`: the first three numbers of every address. */
  async subnet(): Promise<string> {
    this.#subnet ??= (await savedSubnet(this.#file)) ?? (await this.#choose());
    return this.#subnet;
  }

  /** One model after the other, and none that another one has, whose bridge may not be there yet. */
  async #choose(): Promise<string> {
    const directory = dirname(this.#file);
    for (const folder of [directory, dirname(LOCK)]) await mkdir(folder, { recursive: true });
    const unlock = await lock(LOCK, true);
    try {
      const known = await savedSubnet(this.#file);
      if (known !== undefined) return known;
      const models = dirname(directory);
      const files = (await readdir(models)).map((name) => join(models, name, FILE));
      const subnet = await freeSubnet((await Promise.all(files.map(savedSubnet))).filter(isText));
      await writeFile(this.#file, JSON.stringify({ subnet }));
      return subnet;
    } finally {
      unlock?.();
    }
  }

  /** Machines have .10 and up; .1 is this host, and .200 to .254 are left for virtual addresses. */
  async addressOf(id: string): Promise<string> {
    return `${await this.subnet()}.${10 + Number(id)}`;
  }

  /** Makes the bridge, and lets what is behind it out. */
  async prepare(): Promise<void> {
    const subnet = await this.subnet();
    const bridge = this.#prefix;
    if (!existsSync(`/sys/class/net/${bridge}`)) {
      await command(['ip', 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0']);
      // One that is set stays. Else it is the lowest of what is connected, and when it changes, what was on its way is lost.
      const address = await readFile(`/sys/class/net/${bridge}/address`, 'utf8');
      await command(['ip', 'link', 'set', bridge, 'address', address.trim()]);
    }
    await command(['ip', 'address', 'replace', `${subnet}.1/24`, 'dev', bridge]);
    await command(['ip', 'link', 'set', bridge, 'up']);
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    // Between machines the source stays what it is: only what leaves the subnet is rewritten.
    const rules = `
      table ip ${this.#table}
      delete table ip ${this.#table}
      table ip ${this.#table} {
        chain out {
          type nat hook postrouting priority srcnat;
          ip saddr ${subnet}.0/24 ip daddr != ${subnet}.0/24 masquerade
        }
      }`;
    await command(['nft', '--file', '-'], { input: rules });
  }

  /** Makes the network namespace of a machine, with `eth0` on the bridge, and returns its path. */
  async connect(id: string): Promise<string> {
    const namespace = `${this.#prefix}-${id}`;
    const path = `/run/netns/${namespace}`;
    const [host, inner] = [`${this.#prefix}m${id}`, `${this.#prefix}e${id}`];
    const inside = (...argv: string[]) => command(['ip', '-n', namespace, ...argv]);
    await command(['ip', 'netns', 'add', namespace]);
    await command(['ip', 'link', 'add', host, 'type', 'veth', 'peer', 'name', inner]);
    await command(['ip', 'link', 'set', inner, 'netns', namespace]);
    await inside('link', 'set', inner, 'name', 'eth0');
    await inside('address', 'add', `${await this.addressOf(id)}/24`, 'dev', 'eth0');
    await inside('link', 'set', 'lo', 'up');
    await inside('link', 'set', 'eth0', 'up');
    await inside('route', 'add', 'default', 'via', `${await this.subnet()}.1`);
    await command(['ip', 'link', 'set', host, 'master', this.#prefix, 'up']);
    return path;
  }

  /** Takes a machine off the network. */
  async disconnect(id: string): Promise<void> {
    await attempt(['ip', 'link', 'delete', `${this.#prefix}m${id}`]);
    await attempt(['ip', 'netns', 'delete', `${this.#prefix}-${id}`]);
  }

  /** Removes all of it, whoever made it. */
  async destroy(): Promise<void> {
    for (const name of Object.keys(await linkNames())) {
      if (name.startsWith(`${this.#prefix}m`)) await attempt(['ip', 'link', 'delete', name]);
    }
    for (const line of (await command(['ip', 'netns', 'list'])).split('\n')) {
      const [namespace = ''] = line.split(' ');
      if (namespace.startsWith(`${this.#prefix}-`)) await attempt(['ip', 'netns', 'delete', namespace]);
    }
    await attempt(['ip', 'link', 'delete', this.#prefix]);
    await attempt(['nft', 'delete', 'table', 'ip', this.#table]);
  }

  get #table(): string {
    return `juju_local_${this.#prefix}`;
  }
}

async function linkNames(): Promise<Record<string, true>> {
  const links = z
    .array(z.object({ ifname: z.string() }))
    .parse(JSON.parse(await command(['ip', '-json', 'link'])));
  return Object.fromEntries(links.map(({ ifname }) => [ifname, true]));
}

/** The subnet that a model has chosen, if it has. */
async function savedSubnet(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Saved.parse(JSON.parse(text)).subnet;
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** A /24 that neither an address nor a route of this host overlaps with, nor another model's. */
async function freeSubnet(taken: readonly string[]): Promise<string> {
  const routes = Routes.parse(
    JSON.parse(await command(['ip', '-json', 'route', 'show', 'table', 'all', 'type', 'unicast'])),
  );
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  const used = new Set(
    [...own, ...routes.map(({ dst }) => dst), ...taken].map((address) =>
      address.split('.').slice(0, 3).join('.'),
    ),
  );
  for (const range of RANGES) {
    for (let third = 0; third < 256; third += 1) {
      const subnet = `${range}.${third}`;
      if (!used.has(subnet)) return subnet;
    }
  }
  throw new Error('this host has a route to every network that a model could have');
}
