import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import type { State } from '../state.ts';
import { parse, Refusal, RELATION } from './command-line.ts';
import { format, FORMAT } from './format.ts';

export const OWN_ADDRESS = '192.0.2.1';

/** The addresses of the unit. */
export function networkTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;

  function networkOf(binding: string): Network {
    const known = Object.entries<State<C>['networks'][keyof State<C>['networks']]>(before.networks).find(
      ([name]) => name === binding,
    )?.[1];
    const addresses = known?.addresses ?? [{ interface: 'eth0', address: OWN_ADDRESS, cidr: '192.0.2.0/24' }];
    const values = addresses.map(({ address }) => address);
    return {
      'bind-addresses': [...new Set(addresses.map((item) => item.interface))].map((name) => ({
        'mac-address': '',
        'interface-name': name,
        addresses: addresses
          .filter((item) => item.interface === name)
          .map(({ address, cidr }) => ({ hostname: '', value: address, cidr })),
      })),
      'egress-subnets':
        known?.egressSubnets ?? values.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
      'ingress-addresses': known?.ingressAddresses ?? values,
    };
  }

  return {
    'network-get': (args) => {
      const flags = ['bind-address', 'ingress-address', 'egress-subnets'] as const;
      const { values, positionals } = parse(
        args,
        {
          ...FORMAT,
          ...RELATION,
          'bind-address': { type: 'boolean' },
          'ingress-address': { type: 'boolean' },
          'egress-subnets': { type: 'boolean' },
          'primary-address': { type: 'boolean' },
        },
        1,
      );
      if (values.relation !== undefined) hook.relation(values.relation);
      const [binding] = positionals;
      if (binding === undefined) throw new Refusal(2, 'no arguments specified');
      if (binding === '') throw new Refusal(2, 'no binding name specified');
      if (!hook.isEndpoint(binding)) throw new Refusal(1, `no network config found for binding "${binding}"`);
      const network = networkOf(binding);
      const wanted = flags.filter((flag) => values[flag]);
      const address = network['bind-addresses'][0]?.addresses[0]?.value;
      const single = {
        'bind-address': address,
        'ingress-address': network['ingress-addresses'][0],
        'egress-subnets': network['egress-subnets'],
      };
      if (values['primary-address']) {
        if (wanted.length > 0) throw new Refusal(1, '--primary-address must be the only flag specified');
        return format(address, values);
      }
      const [first] = wanted;
      if (first === undefined) return format(values.format === 'json' ? network : asOfOld(network), values);
      if (wanted.length === 1) return format(single[first], values);
      return format(Object.fromEntries(wanted.map((flag) => [flag, single[flag]])), values);
    },

    'unit-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [what] = positionals;
      if (what === undefined) throw new Refusal(2, 'no setting specified');
      if (what === 'public-address') return format(before.publicAddress, values);
      if (what === 'private-address') return format(OWN_ADDRESS, values);
      throw new Refusal(2, `unknown setting "${what}"`);
    },
  };
}

/** What network-get prints. */
interface Network {
  readonly 'bind-addresses': readonly {
    readonly 'mac-address': string;
    readonly 'interface-name': string;
    readonly addresses: readonly {
      readonly hostname: string;
      readonly value: string;
      readonly cidr: string;
    }[];
  }[];
  readonly 'egress-subnets': readonly string[];
  readonly 'ingress-addresses': readonly string[];
}

/** With the keys that agents had long ago, which Juju still gives in YAML. */
function asOfOld(network: Network) {
  return {
    ...network,
    'bind-addresses': network['bind-addresses'].map((item) => ({
      ...item,
      addresses: item.addresses.map((address) => ({ ...address, address: address.value })),
      macaddress: item['mac-address'],
      interfacename: item['interface-name'],
    })),
  };
}
