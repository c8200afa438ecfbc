import type { Instance } from '../instances.ts';

/** The name of the nftables table. */
export const TABLE = 'keepalived-vip';
export const PEERS_NFT = '/etc/keepalived/peers.nft';

/**
 * nftables rules that let VRRP of this router number in from the peers only, because VRRP version 3 knows no
 * authentication. Other routers' VRRP passes. Loading the file replaces the table of before in one step.
 * Multicast of IPv6 comes from link-local addresses, which nobody knows beforehand: it is not filtered.
 */
export function renderPeersNft(
  instances: readonly Instance[],
  virtualRouterId: number,
  unicast: boolean,
): string {
  const rules = instances
    .filter(({ family, peers }) => peers.length > 0 && (unicast || family === 'ipv4'))
    .map(({ interface: name, family, peers }) => {
      const source = family === 'ipv4' ? 'ip' : 'ip6';
      const allowed = peers.map(({ address }) => address).join(', ');
      // The second byte of VRRP is the number of the router. https://www.rfc-editor.org/rfc/rfc5798#section-5.2
      return `        iifname "${name}" meta l4proto 112 @th,8,8 ${virtualRouterId} ${source} saddr != { ${allowed} } drop`;
    });
  return [
    '# Written by the keepalived-vip charm: VRRP comes from the other units only.',
    `table inet ${TABLE}`,
    `delete table inet ${TABLE}`,
    `table inet ${TABLE} {`,
    '    chain input {',
    '        type filter hook input priority filter - 10; policy accept;',
    ...rules,
    '    }',
    '}',
    '',
  ].join('\n');
}
