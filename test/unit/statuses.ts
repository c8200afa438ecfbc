import { expect } from '@jest/globals';
import type { Status } from 'juju-ts-ops';
import { isKnown, knownStatuses, type KnownStatus } from '../../docs/statuses.ts';
import { shownText } from '../../shared/juju-ts-ops/src/status.ts';

const known = new Map<string, readonly KnownStatus[]>();
for (const charm of ['haproxy', 'keepalived-vip', 'maas-rack', 'maas-region'])
  known.set(charm, await knownStatuses(charm));

/** What `juju status` shows of each: whole in its table, not cut, and as the reference of the charm has it. */
export function shown(charm: string, statuses: readonly Status[]): readonly string[] {
  for (const status of statuses) expectRight(charm, status.level, shownText(status));
  return statuses.map(shownText);
}

/** Only what others say may be too long, and is cut. */
export function expectRight(charm: string, level: string, text: string): void {
  expect(text.length > 100 || text.includes('…') ? `too long: ${text}` : text).toBe(text);
  expect(
    text === '' || isKnown(text, level, known.get(charm) ?? []) ? text : `not in statuses.yaml: ${text}`,
  ).toBe(text);
}
