import type { Caller } from './caller.ts';
import { word } from './command-line.ts';

/** A level of `juju debug-log`. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

/** What the agent of the unit does for the charm. */
export function agentTools({ run }: Caller) {
  return {
    /**
     * Reboots the machine after the hook; or `now`, which kills the hook, and Juju runs it again after the reboot.
     * Not for actions.
     */
    async reboot(when: 'after-hook' | 'now'): Promise<void> {
      await run('juju-reboot', when === 'now' ? ['--now'] : []);
    },

    /** Writes to the log. A message of more than 128 KiB is cut, because no program takes a longer argument. */
    async jujuLog(level: LogLevel, message: string): Promise<void> {
      await run('juju-log', ['--log-level', level, '--', word(message)]);
    },
  };
}
