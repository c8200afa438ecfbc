import type { CharmInfo } from '../charm/info.ts';
import { UsageError } from '../errors.ts';
import type { RelationEndpoint } from './documents.ts';

/** An application's endpoint that could be related. */
interface Candidate extends RelationEndpoint {
  readonly scope: 'global' | 'container';
  readonly isSubordinate: boolean;
}

/** Two endpoints that fit. */
export interface Pair {
  readonly endpoints: RelationEndpoint[];
  readonly scope: 'global' | 'container';
}

/**
 * The relation that `a[:endpoint] b[:endpoint]` means.
 * @param charmOf the charm of an application; throws when there is no such application
 * @throws {UsageError} when there is none, or more than one.
 */
export function inferRelation(charmOf: (app: string) => CharmInfo, first: string, second: string): Pair {
  const right = candidates(charmOf, second);
  const pairs = candidates(charmOf, first).flatMap((a) =>
    right.filter((b) => fits(a, b)).map((b) => [a, b] as const),
  );
  // What is implicit only counts where nothing else fits.
  const explicit = pairs.filter((pair) => !pair.some(isImplicit));
  const [pair, ...others] = pairs.length > 1 && explicit.length > 0 ? explicit : pairs;
  if (!pair) throw new UsageError('no relations found');
  if (others.length > 0) {
    const names = [pair, ...others].map((each) => `"${describeEndpoints(each)}"`);
    throw new UsageError(`ambiguous relation: "${first} ${second}" could refer to ${names.join('; ')}`);
  }
  const endpoints = pair.map(({ app, name, role, interface: contract }) => ({
    app,
    name,
    role,
    interface: contract,
  }));
  return { endpoints, scope: pair.some(({ scope }) => scope === 'container') ? 'container' : 'global' };
}

function candidates(charmOf: (app: string) => CharmInfo, text: string): Candidate[] {
  const [app = '', endpoint] = text.split(':');
  const { provides, requires, subordinate: isSubordinate } = charmOf(app).metadata;
  const list = (map: typeof provides, role: 'provider' | 'requirer'): Candidate[] =>
    Object.entries(map).map(([name, { interface: contract, scope }]) => ({
      app,
      name,
      role,
      interface: contract,
      scope,
      isSubordinate,
    }));
  const juju: Candidate = {
    app,
    name: 'juju-info',
    role: 'provider',
    interface: 'juju-info',
    scope: 'global',
    isSubordinate,
  };
  const all = [...list(provides, 'provider'), ...list(requires, 'requirer'), juju];
  const found = all.filter(({ name }) => endpoint === undefined || name === endpoint);
  if (found.length === 0) throw new UsageError(`application "${app}" has no "${endpoint ?? ''}" relation`);
  return found;
}

function fits(a: Candidate, b: Candidate): boolean {
  if (a.app === b.app || a.interface !== b.interface || a.role === b.role) return false;
  // In container scope one rides on the other.
  return (a.scope === 'global' && b.scope === 'global') || a.isSubordinate || b.isSubordinate;
}

/** The end of a `juju-info` relation that no charm declares. */
export function isImplicit({ name, role }: Pick<RelationEndpoint, 'name' | 'role'>): boolean {
  return name === 'juju-info' && role === 'provider';
}

/** `web:db db:server`: the key of a relation, with the requirer's end first as Juju writes it. */
export function describeEndpoints(endpoints: readonly RelationEndpoint[]): string {
  return endpoints
    .toSorted((a, b) => b.role.localeCompare(a.role) || a.app.localeCompare(b.app))
    .map(({ app, name }) => `${app}:${name}`)
    .join(' ');
}
