import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import {
  chooseInstallation,
  eventLoops,
  localMaas,
  MAAS_SECRET,
  MAAS_SECRET_KEY,
  preparation,
  shortName,
  type Installation,
  type maasRpc,
} from '@maas-ha/maas';
import { readFileIfExists, serviceStates } from 'juju-ts-host';
import { SecretNotFoundError, undefinedOn, UserError, type Redacted, type Relation } from 'juju-ts-ops';
import type { RackJuju } from './juju.ts';
import { connectionsOf, isSecretNewer } from './rackd.ts';
import type { State } from './state.ts';

export async function read(juju: RackJuju): Promise<State> {
  const values = await juju.options();
  const choice = await chooseInstallation(values.source, 'rack', juju.context);
  const { maas, source } = choice;
  const [relations, observers, local, secretOnDisk] = await Promise.all([
    juju.relations('rpc'),
    juju.relations('cos-agent'),
    localMaas(choice, 'rack', juju.context),
    readFileIfExists(maas.secretFile),
  ]);
  const { version } = local;
  const { unit, app, model, removal } = juju.context;
  const [relation] = relations;
  const region = relation && (await regionOf(juju, relation));
  const hasRegion = maas.isInstalled('region');
  const loops = region?.url === undefined ? undefined : await eventLoops(region.url);
  return {
    ...local,
    options: values,
    preparation: await preparation(juju.context, source),
    ...(region && { region }),
    relations: relations.map(({ id }) => id),
    observers: observers.map(({ id }) => id),
    app,
    model,
    isBeingRemoved: removal !== undefined,
    unit,
    isRegistered: !hasRegion && existsSync(maas.idFile),
    connected: version === undefined ? 0 : await connectionsOf(maas, version, loops),
    ...(loops && { regions: loops.size }),
    soleDhcp: soleDhcpOf(relation ?? (await juju.brokenRelation('rpc'))),
    isSecretNewer: version !== undefined && (await isSecretNewer(maas, version)),
    hasRegion,
    sharesSecret: hasRegion && (await isKeptByRegion(maas, secretOnDisk?.trim() ?? '', region?.secret)),
  };
}

function soleDhcpOf(relation: Relation<typeof maasRpc.provider> | undefined): readonly string[] {
  return relation?.appData['sole-dhcp']?.[shortName(hostname())] ?? [];
}

/**
 * Whether the secret in the file is the affair of the region controller on this machine: while that runs it writes the
 * newest one itself, perhaps before Juju has told this rack.
 */
async function isKeptByRegion(
  maas: Installation,
  onDisk: string,
  told: Redacted | undefined,
): Promise<boolean> {
  if (!MAAS_SECRET.test(onDisk)) return false;
  if (onDisk === told?.reveal()) return true;
  const [regiond] = await serviceStates(maas.regionServices().slice(0, 1));
  return regiond?.isRunning ?? false;
}

/** Today's regions tell it in the application's databag, those of 2016 to 2019 in each unit's. */
async function regionOf(
  juju: RackJuju,
  relation: Relation<typeof maasRpc.provider>,
): Promise<NonNullable<State['region']>> {
  const { app, appData, units } = relation;
  const url = appData['maas-url'] ?? units.find(({ data }) => data.maas_url !== undefined)?.data.maas_url;
  const uri = appData['maas-secret-id'];
  const secret =
    uri === undefined ? units.find(({ data }) => data.secret)?.data.secret : await grantedSecret(juju, uri);
  if (secret && !MAAS_SECRET.test(secret.reveal()))
    throw new UserError(`${app} gave a secret that MAAS would not take`);
  const version = appData['maas-version'];
  return {
    app,
    ...(url !== undefined && { url }),
    ...(secret && { secret }),
    ...(version !== undefined && { version }),
  };
}

async function grantedSecret(juju: RackJuju, uri: string): Promise<Redacted | undefined> {
  return (await undefinedOn(SecretNotFoundError, juju.secret(uri)))?.[MAAS_SECRET_KEY];
}
