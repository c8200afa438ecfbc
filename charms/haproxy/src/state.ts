import type { GivenOptions, HookContext, Options } from 'juju-ts-ops';
import type { Occupant } from 'juju-ts-host';
import type { Tls } from './certificate.ts';
import type { Frontends } from './frontends.ts';
import type { Running } from './haproxy.ts';
import type { options } from './options.ts';
import type { Double, HttpRelation, Service } from './services.ts';

/** What Juju and the machine say. */
export interface State {
  readonly unit: string;
  readonly app: string;
  readonly model: HookContext['model'];
  /** Path of the charm on this machine. */
  readonly home: string;
  /** Whether this unit is being removed. */
  readonly isBeingRemoved: boolean;
  /** Who else looks after the HAProxy of this machine. */
  readonly occupant?: Occupant;
  /** The options that count: one that is wrong has the value of before. */
  readonly options: Options<typeof options>;
  /** The same as Juju has them. */
  readonly given: GivenOptions;
  /** What the user wants and is not applied, in words for a status. */
  readonly refused: readonly string[];
  readonly services: readonly Service[];
  readonly web: Frontends;
  readonly reverseproxy: readonly Pick<HttpRelation, 'id' | 'app' | 'problems'>[];
  readonly doubles: readonly Double[];
  readonly websites: readonly number[];
  readonly address: string;
  readonly maxConnections: number;
  readonly hasIpv6: boolean;
  readonly nameServers: readonly string[];
  readonly tls: Tls;
  /** Paths of all certificates that are on this machine, also of those that are not served any more. */
  readonly certificateFiles: readonly string[];
  /** Port of the statistics and metrics; 0 for none. */
  readonly statsPort: number;
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
  /** Ports that HAProxy needs for itself and another program has, with the option and the program's name. */
  readonly taken: readonly { readonly port: number; readonly option: PortOption; readonly by: string }[];
  /** The HAProxy that serves now; absent where none does. */
  readonly running?: Running;
  /** Whether it runs the configuration that is in its file. */
  readonly isCurrent: boolean;
}

/** The options that are ports. */
export type PortOption = 'port' | 'tls-port' | 'stats-port';

/** Which ports options ask for; without HTTPS none for that, and 0 for none. */
export function portUses(
  { port, 'tls-port': tlsPort }: Pick<Options<typeof options>, 'port' | 'tls-port'>,
  hasTls: boolean,
  statsPort: number,
): readonly (readonly [PortOption, number])[] {
  const uses = [
    ['port', port],
    ['tls-port', hasTls ? tlsPort : 0],
    ['stats-port', statsPort],
  ] as const;
  return uses.filter(([, number]) => number !== 0);
}

/**
 * How many connections fit the machine: a quarter of its memory at 100 KB each, with the kernel's part, and two
 * open files each. At least 500, at most 20 000.
 * @param memory bytes
 * @param files the most that a process may have open
 */
export function maxConnections(memory: number, files: number): number {
  // In whole GiB, because machines do not tell the very same number after every boot.
  const gibibytes = Math.max(1, Math.round(memory / 2 ** 30));
  return Math.max(500, Math.min(20_000, 2500 * gibibytes, Math.floor((files - 500) / 2)));
}
