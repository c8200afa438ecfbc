import { z } from 'zod';
import type { Caller } from './caller.ts';
import { pairs, word } from './command-line.ts';

/** The action that runs. */
export function actionTools({ ask, run }: Caller) {
  return {
    async actionGet(): Promise<Readonly<Record<string, unknown>>> {
      return (await ask(z.record(z.string(), z.unknown()).nullable(), 'action-get', [])) ?? {};
    },

    /** Sets results. A result of more than 128 KiB is cut, because no program takes a longer argument. */
    async actionSet(results: Readonly<Record<string, string>>): Promise<void> {
      const values = pairs(results).map(word);
      if (values.length > 0) await run('action-set', ['--', ...values]);
    },

    async actionFail(message: string): Promise<void> {
      await run('action-fail', ['--', word(message)]);
    },

    /** Shows a message at once to the user who waits for the action. */
    async actionLog(message: string): Promise<void> {
      await run('action-log', ['--', word(message)]);
    },
  };
}
