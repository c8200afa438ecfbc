import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { tryRun } from './run.ts';

/** An address of a network interface of this machine. */
export interface InterfaceAddress {
  /** The device, even if the address has a label (`eth0:web`): programs do not know labels as interfaces. */
  readonly interface: string;
  readonly address: string;
  /** Length of the network part, in bits. */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The addresses of all interfaces that are up. */
export function addresses(): readonly InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list.flatMap(({ address, cidr, family }) =>
      cidr === null
        ? []
        : [
            {
              // No device has a colon in its name, and a label begins with that of its device.
              interface: name.split(':')[0] ?? name,
              address,
              prefix: Number(cidr.split('/')[1]),
              family: family === 'IPv6' ? 'ipv6' : 'ipv4',
            } as const,
          ],
    ),
  );
}

/** Whether an address is in the subnet of another: `10.0.0.9`, `10.0.0.1/24`. */
export function inSubnet(address: string, subnet: string): boolean {
  const [network = '', prefix] = subnet.split('/');
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The names of the programs that listen on a TCP port of this machine, on any address. */
export async function portHolders(port: number): Promise<readonly string[]> {
  return (await listeners()).get(port) ?? [];
}

/** The TCP ports of this machine that programs listen on, on any address, with the programs' names. */
export async function listeners(): Promise<ReadonlyMap<number, readonly string[]>> {
  const { stdout } = await tryRun(['ss', '--no-header', '--listening', '--tcp', '--numeric', '--processes']);
  const byPort = new Map<number, readonly string[]>();
  for (const line of stdout.split('\n')) {
    const port = Number(/^\s*\S+\s+\d+\s+\d+\s+\S+:(\d+)\s/.exec(line)?.[1]);
    if (Number.isNaN(port)) continue;
    const name = /users:\(\("([^"]+)"/.exec(line)?.[1] ?? 'another program';
    byPort.set(port, [...(byPort.get(port) ?? []), name]);
  }
  return byPort;
}

/** The established TCP connections that match a filter of ss(8), one line each, as ss prints them. */
export async function connections(filter: string): Promise<readonly string[]> {
  const { stdout } = await tryRun([
    'ss',
    '--no-header',
    '--tcp',
    '--numeric',
    'state',
    'established',
    filter,
  ]);
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
