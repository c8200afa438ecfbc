import { z } from 'zod';
import { inSubnet } from './network.ts';
import { tryRun } from './run.ts';

/** What Juju's `network-get` returns for one endpoint, in its order. */
export interface OfferedAddresses {
  /** Juju's ingress addresses of this unit, the best first. */
  readonly ingressAddresses: readonly string[];
  /** Every interface of the endpoint's space, with its addresses. */
  readonly interfaces: readonly {
    readonly addresses: readonly { readonly address: string; readonly cidr?: string }[];
  }[];
}

/** The known virtual addresses. */
export interface VirtualAddresses {
  /** Those from a relation. */
  readonly known: readonly string[];
  /** Those that this machine seems to hold, whichever program moves them: {@link heldAddresses}. */
  readonly held: readonly string[];
}

/**
 * The address of this machine to announce to other machines, never a virtual one. It prefers the one in the subnet of
 * a virtual address, then Juju's ingress address, then the first that Juju lists. It chooses only from Juju's
 * addresses, so `juju bind` decides the network. `undefined` if none is left.
 */
export function ownAddress(
  { ingressAddresses, interfaces }: OfferedAddresses,
  { known, held }: VirtualAddresses,
): string | undefined {
  const bound = interfaces.flatMap(({ addresses }) => addresses);
  const fixed = bound.filter(({ address }) => !known.includes(address));
  // An address can look virtual and be the machine's own, where a virtual one took the first place in its subnet.
  const surely = fixed.filter(({ address }) => !held.includes(address));
  const candidates = surely.length > 0 ? surely : fixed;
  const neighbour = candidates.find(
    ({ cidr }) => cidr !== undefined && known.some((virtual) => inSubnet(virtual, cidr)),
  );
  if (neighbour) return neighbour.address;
  const ingress = ingressAddresses.find((address) =>
    // Where it is no address of an interface, Juju knows of a translation on the way.
    bound.some((one) => one.address === address)
      ? candidates.some((one) => one.address === address)
      : !known.includes(address) && !held.includes(address),
  );
  return ingress ?? candidates[0]?.address;
}

const Links = z.array(
  z.looseObject({
    addr_info: z
      .array(
        z.looseObject({
          family: z.string().optional(),
          local: z.string().optional(),
          prefixlen: z.int().optional(),
          secondary: z.boolean().optional(),
          protocol: z.string().optional(),
        }),
      )
      .default([]),
  }),
);

/** What keepalived signs its addresses with; `ip` gives the number where it knows no name for it. */
const KEEPALIVED = ['keepalived', '18'];

/**
 * The addresses of this machine that look virtual: those that keepalived marks as its own, those that were added to
 * an interface after another one of the same subnet (as Pacemaker does), and those without a subnet on an interface
 * that has one. Empty if `ip` fails.
 */
export async function heldAddresses(): Promise<readonly string[]> {
  const { exitCode, stdout } = await tryRun(['ip', '-json', 'address', 'show']);
  return exitCode === 0 ? virtualOf(stdout) : [];
}

/** The same of what `ip -json address show` prints. */
export function virtualOf(json: string): readonly string[] {
  return Links.parse(JSON.parse(json)).flatMap(({ addr_info: list }) =>
    list
      .filter(
        ({ family, prefixlen, secondary, protocol = '' }) =>
          secondary === true ||
          KEEPALIVED.includes(protocol) ||
          (prefixlen === hostPrefix(family) &&
            list.some((other) => other.family === family && (other.prefixlen ?? 0) < hostPrefix(family))),
      )
      .flatMap(({ local }) => local ?? []),
  );
}

function hostPrefix(family: string | undefined): number {
  return family === 'inet6' ? 128 : 32;
}
