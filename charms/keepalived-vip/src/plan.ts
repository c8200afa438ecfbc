import type { Resource } from 'juju-ts-host';
import { blocked, waiting, type Plan, type Status } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import { clientBags, clusterBag, secretsOf, silentBag } from './databags.ts';
import { databag, type endpoints } from './endpoints.ts';
import { ownVips, placeVips } from './instances.ts';
import { loadFilter } from './keepalived.ts';
import { asBefore, preparation, service, STOPPED } from './machine.ts';
import { CONFIG } from './render/keepalived-conf.ts';
import type { State } from './state.ts';
import { holding, nothingToHold, numberClash, unboundServices, waitingFor } from './status.ts';
import { goesOn, strangersTo } from './waiting.ts';

type KeepalivedPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

export function plan(state: State): KeepalivedPlan {
  if (state.occupant) return standAside(state);
  if (state.isBeingRemoved) return farewell(state);
  const planned = planFor(state);
  const filter: Resource = { kind: 'step', id: 'filter', run: loadFilter };
  return { ...planned, machine: [...(state.isFilterMissing ? [filter] : []), ...planned.machine] };
}

function planFor(state: State): KeepalivedPlan {
  const { options } = state;
  if (options.vip.length === 0) return stay(blocked(nothingToHold(state)));
  const placement = placeVips(state);
  if (placement.kind === 'wrong') {
    const clashes = ownVips(state).length > 0;
    // The others have to know of a clash. Else they go on sending to this machine, where all stays as it was.
    return {
      ...stay(blocked(placement.problem)),
      ...(clashes && { databags: silentBag(state, ownVips(state)) }),
    };
  }
  if (options['vrrp-version'] === 2 && !Number.isInteger(options['advert-interval'])) {
    return stay(
      blocked(
        `advert-interval=${options['advert-interval']}: VRRP version 2 has whole seconds only: set 1, or vrrp-version=3`,
      ),
    );
  }
  const [holder] = state.sighted.holders;
  if (holder) {
    const inUse = `vip=${holder.address} is in use by machine ${holder.mac}`;
    return stay(
      state.awaitsPeers
        ? waiting(`${inUse}, perhaps a unit that Juju has yet to tell of`)
        : blocked(`${inUse}: set a free address, or free it there`),
    );
  }
  const clash = options.unicast ? undefined : numberClash(state);
  if (clash !== undefined && state.running.size === 0) return stay(blocked(clash));
  const { instances } = placement;
  const waits = new Map(
    instances.map((instance) => [instance, strangersTo(instance, state, state.sighted.silent)]),
  );
  const ready = instances.filter((instance) => waits.get(instance)?.length === 0);
  const goingOn = instances.filter((instance) => !ready.includes(instance) && goesOn(instance, state));
  return {
    machine: [
      ...preparation(state),
      ...(goingOn.length > 0
        ? asBefore(state, ready, goingOn)
        : ready.length > 0
          ? service(state, ready)
          : // None of what runs may go on as it is.
            state.running.size > 0
            ? [STOPPED, { kind: 'absent-file', path: CONFIG } as const]
            : []),
    ],
    secrets: secretsOf(state),
    databags: [...clusterBag(state, instances), ...clientBags(state, instances)],
    status: [
      ...(clash === undefined ? [] : [blocked(clash)]),
      ...unboundServices(state),
      ...waitingFor([...waits.values()].flat()),
      holding(state),
    ],
  };
}

/**
 * keepalived of this machine is another's: nothing of it is touched, and the other units do not count on this one. Where
 * it leads, it names the unit that starts first in its place.
 */
function standAside(state: State): KeepalivedPlan {
  const { occupant, peers, isBeingRemoved } = state;
  const [first] = peers.map(({ unit }) => unit);
  const there = peers.find(({ unit }) => occupant?.kind === 'program' && unit === occupant.name)?.unit;
  const message =
    occupant?.kind === 'person'
      ? `keepalived was set up by hand here: to hand it over, move ${CONFIG} away`
      : `${occupant?.name} has keepalived on this machine: one unit a machine; remove one of the two`;
  return {
    machine: [],
    databags: silentBag(state, [], there ?? first),
    status: [isBeingRemoved ? waiting('to be removed') : blocked(message)],
  };
}

/**
 * A unit that is being removed gives its addresses away at once, and sends and hears no VRRP from then on: the others
 * seem to leave it, one by one, and without them it would take the addresses for itself.
 */
function farewell(state: State): KeepalivedPlan {
  return {
    machine: [STOPPED],
    secrets: secretsOf(state),
    databags: [
      ...silentBag(state),
      ...state.clients.map((relation) => databag('vip', relation, { unit: { owner: [] } })),
    ],
    status: [waiting('to be removed')],
  };
}

/** Nothing changes: what runs goes on. */
function stay(status: Status): KeepalivedPlan {
  return { machine: [], status: [status] };
}
