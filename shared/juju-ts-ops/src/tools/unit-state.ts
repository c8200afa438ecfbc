import { Texts } from '../answers.ts';
import type { RawBag } from '../databag.ts';
import type { Caller } from './caller.ts';
import { yamlMap } from './command-line.ts';

/** The state of the unit. */
export function unitStateTools({ ask, run }: Caller) {
  return {
    /** What this unit keeps in the controller. */
    async stateGet(): Promise<RawBag> {
      return ask(Texts, 'state-get', []);
    },

    /** The values go through stdin. Juju takes keys of up to 256 bytes and values of up to 64 KiB. */
    async stateSet(values: RawBag): Promise<void> {
      await run('state-set', ['--file', '-'], { input: yamlMap(values) });
    },

    async stateDelete(key: string): Promise<void> {
      await run('state-delete', [key]);
    },
  };
}
