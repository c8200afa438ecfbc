import type { HookContext } from 'juju-ts-ops';
import { askForSoleDhcp } from '../cluster/controllers.ts';
import type { SoleDhcp } from '../endpoints.ts';
import type { RegionJuju } from '../juju.ts';
import type { State } from '../state.ts';
import type { Racks } from './state.ts';

export async function readRacks(juju: RegionJuju): Promise<Racks> {
  const relations = await juju.relations('rpc');
  return {
    relations: relations.map(({ id, app }) => ({ id, app })),
    hostnames: Object.fromEntries(
      relations.flatMap(({ units }) =>
        units.flatMap(({ name, data }) => (data.hostname === undefined ? [] : [[name, data.hostname]])),
      ),
    ),
  };
}

/** What MAAS says of the racks now; `undefined` where it is not asked, or cannot be. */
export async function readSoleDhcp(
  { region, racks }: State,
  context: HookContext,
): Promise<SoleDhcp | undefined> {
  if (Object.keys(racks.hostnames).length === 0) return {};
  return mayChangeDhcp(context) ? askForSoleDhcp(region.maas) : undefined;
}

/** Hooks that come with racks, with what is done about them, or regularly: to ask MAAS takes seconds of each. */
function mayChangeDhcp({ event }: HookContext): boolean {
  if (event.kind === 'relation') return event.relation.endpoint === 'rpc';
  return event.kind === 'action' || (event.kind === 'lifecycle' && event.name === 'update-status');
}
