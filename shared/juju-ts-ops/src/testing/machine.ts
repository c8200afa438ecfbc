import { inspect } from 'node:util';
import type { Change } from '../apply.ts';
import type { Machine } from '../charm.ts';

/** A machine that does nothing but remember, for tests. */
export interface RecordingMachine<Resource> extends Machine<Resource> {
  /** What it was last asked to be like; absent: it never was. */
  readonly resources: readonly Resource[] | undefined;
}

/**
 * Takes the place of a charm's machine. It is at once as it was asked to be: `apply` reports the resources that it
 * was not asked for the last time, so that a plan which does not settle shows as changes without end.
 *
 * @param nameOf what a resource is called in the changes
 */
export function recordingMachine<Resource>(
  nameOf: (resource: Resource) => string = (resource) =>
    inspect(resource, { depth: 0, breakLength: Infinity }),
): RecordingMachine<Resource> {
  let current: readonly Resource[] | undefined;
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
    apply: (resources) => {
      const made = changes(resources);
      current = resources;
      known = new Set(resources.map(textOf));
      return Promise.resolve(made);
    },
    preview: (resources) => Promise.resolve(changes(resources)),
  };
}
