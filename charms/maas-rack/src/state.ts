import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { osRelease, readFileIfExists, serviceStates } from '@maas-ha/host';
import { MAAS_SECRET_KEY, type maasRpc } from '@maas-ha/interfaces/maas-rpc';
import {
  chooseInstallation,
  eventLoops,
  MAAS_SECRET,
  maasSource,
  majorMinor,
  parseMaasConfig,
  shortName,
  pauseMark,
  preparation,
  type Installation,
  type MaasConfig,
  type Preparation,
} from '@maas-ha/maas';
import {
  SecretNotFoundError,
  UserError,
  type HookContext,
  type Juju,
  type Options,
  type Redacted,
  type Relation,
} from 'juju-ts-ops';
import { z } from 'zod';
import type { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { connectionsOf, isSecretNewer } from './rackd.ts';

export const options = { source: z.string(), debug: z.boolean() };

export type RackJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

/** What Juju and the machine say. */
export interface State {
  readonly options: Options<typeof options>;
  readonly source: string;
  readonly maas: Installation;
  /** `3.7`; absent until the package is installed. */
  readonly version?: string;
  /** `1:3.7.3-…`, as the package has it. */
  readonly packageVersion?: string;
  /** What has to be upgraded together. */
  readonly packages: readonly [string, ...string[]];
  /** Where MAAS is not quite what the source says, in words for a status. */
  readonly sourceNote?: string;
  /** Whether MAAS knows that it is a rack; it is of no use to ask before it is installed. */
  readonly isInitialised: boolean;
  /** What this unit could be upgraded to at once. */
  readonly preparation: Preparation;
  /** The application of region controllers, and what it has told so far; absent where none is related. */
  readonly region?: {
    readonly app: string;
    readonly url?: string;
    readonly secret?: Redacted;
    /** The MAAS that the regions run: `3.7`. */
    readonly version?: string;
  };
  readonly currentConf: MaasConfig;
  readonly hostname: string;
  /** The relations over which regions learn what this rack is called. */
  readonly relations: readonly number[];
  /** The relations with collectors of metrics and logs. */
  readonly observers: readonly number[];
  readonly app: string;
  readonly model: HookContext['model'];
  /** Whether this unit is being removed. */
  readonly isLeaving: boolean;
  readonly unit: string;
  /** Whether the user has paused this unit. */
  readonly isPaused: boolean;
  /**
   * Whether MAAS knows this rack, which then may serve DHCP. Beside a region nobody can tell, and what interrupts the rack
   * comes with the region, in that one's turn.
   */
  readonly isRegistered: boolean;
  /** To how many regions this rack is connected. */
  readonly connected: number;
  /** How many regions MAAS lists; absent while it does not answer. */
  readonly regions?: number;
  /** The networks that have DHCP from this rack and from no other, as the regions tell. */
  readonly soleDhcp: readonly string[];
  /** Whether rackd has started before it had its secret. */
  readonly isSecretNewer: boolean;
  /** Whether a region controller is installed on the same machine: the two have their packages in common. */
  readonly hasRegion: boolean;
  /** Whether a region controller of the same machine keeps the secret in its file itself. */
  readonly sharesSecret: boolean;
}

export async function read(juju: RackJuju): Promise<State> {
  const [values, os] = await Promise.all([juju.options(), osRelease()]);
  const source = maasSource(values.source, os);
  const maas = chooseInstallation(source);
  const [relations, observers, installed, conf, secretOnDisk] = await Promise.all([
    juju.relations('rpc'),
    juju.relations('cos-agent'),
    maas.installed('rack', source),
    readFileIfExists(maas.conf.rack),
    readFileIfExists(maas.secretFile),
  ]);
  const { unit, app, model, leaving } = juju.context;
  const [relation] = relations;
  const region = relation && (await regionOf(juju, relation));
  const { version: packageVersion, packages, note } = installed;
  const version = packageVersion === undefined ? undefined : majorMinor(packageVersion);
  const hasRegion = maas.isInstalled('region');
  const loops = region?.url === undefined ? undefined : await eventLoops(region.url);
  return {
    options: values,
    source,
    maas,
    ...(packageVersion !== undefined && { version: majorMinor(packageVersion), packageVersion }),
    packages,
    ...(note !== undefined && { sourceNote: note }),
    isInitialised: maas.isInitialised('rack'),
    preparation: await preparation(juju.context, source),
    ...(region && { region }),
    currentConf: parseMaasConfig(conf ?? '', maas.conf.rack),
    hostname: hostname(),
    relations: relations.map(({ id }) => id),
    observers: observers.map(({ id }) => id),
    app,
    model,
    isLeaving: leaving !== undefined,
    unit,
    isPaused: existsSync(pauseMark(juju.context)),
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
  try {
    return (await juju.secret(uri))[MAAS_SECRET_KEY];
  } catch (error) {
    if (error instanceof SecretNotFoundError) return undefined;
    throw error;
  }
}
