import type { Resource } from 'juju-ts-host';
import { inWords, shortName, type Installation } from '@maas-ha/maas';
import { blocked, maintenance, waiting, type Message, type Status } from 'juju-ts-ops';
import { wantedSettings } from '../config/settings.ts';
import { databag, type Hostnames, type Left, type RegionDatabag, type Schema } from '../endpoints.ts';
import { soleDhcpOf } from '../racks/plan.ts';
import type { State } from '../state.ts';
import { servedTls } from '../tls/plan.ts';
import { forgetController } from './controllers.ts';
import { notStopped, schemaOf, twinOf, type Known, type Standing } from './known.ts';
import { rotationOf } from './secret.ts';
import type { Departed } from './state.ts';
import { stoppedSaid, upgradeInWords } from './upgrade.ts';

/** What a region says to the others. */
export function clusterBags(state: State, standing: Standing): readonly RegionDatabag[] {
  const { url, served, upgrade } = standing;
  const { unit, cluster, region, network, racks } = state;
  const { hostname, packageVersion, preparation } = region;
  const { relation, peers, departed } = cluster;
  if (relation === undefined) return [];
  const present = Object.fromEntries([
    [unit, hostname],
    ...peers.flatMap((peer) => (peer.hostname === undefined ? [] : [[peer.unit, peer.hostname] as const])),
  ]);
  return [
    databag('region-cluster', relation, {
      app: {
        schema: schemaSaid(state, standing),
        url,
        target: served ? undefined : upgrade?.to,
        rotation: rotationOf(state) || undefined,
        look: preparation.asked === '' ? undefined : preparation.asked,
        regions: { ...remembered(cluster.regions, departed?.regions), ...present },
        racks: { ...remembered(cluster.racks, departed?.racks), ...racks.hostnames },
        soleDhcp: soleDhcpOf(state),
        settings:
          served && region.isServing
            ? { relation: served.relation, values: wantedSettings(state.options) }
            : cluster.settings,
        tls: servedTls(state, served?.relation),
      },
      unit: {
        hostname,
        address: network.address,
        version: packageVersion,
        ready: preparation.version,
        stopped: stoppedSaid(state, upgrade),
        database: served?.relation ?? lastDatabase(state),
        left: leftSaid(state),
      },
    }),
  ];
}

/** What the database is said to be: of one that has lost it, nothing. */
export function schemaSaid(state: State, { served, isTakenBack }: Standing): Schema | undefined {
  if (served) return schemaOf(state, served);
  return isTakenBack ? undefined : state.cluster.schema;
}

/** The database that a region goes on serving which cannot be configured now; none where it stands still. */
function lastDatabase({ cluster, database, region }: State): number | undefined {
  const [relation] = database.relations;
  const isUntouched = database.kind !== 'ready' && region.services.length > 0;
  return isUntouched && cluster.schema?.relation === relation?.id ? relation?.id : undefined;
}

/** Who left and is to be remembered by this unit; absent if there is nobody. */
function leftSaid({ cluster: { left, departed } }: State): Left | undefined {
  const regions = remembered(left?.regions, departed?.regions);
  const racks = remembered(left?.racks, departed?.racks);
  return Object.keys({ ...regions, ...racks }).length > 0 ? { regions, racks } : undefined;
}

/** Who has to be remembered: of those that are gone, only who MAAS still knows; all of them while it cannot be asked. */
function remembered(hostnames: Hostnames = {}, departed: readonly Departed[] = []): Hostnames {
  const forgotten = new Set(
    departed.filter(({ systemId }) => systemId === undefined).map(({ unit }) => unit),
  );
  return Object.fromEntries(Object.entries(hostnames).filter(([unit]) => !forgotten.has(unit)));
}

/** MAAS forgets the controllers that are gone. */
export function forgetting({ region: { maas }, cluster: { departed } }: State): readonly Resource[] {
  return [
    ...(departed?.regions ?? []).flatMap((gone) => forget(maas, 'region', gone)),
    ...(departed?.racks ?? []).flatMap((gone) => forget(maas, 'rack', gone)),
  ];
}

/** Whether MAAS lists somebody still who may be forgotten. No event tells when it lets go of one. */
export function awaitsForgetting({ cluster: { departed } }: State): boolean {
  return [...(departed?.regions ?? []), ...(departed?.racks ?? [])].some(
    ({ systemId, soleDhcpOf }) => systemId !== undefined && soleDhcpOf.length === 0,
  );
}

function forget(
  maas: Installation,
  kind: 'region' | 'rack',
  { unit, systemId, isRunning, soleDhcpOf: sole }: Departed,
): readonly Resource[] {
  if (systemId === undefined || isRunning || sole.length > 0) return [];
  return [{ kind: 'step', id: `forget-${kind}:${unit}`, run: () => forgetController(maas, kind, systemId) }];
}

/** That another region has the same name; nothing if none has. */
export function twinStatus(state: State): Status | undefined {
  const twin = twinOf(state);
  return twin === undefined
    ? undefined
    : blocked(
        `${twin} is called ${shortName(state.region.hostname)} too: hostnamectl set-hostname <another>`,
      );
}

/** What a region waits for that could run and does not, because the database is not that of its MAAS. */
export function notServing(
  state: State,
  { packageVersion, relation }: Known,
  { upgrade, isCalledOff, isTakenBack }: Standing,
): Status {
  const { isLeader, cluster, app } = state;
  if (cluster.unmet) return waiting('Juju to tell of the other units');
  if (upgrade) {
    const { lagging } = upgrade;
    return maintenance(
      (list) =>
        `${upgradeInWords(upgrade)}: waiting for ${isLeader && lagging.length > 0 ? `${list(lagging)} to stop` : 'the leader to migrate the database'}`,
    );
  }
  if (isCalledOff) return maintenance('the upgrade was called off: starting again');
  const { schema } = cluster;
  if (schema === undefined || schema.relation !== relation || isTakenBack) {
    const others = notStopped(state);
    return waiting(
      isLeader && others.length > 0
        ? (list) => `${list(others)} to stop, before the database is migrated`
        : isLeader && state.database.postgresqlVersion === undefined
          ? ['the database to answer', state.database.refusal].filter(Boolean).join(': ')
          : 'the leader to migrate the database',
    );
  }
  const [here, there] = inWords(packageVersion, schema.version);
  return blocked(
    `MAAS ${here} is installed here, and the database is that of ${there}`,
    `juju run ${app}/leader upgrade`,
  );
}

/** The networks that have no DHCP any more because a rack is gone: the user has to add one. */
export function dhcpLost({ cluster: { departed } }: State): readonly Exclude<Message, string>[] {
  return (departed?.racks ?? []).flatMap(({ hostname, systemId, soleDhcpOf }) =>
    systemId === undefined || soleDhcpOf.length === 0
      ? []
      : [
          (list) =>
            `${hostname} is gone and was the only rack with DHCP on ${list(soleDhcpOf)}: add a rack there`,
        ],
  );
}

/** The controllers that are gone and MAAS still lists. */
export function departedNotes({ cluster: { departed } }: State): readonly string[] {
  return [
    ...(departed?.regions ?? []).flatMap(({ hostname, systemId, isRunning }) =>
      systemId === undefined ? [] : [`MAAS still lists ${hostname}${isRunning ? ' as running' : ''}`],
    ),
    ...(departed?.racks ?? []).flatMap(({ hostname, systemId, soleDhcpOf }) =>
      systemId === undefined || soleDhcpOf.length > 0 ? [] : [`MAAS still lists ${hostname}`],
    ),
  ];
}
