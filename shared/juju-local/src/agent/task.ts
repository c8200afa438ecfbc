import type { Operation, Unit } from '../model/documents.ts';
import { now, type Model } from '../model/model.ts';

/** Something that a user asked for: an action, commands to execute, or a hook to run once more. */
export interface Task {
  readonly id: string;
  readonly unit: string;
  readonly operation: Operation;
  /** Of an action. */
  readonly params: Readonly<Record<string, unknown>>;
  /** What to execute, where it is neither an action nor a hook. */
  readonly argv?: readonly [string, ...string[]];
  status: 'pending' | 'running' | 'completed' | 'failed' | 'aborted';
  results: Record<string, unknown>;
  message?: string;
  log: string[];
  exitCode?: number;
  stdout: string;
  stderr: string;
  readonly enqueued: string;
  started?: string;
  completed?: string;
  readonly finished: Promise<void>;
  readonly finish: () => void;
}

/** Numbers a task; it runs when it is given to the scheduler. */
export function newTask(
  model: Model,
  unit: Unit,
  operation: Operation,
  { params = {}, argv }: Partial<Pick<Task, 'params' | 'argv'>> = {},
): Task {
  const id = String(model.settings.nextTask);
  model.settings.nextTask += 1;
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    id,
    unit: unit.name,
    operation: operation.kind === 'hook' ? operation : { ...operation, task: id },
    params,
    ...(argv && { argv }),
    status: 'pending',
    results: {},
    log: [],
    stdout: '',
    stderr: '',
    enqueued: now(),
    finished: promise,
    finish: resolve,
  };
}

/** What runs a command line as juju does: one word is a script, several are a program and its arguments. */
export function shellOf(words: readonly string[]): readonly [string, ...string[]] {
  const [only = ''] = words;
  const script =
    words.length === 1 ? only : words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['/bin/bash', '-c', script];
}
