import type { Instance } from '../state.ts';
import { renderIncomingTable } from './incoming-table.ts';

/** The name of the nftables table, which is there only while addresses are being given away. */
export const HANDOVER_TABLE = 'keepalived-vip-handover';
export const HANDOVER_NFT = '/etc/keepalived/handover.nft';

/**
 * Seconds that requests under way have to end, before their address moves away from under them. With the takeover it
 * is less than the second after which those try again that have been kept out.
 */
export const HANDOVER_PAUSE = 0.5;

/**
 * nftables rules for the moment before addresses are given away on purpose: no new connection begins here, its client
 * tries again after a second and then meets the next holder. A connection that an address leaves behind is lost.
 */
export function renderHandoverNft(instances: readonly Instance[]): string {
  const rules = instances.map(({ family, vips }) => {
    const daddr = family === 'ipv4' ? 'ip daddr' : 'ip6 daddr';
    const addresses = vips.map(({ address }) => address).join(', ');
    return `${daddr} { ${addresses} } tcp flags & (syn | ack) == syn drop`;
  });
  return renderIncomingTable(
    'no new connections while the addresses are being given away',
    HANDOVER_TABLE,
    [],
    rules,
  );
}
