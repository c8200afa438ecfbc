import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, keyValues, parse, Refusal } from './command-line.ts';
import { entry, format, FORMAT } from './format.ts';

/** The options, and who leads. `leader-get` and `leader-set` are those of Juju 3.6. */
export function configTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;
  return {
    'config-get': (args) => {
      const { values, positionals } = parse(
        args,
        { ...FORMAT, all: { type: 'boolean', short: 'a', default: false } },
        1,
      );
      const [key = ''] = positionals;
      if (values.all && key !== '')
        throw new Refusal(2, `cannot use argument --all together with key "${key}"`);
      const declared = Object.entries(hook.charmcraft.options).map(
        ([name, { default: value }]): [string, unknown] => [name, entry(before.options, name) ?? value],
      );
      const options = Object.fromEntries(
        declared.flatMap(([name, value]) =>
          value === undefined ? (values.all ? [[name, null]] : []) : [[name, value]],
        ),
      );
      return format(key === '' ? options : entry(options, key), values);
    },

    'is-leader': (args) => format(before.isLeader, parse(args, FORMAT, 0).values),

    'leader-get': (args) => {
      const { values, positionals } = parse(args, FORMAT, 1);
      const [key = ''] = positionals;
      if (key.includes('=')) throw new Refusal(2, `invalid key "${key}"`);
      return format(['', '-'].includes(key) ? {} : undefined, values);
    },

    'leader-set': (args) => {
      keyValues(parse(args, {}, ANY).positionals);
      if (!before.isLeader)
        throw new Refusal(1, 'cannot write leadership settings: cannot write settings: not the leader');
      return '';
    },
  };
}
