// The orders in which three databases and three regions may start.
import type { Role } from '../../deploy/database-cluster.ts';

const MACHINES: readonly Role[] = ['primary', 'standby', 'third', 'region', 'region', 'region'];

/**
 * All orders, regions taken for alike: 120. First the twelve with all databases before all regions, or all regions before all
 * databases. The next are as unlike as can be: one of each way to begin, to end, and to have the primary among the databases.
 */
export function bootOrders(): readonly (readonly Role[])[] {
  const kinds = Map.groupBy(arrangements(MACHINES), (order) =>
    isApart(order)
      ? 'apart'
      : [order[0], order.at(-1), order.filter((role) => role !== 'region').indexOf('primary')].join(),
  );
  const { apart = [], ...others } = Object.fromEntries(kinds);
  const lists = Object.values(others);
  const longest = Math.max(...lists.map((list) => list.length));
  const mixed = Array.from({ length: longest }, (_unused, at) =>
    lists.flatMap((list) => list.slice(at, at + 1)),
  );
  return [...apart, ...mixed.flat()];
}

/** Whether databases and regions are not mixed. */
function isApart(order: readonly Role[]): boolean {
  const first = order.indexOf('region');
  const last = order.lastIndexOf('region');
  return last - first === 2 && (first === 0 || last === order.length - 1);
}

/** Every distinct arrangement. */
function arrangements(items: readonly Role[]): readonly (readonly Role[])[] {
  if (items.length === 0) return [[]];
  return [...new Set(items)].flatMap((first) =>
    arrangements(items.toSpliced(items.indexOf(first), 1)).map((rest) => [first, ...rest]),
  );
}
