import { z } from 'zod';
import { LEVELS } from '../../agent/log.ts';
import { describeApplication, describeUnit, fullStatus, workloadOf } from '../status.ts';
import { Names, verb } from '../verb.ts';

export const showVerbs = {
  status: verb(z.object({ selectors: z.array(z.string()) }), ({ model, base }, { selectors }) =>
    fullStatus(model, base, selectors),
  ),

  'show-unit': verb(Names, ({ model, base }, { names }) =>
    Object.fromEntries(names.map((name) => [name, describeUnit(model, model.unit(name), base)])),
  ),

  'show-application': verb(Names, ({ model, base }, { names }) =>
    Object.fromEntries(names.map((name) => [name, describeApplication(model.application(name), base)])),
  ),

  // In one answer: a unit may become idle as it becomes blocked. What has lost its principal no status shows.
  'unsettled-units': verb(z.unknown(), ({ model, scheduler }) =>
    [...model.units.values()]
      .filter(({ principal }) => principal === undefined || model.units.has(principal))
      .filter((unit) => workloadOf(model, unit).current !== 'active' || !scheduler.isIdle(unit))
      .map(({ name }) => name),
  ),

  'debug-log': verb(
    z.object({ offset: z.int().min(0), level: z.string() }),
    async ({ log }, { offset, level }) => {
      const least = LEVELS.indexOf(level);
      const read = await log.read(offset);
      return { ...read, lines: read.lines.filter((line) => LEVELS.indexOf(line.level) >= least) };
    },
  ),
};
