import { describe } from '@jest/globals';

/** Why this machine cannot have machines of its own; nothing if it can. */
const obstacle =
  process.platform !== 'linux'
    ? 'needs Linux'
    : process.getuid?.() !== 0
      ? 'needs root: sudo npm test'
      : undefined;

/** A `describe` whose tests make machines: skipped, and named, where that is impossible. */
export function describeOnMachines(name: string, tests: () => void): void {
  if (obstacle === undefined) describe(name, tests);
  else describe.skip(`${name} (${obstacle})`, tests);
}
