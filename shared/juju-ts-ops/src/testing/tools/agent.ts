import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, parse, Refusal } from './command-line.ts';
import { OLD_FORMAT } from './format.ts';

/** What the agent of the unit does for the charm. */
export function agentTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  return {
    'juju-reboot': (args) => {
      const { values } = parse(args, { now: { type: 'boolean', default: false } }, 0);
      if (hook.isAction) throw new Refusal(1, 'juju-reboot is not supported when running an action.');
      hook.reboot = values.now ? 'now' : 'after-hook';
      return '';
    },

    'juju-log': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...OLD_FORMAT,
          'log-level': { type: 'string', short: 'l', default: 'INFO' },
          debug: { type: 'boolean', default: false },
        },
        ANY,
      );
      if (positionals.length === 0) throw new Refusal(2, 'no message specified');
      const wanted = values.debug ? 'DEBUG' : values['log-level'].toUpperCase();
      const level = (['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const).find((known) => known === wanted);
      hook.logs.push({ level: level ?? 'INFO', message: positionals.join(' ') });
      return '';
    },
  };
}
