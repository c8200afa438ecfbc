import type { Charmcraft } from '../../charmcraft.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, FILE, keyValues, mapIn, parse, Refusal } from './command-line.ts';
import { format, FORMAT } from './format.ts';

/** What the unit keeps in the controller. */
export function unitStateTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  return {
    'state-get': (args) => {
      const { values, positionals } = parse(
        args,
        { ...FORMAT, strict: { type: 'boolean', default: false } },
        1,
      );
      const { stored } = hook.pending;
      const [key = ''] = positionals;
      if (['', '-'].includes(key)) {
        const isNothing = Object.keys(stored).length === 0 && values.format === 'json';
        return format(isNothing ? null : stored, values);
      }
      if (stored[key] === undefined && values.strict) throw new Refusal(1, `"${key}" not found`);
      return format(stored[key] ?? '', values);
    },

    'state-set': (args, stdin) => {
      const { values, positionals } = parse(args, FILE, ANY);
      const over = keyValues(positionals);
      const given = { ...mapIn(values.file, stdin), ...over };
      for (const [key, value] of Object.entries(given)) {
        if (Buffer.byteLength(key) > 256)
          throw new Refusal(
            1,
            'max allowed key size (256) exceeded: max allowed charm state key length exceeded',
          );
        if (Buffer.byteLength(value) > 65_536)
          throw new Refusal(
            1,
            'max allowed value size (65536) exceeded: max allowed charm state value length exceeded',
          );
      }
      hook.pending.stored = { ...hook.pending.stored, ...given };
      return '';
    },

    'state-delete': (args) => {
      const [key] = parse(args, {}, 1).positionals;
      hook.pending.stored = Object.fromEntries(
        Object.entries(hook.pending.stored).filter(([name]) => name !== key),
      );
      return '';
    },
  };
}
