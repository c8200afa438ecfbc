import { z } from 'zod';
import type { Machines } from './machines.ts';

/** How long a machine may take to say its addresses, in milliseconds. */
const TIMEOUT = 2000;

const Interfaces = z.array(
  z.object({
    ifname: z.string(),
    addr_info: z.array(z.object({ local: z.string().optional(), scope: z.string() })),
  }),
);

/** The addresses that each running machine has beside its own, by machine: virtual ones, as a rule. */
export async function heldAddresses(
  machines: Pick<Machines, 'list' | 'run'>,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const running = (await machines.list()).filter(({ state }) => state === 'running');
  const held = await Promise.all(
    running.map(async ({ id, address }) => {
      // A machine that goes down meanwhile, or hangs, holds nothing that anybody could use.
      const asked = machines.run(id, ['ip', '-json', 'address'], { signal: AbortSignal.timeout(TIMEOUT) });
      const { stdout, exitCode } = await asked.catch(() => ({ stdout: '', exitCode: 1 }));
      return [id, exitCode === 0 ? addressesIn(stdout).filter((one) => one !== address) : []] as const;
    }),
  );
  return Object.fromEntries(held);
}

/**
 * What `ip -json address` lists that others can reach. A virtual address may have the scope `host`: then the machine sends
 * nothing from it, and answers there all the same.
 */
function addressesIn(json: string): readonly string[] {
  return Interfaces.parse(JSON.parse(json))
    .filter(({ ifname }) => ifname !== 'lo')
    .flatMap(({ addr_info: each }) => each)
    .flatMap(({ local, scope }) => (local !== undefined && scope !== 'link' ? [local] : []));
}
