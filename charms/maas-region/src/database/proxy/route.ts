import { HostError, run, tryRun } from 'juju-ts-host';
import type { Server } from './choose.ts';

/** Where MAAS finds its database, on every region, whichever server is the primary. */
export const LOCAL: Server = { host: '127.54.32.1', port: 5432 };

/** The nftables table that has all of it. */
const TABLE = 'maas-database';

/** The primary as the kernel knows it. */
interface Target {
  readonly address: string;
  readonly port: number;
  /** The address of this machine that it is reached from. */
  readonly source: string;
}

/**
 * Has the kernel send what goes to the local address to a server, and cuts every connection to another one at once: the
 * next packet of one is answered with a reset, and who only listens is told as well.
 * @param server absent: connections are refused
 * @returns what was done, to compare with {@link isRouted}
 * @throws {HostError} with the program's words
 */
export async function routeTo(server: Server | undefined): Promise<void> {
  const target = server && (await targetOf(server));
  // Connections start at an address that the server can answer: those to 127.0.0.0/8 would start at 127.0.0.1.
  if (target) await run(['ip', ...ROUTE('replace'), 'src', target.source]);
  await run(['nft', '-f', '-'], { stdin: renderRules(target) });
  await cut();
}

/** Whether the kernel still does what {@link routeTo} told it: somebody may have flushed its rules. */
export async function isRouted(server: Server | undefined): Promise<boolean> {
  const rules = await tryRun(['nft', 'list', 'table', 'ip', TABLE]);
  if (rules.exitCode !== 0) return false;
  if (server === undefined) return !rules.stdout.includes('dnat to');
  const { address, port, source } = await targetOf(server);
  if (!rules.stdout.includes(`dnat to ${address}:${port}`)) return false;
  const { stdout } = await tryRun(['ip', '-4', 'route', 'show', 'table', 'local', LOCAL.host]);
  return stdout.split(/\s+/).includes(source);
}

/** Whether there are rules at all. */
export async function hasRules(): Promise<boolean> {
  return (await tryRun(['nft', 'list', 'table', 'ip', TABLE])).exitCode === 0;
}

/** Takes everything out of the kernel again. */
export async function unroute(): Promise<void> {
  await tryRun(['nft', 'delete', 'table', 'ip', TABLE]);
  await tryRun(['ip', ...ROUTE('delete')]);
}

const ROUTE = (verb: 'replace' | 'delete'): readonly string[] =>
  `-4 route ${verb} local ${LOCAL.host} dev lo table local`.split(' ');

async function targetOf({ host, port }: Server): Promise<Target> {
  // Only where it is used: a charm's executable cannot hold what it makes when it is loaded.
  const { lookup } = process.getBuiltinModule('node:dns/promises');
  const { address } = await lookup(host, { family: 4 });
  const route = await run(['ip', '-4', '-oneline', 'route', 'get', address]);
  const source = /\bsrc (\S+)/.exec(route)?.[1];
  if (source === undefined) throw new HostError('command', 'retry', `no way to ${address}: ${route}`);
  return { address, port, source };
}

/** In one step: whenever the machine stops, the old rules hold or the new ones. */
function renderRules(target: Target | undefined): string {
  // In one direction: the reset itself goes the other way.
  const ours = `meta l4proto tcp ct direction original ct original ip daddr ${LOCAL.host} ct original proto-dst ${LOCAL.port}`;
  const reject = 'reject with tcp reset';
  const chains = target
    ? [
        'chain reach {',
        '  type nat hook output priority -100; policy accept;',
        `  ip daddr ${LOCAL.host} tcp dport ${LOCAL.port} dnat to ${target.address}:${target.port}`,
        '}',
        'chain guard {',
        '  type filter hook output priority 0; policy accept;',
        `  ${ours} ct reply ip saddr != ${target.address} ${reject}`,
        `  ${ours} ct reply proto-src != ${target.port} ${reject}`,
        '}',
      ]
    : ['chain guard {', '  type filter hook output priority 0; policy accept;', `  ${ours} ${reject}`, '}'];
  return [
    `table ip ${TABLE}`,
    `delete table ip ${TABLE}`,
    `table ip ${TABLE} {`,
    ...chains.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

/** Ends the connections that were made before; where the kernel cannot, the next packet of each does. */
async function cut(): Promise<void> {
  const which = ['dst', LOCAL.host, 'dport', '=', `:${LOCAL.port}`];
  await tryRun(['ss', '--kill', '--no-header', '--tcp', '--numeric', ...which]);
}
