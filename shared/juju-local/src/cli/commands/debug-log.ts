import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LEVELS } from '../../agent/log.ts';
import { UsageError } from '../../errors.ts';
import { count, list, MANY } from '../arguments.ts';
import { define } from '../command.ts';

export const logCommands = {
  'debug-log': define(
    'debug-log [-n N] [--replay] [--tail|--no-tail] [--limit N] [-l LEVEL] [-i unit] [-x unit] [--include-module M] [--exclude-module M] [--ms] [--date]',
    'Shows the log of units and charms.',
    {
      lines: { type: 'string', short: 'n', default: '10' },
      limit: { type: 'string' },
      replay: { type: 'boolean' },
      tail: { type: 'boolean' },
      'no-tail': { type: 'boolean' },
      level: { type: 'string', short: 'l', default: 'DEBUG' },
      include: { ...MANY, short: 'i' },
      exclude: { ...MANY, short: 'x' },
      'include-module': MANY,
      'exclude-module': MANY,
      ms: { type: 'boolean', default: false },
      date: { type: 'boolean', default: false },
    },
    { least: 0, most: 0 },
    async ({ request }, values) => {
      const level = values.level.toUpperCase();
      if (!LEVELS.includes(level))
        throw new UsageError(`level value "${values.level}" is not one of ${LEVELS.join(', ')}`);
      const isShown = logFilter({
        included: list(values.include),
        excluded: list(values.exclude),
        modules: list(values['include-module']),
        excludedModules: list(values['exclude-module']),
      });
      const most = values.replay === true ? Number.POSITIVE_INFINITY : count(values.lines);
      const follow = values.tail === true || (values['no-tail'] !== true && process.stdout.isTTY);
      let left = values.limit === undefined ? Number.POSITIVE_INFINITY : count(values.limit);
      let offset = 0;
      for (let isFirst = true; ; isFirst = false) {
        const read = Log.parse(await request('debug-log', { offset, level }));
        const lines = read.lines.filter(isShown);
        for (const { entity, time, level: each, module, message } of isFirst ? lines.slice(-most) : lines) {
          if (left === 0) return;
          left -= 1;
          const at = time.slice(values.date ? 0 : 11, values.ms ? 23 : 19).replace('T', ' ');
          console.log(`${entity}: ${at} ${each} ${module} ${message}`);
        }
        offset = read.offset;
        if (!follow) return;
        await sleep(500);
      }
    },
  ),
};

const Log = z.object({
  lines: z.array(
    z.object({
      time: z.string(),
      entity: z.string(),
      level: z.string(),
      module: z.string(),
      message: z.string(),
    }),
  ),
  offset: z.int(),
});

/** Which lines of the log are asked for; a module includes those below it. */
function logFilter(chosen: {
  readonly included: readonly string[];
  readonly excluded: readonly string[];
  readonly modules: readonly string[];
  readonly excludedModules: readonly string[];
}): (line: z.infer<typeof Log>['lines'][number]) => boolean {
  const matches = (entity: string) => (name: string) => {
    const tag = name.includes('/') ? `unit-${name.replace('/', '-')}` : name;
    return entity === tag || (tag.endsWith('*') && entity.startsWith(tag.slice(0, -1)));
  };
  const covers = (module: string) => (name: string) => module === name || module.startsWith(`${name}.`);
  const { included, excluded, modules, excludedModules } = chosen;
  return ({ entity, module }) =>
    (included.length === 0 || included.some(matches(entity))) &&
    !excluded.some(matches(entity)) &&
    (modules.length === 0 || modules.some(covers(module))) &&
    !excludedModules.some(covers(module));
}
