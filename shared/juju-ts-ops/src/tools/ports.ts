import { Strings } from '../answers.ts';
import type { Caller } from './caller.ts';

/** The ports that the unit has open. */
export function portTools({ ask, run }: Caller) {
  return {
    /** `["80/tcp", "8080-8088/udp", "icmp"]`, without the ports that this hook has opened. */
    async openedPorts(): Promise<readonly string[]> {
      return ask(Strings, 'opened-ports', []);
    },

    /** The same, with the endpoints for whose networks each port is open; `["*"]` means all of them. */
    async openedPortsByEndpoint(): Promise<Readonly<Record<string, readonly string[]>>> {
      const lines = await ask(Strings, 'opened-ports', ['--endpoints']);
      return Object.fromEntries(
        lines.map((line) => {
          const [port = '', endpoints = ''] = line.split(/ \(|\)$/);
          return [port, endpoints.split(/, ?/)];
        }),
      );
    },

    /**
     * @param port `80/tcp`, `8080-8088/udp` or `icmp`
     * @param endpoints for whose networks; if absent, for all
     */
    async openPort(port: string, endpoints: readonly string[] = []): Promise<void> {
      await run('open-port', [port, ...only(endpoints)]);
    },

    async closePort(port: string, endpoints: readonly string[] = []): Promise<void> {
      await run('close-port', [port, ...only(endpoints)]);
    },
  };
}

function only(endpoints: readonly string[]): readonly string[] {
  return endpoints.length > 0 ? ['--endpoints', endpoints.join(',')] : [];
}
