import { HANDOVER_NFT, HANDOVER_PAUSE, HANDOVER_TABLE } from './handover-nft.ts';
import { PEERS_NFT, TABLE } from './peers-nft.ts';
import { REALTIME_SCRIPT } from './realtime.ts';

/** What the charm adds to systemd's keepalived.service. */
export const SERVICE_CONF = '/etc/systemd/system/keepalived.service.d/keepalived-vip.conf';

/** The rules, and what the notify script writes, come and go with the daemon; without nftables it runs without rules. */
export const SERVICE_CONF_CONTENT = `# Written by the keepalived-vip charm.
[Service]
ExecStartPre=-/usr/sbin/nft --file ${PEERS_NFT}
ExecStartPost=-${REALTIME_SCRIPT} $MAINPID
ExecStop=-/usr/sbin/nft --file ${HANDOVER_NFT}
ExecStop=-/usr/bin/sleep ${HANDOVER_PAUSE}
ExecReload=-/usr/sbin/nft --file ${PEERS_NFT}
ExecStopPost=-/usr/sbin/nft delete table inet ${TABLE}
ExecStopPost=-/usr/sbin/nft delete table inet ${HANDOVER_TABLE}
RuntimeDirectory=keepalived
Restart=always
RestartSec=1
OOMScoreAdjust=-900
CPUWeight=10000
`;

/** What the charm adds to systemd's nftables.service. */
export const NFTABLES_CONF = '/etc/systemd/system/nftables.service.d/keepalived-vip.conf';

/** Whatever it does begins with the removal of all tables of the machine, ours included. */
export const NFTABLES_CONF_CONTENT = `# Written by the keepalived-vip charm.
[Service]
ExecStartPost=-/usr/sbin/nft --file ${PEERS_NFT}
ExecReload=-/usr/sbin/nft --file ${PEERS_NFT}
ExecStopPost=-/usr/sbin/nft --file ${PEERS_NFT}
`;
