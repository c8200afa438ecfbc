import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, parse, Refusal } from './command-line.ts';
import { entry, format, FORMAT } from './format.ts';

const ACTION_KEY = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/** The action that runs. */
export function actionTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  return {
    'action-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      let value: unknown = hook.actionParams();
      for (const key of positionals[0]?.split('.') ?? []) value = entry(value, key);
      return format(value, values);
    },

    'action-set': (args) => {
      const pairs = parse(args, {}, ANY).positionals.map((arg) => {
        const at = arg.indexOf('=');
        if (at < 0) throw new Refusal(2, `argument ${JSON.stringify(arg)} must be of the form key...=value`);
        return [arg.slice(0, at), arg.slice(at + 1)] as const;
      });
      for (const part of pairs.flatMap(([key]) => key.split('.'))) {
        if (!ACTION_KEY.test(part))
          throw new Refusal(
            2,
            `key "${part}" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens`,
          );
        if (/^(stdout|stderr)(-encoding)?$/.test(part))
          throw new Refusal(2, `cannot set reserved action key "${part}"`);
      }
      for (const [key, value] of pairs) {
        hook.actionParams();
        hook.action.results[key] = value;
      }
      return '';
    },

    'action-fail': (args) => {
      const [message = 'action failed without reason given, check action for errors'] = parse(
        args,
        {},
        1,
      ).positionals;
      hook.actionParams();
      hook.action = { ...hook.action, status: 'failed', message };
      return '';
    },

    'action-log': (args) => {
      const { positionals } = parse(args, {}, ANY);
      if (positionals.length === 0) throw new Refusal(2, 'no message specified');
      hook.actionParams();
      hook.action.log.push(positionals.join(' '));
      return '';
    },
  };
}
