import type { RunResult } from '../machines/machines.ts';
import type { Operation, Unit } from '../model/documents.ts';
import type { Task } from './task.ts';

/** The tasks that have not ended, in the order in which they were asked for. */
export class TaskQueue {
  readonly #tasks: Task[] = [];
  readonly #now: () => string;

  constructor(now: () => string) {
    this.#now = now;
  }

  add(task: Task): void {
    this.#tasks.push(task);
  }

  /** The task that asks for an operation. */
  of(operation: Operation): Task | undefined {
    return this.#tasks.find((candidate) => candidate.operation === operation);
  }

  /** What waits to run on a unit. */
  pending(unit: Unit): Operation[] {
    return this.#tasks
      .filter((task) => task.unit === unit.name && task.status === 'pending')
      .map(({ operation }) => operation);
  }

  begin(task: Task): void {
    Object.assign(task, { status: 'running', started: this.#now() });
  }

  finish(task: Task, result: RunResult, problem: string | undefined): void {
    this.#drop(task);
    task.exitCode = result.exitCode ?? -1;
    task.stdout = result.stdout;
    task.stderr = result.stderr;
    task.completed = this.#now();
    // A message of action-fail only counts when the process succeeds.
    if (problem !== undefined) {
      task.status = 'failed';
      task.message = problem;
    } else if (task.status !== 'failed') task.status = 'completed';
    task.finish();
  }

  abort(task: Task, message: string): void {
    if (!this.#drop(task)) return;
    Object.assign(task, { status: 'aborted', message, completed: this.#now() });
    task.finish();
  }

  /** Aborts every task; of one unit, if it is named. */
  abortAll(message: string, unit?: Unit): void {
    for (const task of this.#tasks.slice())
      if (unit === undefined || task.unit === unit.name) this.abort(task, message);
  }

  /** Whether the task was still there. */
  #drop(task: Task): boolean {
    const at = this.#tasks.indexOf(task);
    if (at >= 0) this.#tasks.splice(at, 1);
    return at >= 0;
  }
}
