// Machines of the lab that serve behind a virtual address, with the files of the charms or with others.
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CONFIG as KEEPALIVED_CONF } from '../../charms/keepalived-vip/src/render/keepalived-conf.ts';
import { PEERS_NFT } from '../../charms/keepalived-vip/src/render/peers-nft.ts';
import { REALTIME_SCRIPT } from '../../charms/keepalived-vip/src/render/realtime.ts';
import { CONFIG as HAPROXY_CFG } from '../../charms/haproxy/src/render/haproxy-cfg.ts';
import { cfgOf, regions, stateOf as haproxyState } from '../unit/haproxy/states.ts';
import {
  peerOf,
  planOf,
  stateOf as keepalivedState,
  type RawOptions,
} from '../unit/keepalived-vip/states.ts';
import type { Lab, Machine } from './lab.ts';

/** What systemd does for a service: it starts it again when it has died. */
const SUPERVISOR = 'while :; do "$@"; sleep 0.1; done';
/** In place of systemctl: every service is enabled, none is known to be active. */
const SYSTEMCTL = '#!/bin/sh\n[ "$1" = is-enabled ]\n';
export const WEB_PORT = 5240;
export const VIP = '10.9.0.100';

/** A file of a machine, and its mode. */
export type Files = ReadonlyMap<string, { readonly text: string; readonly mode: number }>;

/** The files of both charms on unit `number` of several. */
export function charmFiles(
  number: number,
  units: readonly number[],
  options: Partial<RawOptions> = {},
): Files {
  const peers = units.filter((other) => other !== number).map((other) => peerOf(other));
  const { files } = planOf(keepalivedState(number, { options: { track: 'haproxy', ...options }, peers }));
  const cfg = cfgOf(haproxyState([regions(...units)], { own: [`10.9.0.1${number}`] }));
  return new Map([...files, [HAPROXY_CFG, { text: cfg, mode: 0o644 }]]);
}

/** A machine with a web server, HAProxy and keepalived. */
export class VipMachine {
  readonly machine: Machine;
  readonly number: number;

  private constructor(machine: Machine, number: number) {
    this.machine = machine;
    this.number = number;
  }

  /** Starts everything on the machine 10.9.0.1<number>, keepalived last. */
  static async start(lab: Lab, number: number, files: Files): Promise<VipMachine> {
    const machine = await lab.machine(`m${number}`, [`10.9.0.1${number}/24`, `fd09::1${number}/64`]);
    const node = new VipMachine(machine, number);
    await machine.run(['mkdir', '-p', '/run/haproxy']);
    await machine.write('/run/systemctl', SYSTEMCTL, 0o755);
    await machine.run(['mount', '--bind', '/run/systemctl', '/usr/bin/systemctl']);
    await machine.run(['sysctl', '-qw', 'net.ipv4.ip_nonlocal_bind=1']);
    for (const [path, { text: content, mode }] of files) {
      if (path.startsWith('/etc/haproxy/') || path.startsWith('/etc/keepalived/'))
        await machine.write(path, content, mode);
    }
    if (files.has(PEERS_NFT)) await machine.run(['nft', '--file', PEERS_NFT]);
    node.startWeb();
    machine.spawn([
      'sh',
      '-c',
      SUPERVISOR,
      'sh',
      'haproxy',
      '-W',
      '-p',
      '/run/haproxy.pid',
      '-f',
      HAPROXY_CFG,
    ]);
    await until(async () => (await machine.try(['test', '-S', '/run/haproxy/admin.sock'])).exitCode === 0);
    const keepalived = ['keepalived', '--dont-fork', '--log-console', '--use-file', KEEPALIVED_CONF];
    machine.spawn(['sh', '-c', 'exec "$@" > /run/keepalived.log 2>&1', 'sh', ...keepalived]);
    if (files.has(REALTIME_SCRIPT)) {
      await until(
        async () =>
          (await machine.try(['grep', '-q', 'Startup complete', '/run/keepalived.log'])).exitCode === 0,
      );
      await machine.run([REALTIME_SCRIPT, (await machine.run(['pgrep', '--oldest', 'keepalived'])).trim()]);
    }
    return node;
  }

  startWeb(): void {
    const script = join(import.meta.dirname, 'web.ts');
    this.machine.spawn([process.execPath, script, String(WEB_PORT), `m${this.number}`]);
  }

  async holds(vip: string): Promise<boolean> {
    return (await this.machine.try(['ip', '-o', 'address', 'show', 'to', vip])).output.includes(vip);
  }
}

const Seen = z.object({ started: z.int(), failed: z.int(), gap: z.number(), kinds: z.array(z.string()) });
/** What a client saw: requests, those without a good answer, and the longest time in ms without any. */
export type Seen = z.infer<typeof Seen>;

/** Has a client ask a URL every 20 ms while something happens. @param timeout ms for each request */
export async function watch(
  client: Machine,
  url: string,
  timeout: number,
  happening: () => Promise<void>,
): Promise<Seen> {
  const child = client.spawnPiped([
    process.execPath,
    join(import.meta.dirname, 'client.ts'),
    url,
    String(timeout),
  ]);
  const output = text(child.stdout);
  await sleep(400);
  try {
    await happening();
  } finally {
    child.stdin.end();
  }
  await once(child, 'exit');
  return Seen.parse(JSON.parse(await output));
}

/** The one machine that holds the address; waits for it. */
export async function holderOf(machines: readonly VipMachine[], vip = VIP): Promise<VipMachine> {
  let holders: readonly VipMachine[] = [];
  await until(async () => {
    const states = await Promise.all(machines.map((machine) => machine.holds(vip)));
    holders = machines.filter((_, index) => states[index]);
    return holders.length === 1;
  });
  const [holder] = holders;
  if (!holder) throw new Error('nobody holds the address');
  return holder;
}

/** @throws when it does not come true within so many seconds */
export async function until(isTrue: () => Promise<boolean>, seconds = 10): Promise<void> {
  for (let tries = 0; tries < 20 * seconds; tries += 1) {
    if (await isTrue()) return;
    await sleep(50);
  }
  throw new Error(`it did not come true within ${seconds} seconds`);
}
