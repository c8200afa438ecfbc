import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readFileIfExists } from 'juju-ts-host';
import { localMaas, MAAS_SECRET, preparation, shortName, type Choice } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { readCluster } from '../cluster/read.ts';
import { latestWish, lookFile } from '../cluster/upgrade.ts';
import type { RegionJuju } from '../juju.ts';
import { liveRegions } from './regiond.ts';
import type { Region } from './state.ts';

export async function readRegion(juju: RegionJuju, choice: Choice): Promise<Region> {
  const { context } = juju;
  const { maas, source } = choice;
  const [local, secret, live, isLeader, cluster, asked] = await Promise.all([
    localMaas(choice, 'region', context),
    readFileIfExists(maas.secretFile),
    liveRegions(),
    juju.isLeader(),
    readCluster(juju),
    readFileIfExists(lookFile(context)),
  ]);
  // The leader is asked itself, and tells the others. What an earlier leader was asked counts until then.
  const look = latestWish(cluster.look, isLeader ? asked : undefined);
  return {
    ...local,
    preparation: await preparation(context, source, look),
    services: maas.regionServices(),
    isServing: live?.has(shortName(local.hostname)) ?? false,
    isHeld: maas.isRegionHeld(),
    foreignFiles: await foreignOf([maas.idFile, maas.secretFile]),
    ...(secret !== undefined && MAAS_SECRET.test(secret.trim()) && { secret: new Redacted(secret.trim()) }),
  };
}

/** Those of MAAS' files that another user owns than their folder, which is the user's that regiond runs as. */
async function foreignOf(files: readonly string[]): Promise<readonly string[]> {
  const foreign = await Promise.all(
    files.map(async (file) => {
      try {
        const [{ uid }, folder] = await Promise.all([stat(file), stat(dirname(file))]);
        return uid === folder.uid ? [] : [file];
      } catch {
        return [];
      }
    }),
  );
  return foreign.flat();
}
