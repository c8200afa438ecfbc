import { z } from 'zod';
import { Config, Texts } from '../answers.ts';
import type { RawBag } from '../databag.ts';
import type { Caller } from './caller.ts';
import { pairs } from './command-line.ts';

/** The options, and who leads. */
export function configTools({ ask, run }: Caller) {
  return {
    /** The options that have a value. */
    async configGet(): Promise<Readonly<Record<string, string | number | boolean>>> {
      return (await ask(Config, 'config-get', [])) ?? {};
    },

    async isLeader(): Promise<boolean> {
      return ask(z.boolean(), 'is-leader', []);
    },

    /**
     * Juju 3.6 only: what the leader told all units. Use the application's databag of a peer relation instead.
     * @throws {ToolMissingError}
     */
    async leaderGet(): Promise<RawBag> {
      return ask(Texts, 'leader-get', []);
    },

    /**
     * Juju 3.6 only. It takes effect at once, even if the hook fails.
     * @throws {NotLeaderError}
     * @throws {ToolMissingError}
     */
    async leaderSet(values: RawBag): Promise<void> {
      await run('leader-set', ['--', ...pairs(values)]);
    },
  };
}
