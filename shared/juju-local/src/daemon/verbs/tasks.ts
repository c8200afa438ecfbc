import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Scheduler } from '../../agent/scheduler.ts';
import { newTask, shellOf, type Task } from '../../agent/task.ts';
import { actionParams, setPath } from '../../charm/actions.ts';
import { UsageError } from '../../errors.ts';
import { unitOrLeader, verb } from '../verb.ts';

/** How long a command waits for its tasks, in seconds, which stay in their units' queues; absent: for ever. */
const Wait = z.number().nonnegative().optional();

export const taskVerbs = {
  run: verb(
    z.object({
      units: z.array(z.string()).min(1),
      action: z.string(),
      params: z.record(z.string(), z.unknown()),
      wait: Wait,
    }),
    ({ model, scheduler }, { units, action, params, wait }, progress) => {
      const operation = model.settings.nextTask;
      model.settings.nextTask += 1;
      const problems: string[] = [];
      const tasks = units.flatMap((name) => {
        try {
          const unit = unitOrLeader(model, name);
          const checked = actionParams(model.application(unit.app).charm, action, params);
          return [newTask(model, unit, { kind: 'action', name: action, task: '' }, { params: checked })];
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          problems.push(error.message);
          return [];
        }
      });
      // There is an operation, which fails; juju exits with 0 all the same (cmd/juju/action/common.go).
      if (tasks.length === 0) {
        progress(`Operation ${operation} failed to schedule any tasks:\n${problems.join('\n')}`);
        return {};
      }
      progress(`Running operation ${operation} with ${tasks.length} task${tasks.length === 1 ? '' : 's'}`);
      for (const { id, unit } of tasks) progress(`  - task ${id} on unit-${unit.replace('/', '-')}`);
      if (problems.length > 0) progress(`Some actions could not be scheduled:\n${problems.join('\n')}\n`);
      return runAll(scheduler, tasks, wait);
    },
  ),

  exec: verb(
    z.object({
      units: z.array(z.string()),
      apps: z.array(z.string()),
      all: z.boolean(),
      argv: z.array(z.string()).min(1),
      wait: Wait,
    }),
    ({ model, scheduler }, { units, apps, all, argv, wait }) => {
      const chosen = all
        ? [...model.units.values()]
        : [
            ...units.map((name) => unitOrLeader(model, name)),
            ...apps.flatMap((app) => model.unitsOf(model.application(app).name)),
          ];
      if (chosen.length === 0) throw new UsageError('no units: give --unit, --application or --all');
      const tasks = chosen.map((unit) =>
        newTask(model, unit, { kind: 'exec', task: '' }, { argv: shellOf(argv) }),
      );
      return runAll(scheduler, tasks, wait);
    },
  ),

  'run-hook': verb(
    z.object({ unit: z.string(), hook: z.string() }),
    ({ model, scheduler }, { unit, hook }) => {
      const lifecycle = [
        'install',
        'start',
        'config-changed',
        'update-status',
        'leader-elected',
        'upgrade-charm',
      ];
      if (!lifecycle.includes(hook)) throw new UsageError(`run-hook runs one of: ${lifecycle.join(', ')}`);
      return runAll(scheduler, [newTask(model, model.unit(unit), { kind: 'hook', name: hook })]);
    },
  ),

  resolved: verb(
    z.object({ names: z.array(z.string()), all: z.boolean(), noRetry: z.boolean() }),
    async ({ model, scheduler }, { names, all, noRetry }) => {
      const units = all
        ? [...model.units.values()].filter(({ failed }) => failed)
        : names.map((name) => model.unit(name));
      for (const unit of units) {
        if (!unit.failed) throw new UsageError(`unit "${unit.name}" is not in an error state`);
        await scheduler.resolve(unit, noRetry);
      }
    },
  ),
};

/**
 * Runs tasks and gives what `juju run --format json` gives.
 * @throws {UsageError} naming those that have not come to an end in time, in the words of cmd/juju/action/common.go
 */
async function runAll(scheduler: Scheduler, tasks: readonly Task[], wait?: number) {
  const missing = new Set(tasks);
  for (const task of tasks) {
    scheduler.addTask(task);
    void task.finished.then(() => missing.delete(task));
  }
  const all = Promise.all(tasks.map(({ finished }) => finished));
  if (wait === undefined) await all;
  else {
    const ended = new AbortController();
    await Promise.race([all, sleep(wait * 1000, undefined, { signal: ended.signal })]);
    ended.abort();
  }
  if (missing.size > 0) {
    const receivers = [...missing].map(({ unit }) => `unit ${unit}`).sort();
    throw new UsageError(`timed out waiting for results from: ${receivers.join(', ')}`);
  }
  const results = tasks.map((task) => {
    const {
      id,
      unit,
      status,
      results: own,
      message,
      log,
      exitCode,
      stdout,
      stderr,
      enqueued,
      started,
      completed,
    } = task;
    return [
      unit,
      {
        id,
        status,
        unit,
        results: {
          ...nested(own),
          ...(exitCode !== undefined && { 'return-code': exitCode }),
          ...(stdout !== '' && { stdout }),
          ...(stderr !== '' && { stderr }),
        },
        ...(message !== undefined && { message }),
        ...(log.length > 0 && { log }),
        timing: { enqueued, started, completed },
      },
    ];
  });
  return Object.fromEntries(results);
}

function nested(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(flat)) setPath(result, path.split('.'), value);
  return result;
}
