import { z } from 'zod';
import { Network, type NetworkInfo } from '../answers.ts';
import type { Caller } from './caller.ts';

/** The addresses of the unit. */
export function networkTools({ ask }: Caller) {
  return {
    /** @param relation asks for the addresses of this relation, if the model has several networks */
    async networkGet(binding: string, relation?: number): Promise<NetworkInfo> {
      const which = relation === undefined ? [] : ['-r', String(relation)];
      const network = await ask(Network, 'network-get', [binding, ...which]);
      const interfaces = (network['bind-addresses'] ?? []).map((item) => ({
        name: item['interface-name'] ?? '',
        addresses: (item.addresses ?? []).map(({ value, cidr, hostname }) => ({
          address: value,
          ...(cidr !== undefined && cidr !== '' && { cidr }),
          ...(hostname !== undefined && hostname !== '' && { hostname }),
        })),
      }));
      return {
        bindAddresses: interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
        ingressAddresses: network['ingress-addresses'] ?? [],
        egressSubnets: network['egress-subnets'] ?? [],
        interfaces,
      };
    },

    /** `public-address` is where users reach the machine. */
    async unitGet(what: 'private-address' | 'public-address'): Promise<string> {
      return ask(z.string(), 'unit-get', [what]);
    },
  };
}
