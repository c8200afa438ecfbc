import type { DatabagPlan, SecretPlan } from 'juju-ts-ops';
import type { charmcraft } from './charmcraft.ts';
import { databag, type endpoints, type Report } from './endpoints.ts';
import { ownVips } from './instances.ts';
import { ownersOf } from './owners.ts';
import { AUTH_PASS, AUTH_SECRET, type Instance, type State } from './state.ts';

type Databag = DatabagPlan<typeof charmcraft, typeof endpoints>;

/** What VRRP version 2 authenticates with, which the databag of the application names. */
function authSecret({ authPass }: State): SecretPlan | undefined {
  return authPass && { secret: AUTH_SECRET, content: { [AUTH_PASS]: authPass }, grants: [] };
}

/** It is made before there is a databag that names it: else each hook would have another one. */
export function secretsOf(state: State): readonly SecretPlan[] {
  const auth = authSecret(state);
  return auth && state.cluster === undefined ? [auth] : [];
}

export function clusterBag(state: State, instances: readonly Instance[]): readonly Databag[] {
  const { running, addresses, firstUnit, peers } = state;
  const reports = [...running].flatMap(([name, { vips, speaks, since, ...local }]): readonly Report[] => {
    const source = local.source ?? instances.find((instance) => instance.name === name)?.source;
    if (source === undefined) return [];
    // The scripts of two changes in one moment may end in the wrong order: what the machine has decides.
    const isHeld = addresses.some(({ address }) => vips.includes(address));
    const now = isHeld ? 'MASTER' : local.state === 'MASTER' ? 'BACKUP' : local.state;
    return [{ source, vips, state: now, since, ...(speaks !== undefined && { speaks }) }];
  });
  const nobodyRuns = running.size === 0 && peers.every((peer) => peer.instances.length === 0);
  const isFirstThere = peers.some(({ unit }) => unit === firstUnit);
  return bag(
    state,
    {
      addresses: instances.map(({ source }) => source),
      'sends-to': instances.flatMap((instance) => instance.peers.map(({ address }) => address)),
      'own-vips': ownVips(state),
      instances: reports,
    },
    nobodyRuns && isFirstThere ? firstUnit : undefined,
  );
}

/** That this unit sends to nobody, and nobody is to send to it. */
export function silentBag(state: State, own: readonly string[] = [], firstUnit?: string): readonly Databag[] {
  return bag(state, { addresses: [], 'sends-to': [], 'own-vips': own, instances: [] }, firstUnit);
}

/** What a unit tells the others. */
interface Told {
  readonly addresses: readonly string[];
  readonly 'sends-to': readonly string[];
  readonly 'own-vips': readonly string[];
  readonly instances: readonly Report[];
}

/** @param firstUnit who starts first in the leader's place */
function bag(state: State, unit: Told, firstUnit?: string): readonly Databag[] {
  if (state.cluster === undefined) return [];
  const app = { 'auth-secret-id': authSecret(state), 'goes-first': firstUnit };
  return [databag('vrrp-cluster', state.cluster, { unit, app })];
}

export function clientBags(state: State, instances: readonly Instance[]): readonly Databag[] {
  const vips = instances
    .flatMap((instance) => instance.vips)
    .map(({ address, prefix, family }) => ({ address, prefix, family }));
  const owners = ownersOf(state);
  return state.clients.map((relation) =>
    databag('vip', relation, {
      unit: { owner: owners.filter(({ isHere }) => isHere).map(({ vip }) => vip) },
      app: { vips, ready: owners.every(({ unit }) => unit !== undefined) },
    }),
  );
}
