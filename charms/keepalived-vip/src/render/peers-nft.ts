import type { Instance } from '../state.ts';
import { renderIncomingTable } from './incoming-table.ts';

/** The name of the nftables table. */
export const TABLE = 'keepalived-vip';
export const PEERS_NFT = '/etc/keepalived/peers.nft';

/** How long a foreign router is remembered after its last advert. */
const MEMORY = '10m';

/** What the rules depend on. */
export interface PeersFilter {
  readonly instances: readonly Instance[];
  readonly virtualRouterId: number;
  readonly unicast: boolean;
  /** Names of instances whose peers may send IPv6 with another hop limit, because they are of an older revision. */
  readonly lenient: readonly string[];
}

/**
 * nftables rules that let VRRP of this router number in from the peers only, because VRRP version 3 knows no
 * authentication, and remember who else sent it. What has passed a router on its way is not from a peer, whatever
 * sender it names: the peers send it with the highest TTL (hop limit) there is. Other routers' VRRP passes. Multicast of IPv6 comes from link-local
 * addresses, which nobody knows beforehand: it is not filtered.
 */
export function renderPeersNft({ instances, virtualRouterId, unicast, lenient }: PeersFilter): string {
  // The second byte of VRRP is the number of the router. https://www.rfc-editor.org/rfc/rfc5798#section-5.2
  const ours = (device: string): string => `iifname "${device}" meta l4proto 112 @th,8,8 ${virtualRouterId}`;
  const routed = instances
    .filter(({ name }) => !lenient.includes(name))
    .map(({ interface: device, family }) => {
      const hops = family === 'ipv4' ? 'ip ttl' : 'ip6 hoplimit';
      return `${ours(device)} ${hops} != 255 drop`;
    });
  const strange = instances
    .filter(({ family, peers }) => peers.length > 0 && (unicast || family === 'ipv4'))
    .flatMap(({ interface: device, family, source, peers }) => {
      const saddr = family === 'ipv4' ? 'ip saddr' : 'ip6 saddr';
      const allowed = [source, ...peers.map(({ address }) => address)].join(', ');
      const foreign = `${ours(device)} ${saddr} != { ${allowed} }`;
      // A full set ends its rule: what drops is one of its own.
      return [`${foreign} update @foreign-${family} { ${saddr} }`, `${foreign} drop`];
    });
  return renderIncomingTable(
    'VRRP comes from the other units only',
    TABLE,
    (['ipv4', 'ipv6'] as const).map(
      (family) =>
        `set foreign-${family} { type ${family}_addr; flags dynamic, timeout; timeout ${MEMORY}; size 64; }`,
    ),
    [...routed, ...strange],
  );
}
