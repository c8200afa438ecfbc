import { randomBytes } from 'node:crypto';
import { MAAS_SECRET_KEY } from '@maas-ha/maas';
import { readFileIfExists, run, type Resource } from 'juju-ts-host';
import { isAtLeast, WaitingError, SecretLabel, UserError, type SecretPlan } from 'juju-ts-ops';
import { askForRotation } from '../database/database.ts';
import { awaitServing, restartInTurn } from '../region/regiond.ts';
import type { State } from '../state.ts';
import { read } from '../read.ts';
import type { RegionJuju } from '../juju.ts';

const RPC_SECRET = new SecretLabel('maas-rpc-secret');

/**
 * How MAAS itself keeps the secret, in its database or in Vault: neither `maas-region` nor the API has a command for it.
 * The new one comes on stdin. MAAS 3.3 and later. `FullyConnected` is in each of them, and from 3.7 on also makes what
 * MAAS' configuration is asked through; run in 3.5.13 and 3.6.5, read in the source of 3.3, 3.4.10, 3.7.3 and 3.8.
 */
export const SET_SECRET = [
  'import sys',
  'from maasserver.secrets import SecretManager',
  'from maasserver.utils.orm import FullyConnected',
  'with FullyConnected():',
  '    SecretManager().set_simple_secret("rpc-shared", sys.stdin.readline().strip())',
].join('\n');

/** How often MAAS has had a new secret once this unit has done what it can about it. */
export function rotationOf({ isLeader, region, database, cluster }: State): number {
  return Math.max(cluster.rotation ?? 0, isLeader && region.isServing ? (database.rotation ?? 0) : 0);
}

/** The Juju secret that racks are given. */
export function rpcSecret(state: State): SecretPlan {
  const { secret, isServing } = state.region;
  // A region that does not serve may have missed that there is a new one: what racks have been given stays.
  const isNewest = isServing || rotationOf(state) === 0;
  return {
    secret: RPC_SECRET,
    content: secret && isNewest ? { [MAAS_SECRET_KEY]: secret } : 'kept',
    grants: state.racks.relations,
  };
}

/**
 * Has this region use the newest secret: the leader makes it first, and once it uses it itself tells racks and regions,
 * so that racks always have a region that takes them in. If it dies in between, whoever leads next makes another one.
 */
export function rotation(state: State): readonly Resource[] {
  const { region, cluster } = state;
  const { maas } = region;
  const number = rotationOf(state);
  if (number === 0) return [];
  const isNew = number > (cluster.rotation ?? 0);
  const others = cluster.peers.flatMap((peer) => peer.address ?? []);
  return [
    {
      kind: 'step',
      id: 'rotate-secret',
      inputs: { number },
      run: async () => {
        const old = await readFileIfExists(maas.secretFile);
        if (isNew) await run(maas.region('shell', '--command', SET_SECRET), { stdin: newSecret() });
        await restartInTurn(region, others, true);
        await awaitServing(region);
        if (isNew && (await readFileIfExists(maas.secretFile)) === old)
          throw new WaitingError('waiting for regiond to write its new secret');
      },
    },
  ];
}

function newSecret(): string {
  return `${randomBytes(16).toString('hex')}\n`;
}

/** Wants a new secret; what follows is for the hooks. Where one is on its way, it is that one. */
export async function rotateSecret(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const { isLeader, database, region, cluster, unit, app } = await read(juju);
  const { isServing, version } = region;
  if (!isLeader) throw new UserError(`the leader sees to it: juju run ${app}/leader rotate-secret`);
  if (database.kind !== 'ready' || !isServing) throw new WaitingError('waiting for this region to serve');
  if (version !== undefined && !isAtLeast(version, '3.3'))
    throw new UserError(`rotate-secret needs MAAS 3.3 or later, and this is ${version}`);
  const done = cluster.rotation ?? 0;
  await askForRotation(database.connection, done, unit);
  return { rotation: String(done + 1) };
}
