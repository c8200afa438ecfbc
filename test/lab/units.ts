// Units of keepalived-vip on machines of the lab: their hooks read, plan and apply there, and tell the others.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Redacted, type Status } from 'juju-ts-ops';
import { VrrpState } from '../../charms/keepalived-vip/src/endpoints.ts';
import {
  CONFIG,
  managedAddresses,
  renderedInstances,
} from '../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { STATE_DIRECTORY } from '../../charms/keepalived-vip/src/render/notify.ts';
import { PEERS_NFT } from '../../charms/keepalived-vip/src/render/peers-nft.ts';
import type { LocalInstance, Peer, State } from '../../charms/keepalived-vip/src/state.ts';
import { virtualOf } from '../../shared/host/src/own-address.ts';
import { peerOf, planOf, stateOf, type RawOptions } from '../unit/keepalived-vip/states.ts';
import type { Lab, Machine } from './lab.ts';
import { until } from './vip.ts';

const Links = z.array(
  z.object({
    ifname: z.string(),
    addr_info: z.array(
      z.object({ family: z.string(), local: z.string(), prefixlen: z.int(), scope: z.string() }),
    ),
  }),
);

/** A unit on a machine of its own. The first of several leads. */
export class VipUnit {
  readonly number: number;
  readonly machine: Machine;
  readonly #told: Map<number, Peer>;
  #isRunning = false;
  #loaded = '';

  private constructor(number: number, machine: Machine, told: Map<number, Peer>) {
    this.number = number;
    this.machine = machine;
    this.#told = told;
  }

  /** @param told what the units have told each other, by number: the same map for all of them */
  static async start(
    lab: Lab,
    number: number,
    addresses: readonly string[],
    told: Map<number, Peer>,
  ): Promise<VipUnit> {
    const machine = await lab.machine(`m${number}`, addresses);
    told.set(number, peerOf(number, { addresses: [] }));
    return new VipUnit(number, machine, told);
  }

  /** A hook: what it says in the end. */
  async hook(options: Partial<RawOptions>): Promise<readonly Status[]> {
    for (let round = 1; ; round += 1) {
      const state = await this.#read(options);
      const { machine: resources, databags = [], status } = planOf(state);
      const held = state.addresses.map(({ address }) => address).filter((own) => state.managed.includes(own));
      let hasChanged = false;
      for (const resource of resources) {
        if (resource.kind === 'file' && resource.path.startsWith('/etc/keepalived/')) {
          const text = typeof resource.content === 'string' ? resource.content : resource.content.reveal();
          if ((await this.#cat(resource.path)) === text) continue;
          await this.machine.write(resource.path, text, resource.mode);
        } else if (resource.kind === 'absent-file') {
          if ((await this.#cat(resource.path)) === undefined) continue;
          await this.machine.run(['rm', resource.path]);
        } else if (resource.kind === 'service') {
          if (!(await this.#control(resource.state))) continue;
        } else continue;
        hasChanged = true;
      }
      if (hasChanged && round < 4) {
        await this.#settle(held);
        continue;
      }
      const bag = databags.find(({ endpoint }) => endpoint === 'vrrp-cluster');
      if (bag?.endpoint === 'vrrp-cluster' && bag.unit) {
        const {
          addresses = [],
          'sends-to': sendsTo = [],
          'own-vips': ownVips = [],
          instances = [],
        } = bag.unit;
        this.#told.set(this.number, { ...peerOf(this.number), addresses, sendsTo, ownVips, instances });
      }
      return status;
    }
  }

  async holds(vip: string): Promise<boolean> {
    return (await this.machine.run(['ip', '-oneline', 'address', 'show', 'to', vip])) !== '';
  }

  async #read(options: Partial<RawOptions>): Promise<State> {
    const json = await this.machine.run(['ip', '-json', 'address', 'show', 'dev', 'eth0']);
    const conf = await this.#cat(CONFIG);
    const running = new Map<string, LocalInstance>();
    for (const [name, rendered] of this.#isRunning ? renderedInstances(conf ?? '') : []) {
      const [word, since] = ((await this.#cat(`${STATE_DIRECTORY}/${name}.state`)) ?? '').split(' ');
      const state = VrrpState.safeParse(word);
      if (state.success) running.set(name, { ...rendered, state: state.data, since: Number(since) });
    }
    const state = stateOf(this.number, {
      options: { track: '', ...options },
      isLeader: this.number === Math.min(...this.#told.keys()),
      addresses: Links.parse(JSON.parse(json)).flatMap(({ ifname, addr_info: list }) =>
        list
          .filter(({ scope }) => scope !== 'link')
          .map(({ family, local, prefixlen }) => ({
            interface: ifname,
            address: local,
            prefix: prefixlen,
            family: family === 'inet' ? 'ipv4' : 'ipv6',
          })),
      ),
      managed: managedAddresses(conf ?? ''),
      held: virtualOf(json),
      peers: [...this.#told.values()].filter(({ unit }) => unit !== `keepalived-vip/${this.number}`),
      running,
    });
    if (conf === undefined) return state;
    return { ...state, conf: new Redacted(conf) };
  }

  /** As systemd does it, with what the charm adds to the service. @returns whether anything was to do */
  async #control(wanted: 'running' | 'stopped'): Promise<boolean> {
    if (wanted === 'stopped') {
      if (!this.#isRunning) return false;
      await this.machine.signal('keepalived', 'SIGTERM', 'oldest');
      await until(async () => (await this.machine.try(['pgrep', '--exact', 'keepalived'])).output === '');
      await this.machine.run(['sh', '-c', `rm -f ${STATE_DIRECTORY}/*.state`]);
      this.#isRunning = false;
      return true;
    }
    const files = `${await this.#cat(CONFIG)}${await this.#cat(PEERS_NFT)}`;
    const loaded = createHash('sha256').update(files).digest('hex');
    if (this.#isRunning && loaded === this.#loaded) return false;
    await this.machine.run(['nft', '--file', PEERS_NFT]);
    if (this.#isRunning) await this.machine.signal('keepalived', 'SIGHUP', 'oldest');
    else {
      const keepalived = ['keepalived', '--dont-fork', '--log-console', '--use-file', CONFIG];
      this.machine.spawn(['sh', '-c', 'exec "$@" >> /run/keepalived.log 2>&1', 'sh', ...keepalived]);
    }
    this.#isRunning = true;
    this.#loaded = loaded;
    return true;
  }

  /** Until every instance has said what it is, and a holder has again what it held and is still to hold. */
  async #settle(held: readonly string[]): Promise<void> {
    if (!this.#isRunning) return;
    const conf = (await this.#cat(CONFIG)) ?? '';
    const names = [...renderedInstances(conf).keys()];
    await until(async () => {
      const states = await Promise.all(names.map((name) => this.#cat(`${STATE_DIRECTORY}/${name}.state`)));
      return states.every((state) => state !== undefined);
    });
    await sleep(600);
    for (const vip of managedAddresses(conf)) if (held.includes(vip)) await until(() => this.holds(vip));
  }

  async #cat(path: string): Promise<string | undefined> {
    const { exitCode, output } = await this.machine.try(['sh', '-c', 'cat "$1" && echo x', 'sh', path]);
    return exitCode === 0 ? output.slice(0, -1) : undefined;
  }
}

/** Who has had which address when, as the kernels of the machines tell it. */
export class Holdings {
  readonly #units: readonly VipUnit[];
  readonly #lines: { readonly number: number; readonly line: string }[] = [];
  readonly #monitors: { readonly end: () => void }[] = [];

  private constructor(units: readonly VipUnit[]) {
    this.#units = units;
  }

  static async watch(units: readonly VipUnit[], vips: readonly string[]): Promise<Holdings> {
    const holdings = new Holdings(units);
    for (const { number, machine } of units) {
      const monitor = machine.spawnPiped(['ip', '-tshort', '-oneline', 'monitor', 'address']);
      let rest = '';
      monitor.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = `${rest}${text}`.split('\n');
        rest = lines.pop() ?? '';
        holdings.#lines.push(...lines.map((line) => ({ number, line })));
      });
      holdings.#monitors.push({ end: () => monitor.kill() });
      // Once it sees what happens it listens.
      const mark = `10.254.0.${number}/32`;
      await until(async () => {
        await machine.run(['ip', 'address', 'add', mark, 'dev', 'lo']);
        await machine.run(['ip', 'address', 'delete', mark, 'dev', 'lo']);
        return holdings.#lines.some(({ line }) => line.includes(mark));
      });
      for (const vip of vips)
        if (await holdings.#units.find((unit) => unit.number === number)?.holds(vip))
          holdings.#lines.unshift({ number, line: `[0] eth0 inet ${vip}/32 scope` });
    }
    return holdings;
  }

  /** Ends it. @returns for an address the most that had it at the same time, and the fewest */
  async end(vip: string): Promise<{ most: number; fewest: number }> {
    await sleep(300);
    for (const { end } of this.#monitors) end();
    const events = this.#lines
      .filter(({ line }) => line.includes(` ${vip}/`))
      .map(({ number, line }) => ({
        number,
        at: /^\[([^\]]*)\]/.exec(line)?.[1] ?? '',
        isGone: line.includes('Deleted'),
      }))
      .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    const holders = new Set(events.filter(({ at }) => at === '0').map(({ number }) => number));
    const counts = [holders.size];
    for (const { number, isGone } of events.filter(({ at }) => at !== '0')) {
      if (isGone) holders.delete(number);
      else holders.add(number);
      counts.push(holders.size);
    }
    return { most: Math.max(...counts), fewest: Math.min(...counts) };
  }
}
