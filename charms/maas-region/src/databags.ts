import { cosAgentConfig } from '@maas-ha/interfaces/cos_agent';
import { REQUESTED_SECRETS } from '@maas-ha/interfaces/postgresql_client';
import { majorMinor, REGION_HTTP_PORT } from '@maas-ha/maas';
import type { DatabagPlan } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import type { Departed } from './controllers.ts';
import { nameOfDatabase } from './database.ts';
import type { endpoints, Hostnames, Schema, SoleDhcp, TlsServed } from './endpoints.ts';
import { schemaOf, type Known } from './known.ts';
import { observability } from './observability.ts';
import { extraPorts } from './ports.ts';
import { rotationOf, rpcSecret } from './secret.ts';
import { wantedSettings } from './settings.ts';
import type { State } from './state.ts';
import { MAAS_TLS_PORT, servedTls, tlsPorts } from './tls.ts';
import type { Upgrade } from './upgrade.ts';

type Databag = DatabagPlan<typeof charmcraft, typeof endpoints>;

/** What a region says to others depends on. */
export interface Standing {
  readonly url: string | undefined;
  /** Known once the database has been migrated. */
  readonly known: Known | undefined;
  readonly upgrade: Upgrade | undefined;
  /** Whether the database has lost what it was migrated to. */
  readonly isTakenBack: boolean;
  readonly tls: TlsServed | undefined;
}

/** What a region says on each of its relations. */
export function databagsOf(state: State, standing: Standing): readonly Databag[] {
  const { url, known, tls } = standing;
  const { request } = state.tls;
  return [
    ...databaseRequests(state),
    ...clusterBags(state, standing),
    ...(known ? apiBags(state, tls) : []),
    ...(state.secret && url !== undefined ? rpcBags(state, url, schemaSaid(state, standing)) : []),
    ...observerBags(state, tls),
    ...(request ? [{ endpoint: 'certificates', relation: request.relation, app: request.bag } as const] : []),
  ];
}

/** Old servers read the request from each unit, newer ones from the application. */
function databaseRequests({ databaseRelations, options, cluster }: State): readonly Databag[] {
  const ids = [...databaseRelations.database, ...databaseRelations.db].map((id) => ({ id }));
  const database = nameOfDatabase(options['database-name'], ids, cluster?.schema);
  return [
    ...databaseRelations.db.map(
      (relation) => ({ endpoint: 'db', relation, app: { database }, unit: { database } }) as const,
    ),
    ...databaseRelations.database.map(
      (relation) =>
        ({
          endpoint: 'database',
          relation,
          app: { database, 'requested-secrets': [...REQUESTED_SECRETS] },
        }) as const,
    ),
  ];
}

function clusterBags(state: State, standing: Standing): readonly Databag[] {
  const { url, known, upgrade } = standing;
  const { cluster, hostname, address, unit, peers, racks, departed, packageVersion, preparation } = state;
  if (cluster === undefined) return [];
  const present = Object.fromEntries([
    [unit, hostname],
    ...peers.flatMap((peer) => (peer.hostname === undefined ? [] : [[peer.unit, peer.hostname] as const])),
  ]);
  return [
    {
      endpoint: 'region-cluster',
      relation: cluster.id,
      app: {
        schema: schemaSaid(state, standing),
        url,
        target: known ? undefined : upgrade?.to,
        rotation: rotationOf(state) || undefined,
        look: preparation.asked === '' ? undefined : preparation.asked,
        regions: { ...remembered(cluster.regions, departed?.regions), ...present },
        racks: { ...remembered(cluster.racks, departed?.racks), ...racks },
        soleDhcp: soleDhcpOf(state),
        settings:
          known && state.isServing
            ? { relation: known.relation, values: wantedSettings(state.options) }
            : cluster.settings,
        tls: servedTls(state, known?.relation),
      },
      unit: {
        hostname,
        address,
        version: packageVersion,
        ready: preparation.version,
        database: known?.relation ?? lastDatabase(state),
      },
    },
  ];
}

/** What the database is said to be: of one that has lost it, nothing. */
function schemaSaid(state: State, { known, isTakenBack }: Standing): Schema | undefined {
  if (known) return schemaOf(state, known);
  return isTakenBack ? undefined : state.cluster?.schema;
}

/** The database that a region goes on serving which cannot be configured now; none where it stands still. */
function lastDatabase({ cluster, database, databaseRelations, services }: State): number | undefined {
  const [relation] = [...databaseRelations.database, ...databaseRelations.db];
  const isUntouched = database.kind !== 'ready' && services.length > 0;
  return isUntouched && cluster?.schema?.relation === relation ? relation : undefined;
}

/** Who has to be remembered: of those that are gone, only who MAAS still knows; all of them while it cannot be asked. */
function remembered(hostnames: Hostnames, departed: readonly Departed[] | undefined): Hostnames {
  const forgotten = new Set(
    (departed ?? []).filter(({ systemId }) => systemId === undefined).map(({ unit }) => unit),
  );
  return Object.fromEntries(Object.entries(hostnames).filter(([unit]) => !forgotten.has(unit)));
}

/** As MAAS has it now, or had it when it was last asked; nothing where there is no such rack. */
function soleDhcpOf({ soleDhcp, cluster }: State): SoleDhcp | undefined {
  const sole = soleDhcp ?? cluster?.soleDhcp ?? {};
  return Object.keys(sole).length > 0 ? sole : undefined;
}

function apiBags(state: State, tls: TlsServed | undefined): readonly Databag[] {
  const { api, webAddress } = state;
  const ports = [...extraPorts(state), ...tlsPorts(tls)];
  return api.map(
    (relation) =>
      ({
        endpoint: 'api',
        relation,
        unit: {
          hostname: webAddress,
          port: REGION_HTTP_PORT,
          'health-check': '/MAAS/rpc/',
          ...(ports.length > 0 && { 'tcp-ports': ports }),
        },
      }) as const,
  );
}

function observerBags(
  { maas, observers, app, model, version, options, databaseProxy }: State,
  tls: TlsServed | undefined,
): readonly Databag[] {
  const web = tls
    ? ({ scheme: 'https', port: MAAS_TLS_PORT } as const)
    : ({ scheme: 'http', port: REGION_HTTP_PORT } as const);
  const hasProxy = databaseProxy !== undefined;
  const seen = observability(maas, version, web, options['prometheus-metrics'], hasProxy);
  return observers.map(
    (relation) =>
      ({
        endpoint: 'cos-agent',
        relation,
        unit: { config: cosAgentConfig({ charm: charmcraft.name, app, model }, seen) },
      }) as const,
  );
}

/** @param schema as it is said to the other regions */
function rpcBags(state: State, url: string, schema: Schema | undefined): readonly Databag[] {
  const { rpc, hostname, peers } = state;
  const secret = rpcSecret(state);
  const regions = [hostname, ...peers.flatMap((peer) => peer.hostname ?? [])].toSorted();
  return rpc.map(
    ({ id }) =>
      ({
        endpoint: 'rpc',
        relation: id,
        app: {
          'maas-url': url,
          'maas-secret-id': secret,
          'maas-version': schema && majorMinor(schema.version),
          regions,
          'sole-dhcp': soleDhcpOf(state),
        },
        unit: { maas_url: url },
      }) as const,
  );
}
