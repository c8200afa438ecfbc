import { z } from 'zod';
import type { ModelLog } from '../agent/log.ts';
import type { Scheduler } from '../agent/scheduler.ts';
import type { CharmStore } from '../charm/archive.ts';
import { UsageError } from '../errors.ts';
import type { Machines } from '../machines/machines.ts';
import type { Unit } from '../model/documents.ts';
import type { Model } from '../model/model.ts';

/** What the verbs work on. */
export interface Daemon {
  readonly model: Model;
  readonly scheduler: Scheduler;
  readonly machines: Machines;
  readonly charms: CharmStore;
  readonly log: ModelLog;
  /** Operating system of the machines. */
  readonly base: { readonly name: string; readonly channel: string };
}

export type Verb = (daemon: Daemon, args: unknown, progress: (message: string) => void) => Promise<unknown>;

/** Checks the arguments of a verb before it runs. */
export function verb<T>(
  schema: z.ZodType<T>,
  run: (daemon: Daemon, args: T, progress: (message: string) => void) => unknown,
): Verb {
  return async (daemon, args, progress) => {
    const answer = await run(daemon, schema.parse(args), progress);
    daemon.scheduler.wake();
    return answer;
  };
}

export const Names = z.object({ names: z.array(z.string()).min(1) });

export function unitOrLeader(model: Model, name: string): Unit {
  const [app = '', number] = name.split('/');
  if (number !== 'leader') return model.unit(name);
  const { leader } = model.application(app);
  if (leader === undefined) throw new UsageError(`could not determine leader for "${app}"`);
  return model.unit(leader);
}
