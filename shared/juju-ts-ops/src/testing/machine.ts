import { inspect } from 'node:util';
import type { Change } from '../apply.ts';
import type { Machine } from '../charm.ts';

/** A machine for tests that only records what it is asked. */
export interface RecordingMachine<Resource> extends Machine<Resource> {
  /** The resources of the last `apply`; absent before the first. */
  readonly resources: readonly Resource[] | undefined;
  /** The last scheduled command; absent if there was none. */
  readonly scheduled: Scheduled | undefined;
}

/** A command that a machine runs later. */
export interface Scheduled {
  readonly name: string;
  /** In seconds. */
  readonly delay: number;
  readonly command: readonly string[];
}

/**
 * Replaces the machine of a charm. It takes every desired state at once. `apply` reports the resources that the call
 * before did not ask for, so a plan that does not settle shows changes without end.
 *
 * @param nameOf names a resource in the changes
 */
export function recordingMachine<Resource>(
  nameOf: (resource: Resource) => string = (resource) =>
    inspect(resource, { depth: 0, breakLength: Infinity }),
): RecordingMachine<Resource> {
  let current: readonly Resource[] | undefined;
  let scheduled: Scheduled | undefined;
  let known = new Set<string>();
  const textOf = (resource: Resource): string => inspect(resource, { depth: null });
  const changes = (resources: readonly Resource[]): readonly Change[] =>
    resources
      .filter((resource) => !known.has(textOf(resource)))
      .map((resource) => ({ what: nameOf(resource), how: 'changed' }));
  return {
    get resources() {
      return current;
    },
    get scheduled() {
      return scheduled;
    },
    apply: (resources) => {
      const made = changes(resources);
      current = resources;
      known = new Set(resources.map(textOf));
      return Promise.resolve(made);
    },
    preview: (resources) => Promise.resolve(changes(resources)),
    schedule: (name, delay, command) => {
      scheduled = delay === undefined ? undefined : { name, delay, command };
      return Promise.resolve();
    },
  };
}
