// Before a region restarts, it refuses those who come from other machines: balancers ask another region then, and lose no request.
import { setTimeout as sleep } from 'node:timers/promises';
import { connections, tryRun } from 'juju-ts-host';
import { REGION_HTTP_PORT } from '@maas-ha/maas';
import { MAAS_TLS_PORT } from '../tls/plan.ts';

const TABLE = 'maas-region-door';
/** After how long, in seconds, the kernel opens it by itself, where the hook that closed it has died. */
const FORGOTTEN = 300;
/** How long balancers take to see it: HAProxy's three checks, and time for a busy machine, in milliseconds. */
const SEEN = 3000;
/** How long requests may take that were let in before. */
const FINISHED = 10_000;

const PORTS = [REGION_HTTP_PORT, MAAS_TLS_PORT];

const RULES = `table inet ${TABLE}
delete table inet ${TABLE}
table inet ${TABLE} {
  set closed {
    type inet_service; flags timeout
    elements = { ${PORTS.map((port) => `${port} timeout ${FORGOTTEN}s`).join(', ')} }
  }
  chain input {
    type filter hook input priority 0; policy accept;
    ip daddr 127.0.0.0/8 accept
    ip6 daddr ::1 accept
    tcp dport @closed ct state new reject with tcp reset
  }
}
`;

/**
 * Refuses new connections to this region's web server, those from this machine's own loopback excepted, and waits until balancers
 * have noticed and the requests that are under way have their answers. Without nftables it does nothing.
 */
export async function turnAway(): Promise<void> {
  if ((await tryRun(['nft', '-f', '-'], { stdin: RULES })).exitCode !== 0) return;
  const begun = performance.now();
  await sleep(SEEN);
  while (performance.now() - begun < FINISHED && (await hasVisitors())) await sleep(200);
}

/** Lets them in again. */
export async function welcome(): Promise<void> {
  await tryRun(['nft', 'delete', 'table', 'inet', TABLE]);
}

/** Whether somebody from outside is connected to the web server. */
async function hasVisitors(): Promise<boolean> {
  const ports = PORTS.map((port) => `sport = :${port}`).join(' or ');
  const filter = `( ${ports} ) and not ( src 127.0.0.0/8 or src [::1] )`;
  return (await connections(filter)).length > 0;
}
