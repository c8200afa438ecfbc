import type { Resource } from '@maas-ha/host';
import { cosAgentConfig } from '@maas-ha/interfaces/cos_agent';
import {
  inWords,
  majorMinor,
  pausedStatus,
  preparing,
  renderMaasConfig,
  tooOld,
  type Installation,
} from '@maas-ha/maas';
import { active, blocked, isAtLeast, waiting, type Plan, type Redacted, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { observability } from './observability.ts';
import { awaitRegistration, restartRackd } from './rackd.ts';
import type { State } from './state.ts';

type RackPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

/** What machines ask a rack for: DHCP, TFTP, time, the log, images and metadata. */
const PORTS = ['5247/tcp', '5248/tcp', '67/udp', '69/udp', '123/udp', '5247/udp'] as const;
/** DNS and packages through its proxy. On a region's machine these are the region's, and Juju lets one unit open a port. */
const SHARED_PORTS = ['53/tcp', '53/udp', '8000/tcp'] as const;

export function plan(state: State): RackPlan {
  if (state.isLeaving) {
    // rackd goes on until the unit stops, so that MAAS has time to let another rack do its work.
    return { machine: [], status: [waiting('to be removed')] };
  }
  if (state.isPaused) return { machine: [], status: [pausedStatus(state.unit)] };
  const { region, version, relations, hostname, observers, app, model } = state;
  const { url, secret } = region ?? {};
  const isKnown = version !== undefined && tooOld(version) === undefined;
  const known = isKnown && url !== undefined && secret ? { url, secret, version } : undefined;
  return {
    machine: [...installation(state), ...(known ? connection(state, known) : [])],
    databags: [
      ...relations.map((relation) => ({ endpoint: 'rpc', relation, unit: { hostname } }) as const),
      ...observers.map(
        (relation) =>
          ({
            endpoint: 'cos-agent',
            relation,
            unit: {
              config: cosAgentConfig({ charm: charmcraft.name, app, model }, observability(version)),
            },
          }) as const,
      ),
    ],
    ports: [...PORTS, ...(state.hasRegion ? [] : SHARED_PORTS)],
    ...(version !== undefined && { version }),
    status: [statusOf(state)],
  };
}

/** What is left when the unit goes: nothing that runs. */
export function leave(maas: Installation, hasRegion: boolean): readonly Resource[] {
  return maas.removeRack(hasRegion);
}

function statusOf(state: State): Status {
  const { region, connected, regions, version } = state;
  if (!region) return blocked('no region: juju integrate maas-rack:rpc maas-region:rpc');
  const { app, url, secret } = region;
  if (url === undefined || !secret) return waiting(`${app} to give its URL and secret`);
  if (version === undefined) return waiting(state.maas.name);
  const age = tooOld(version);
  if (age !== undefined) return blocked(age);
  if (connected === 0)
    return waiting(regions === undefined ? `MAAS to answer at ${url}` : 'a region to take this rack in');
  const connection =
    regions === undefined
      ? [`connected to ${connected} regions, MAAS ${version}`, `${url} does not answer`]
      : [`connected to ${connected} of ${regions} regions, MAAS ${version}`];
  const { sourceNote } = state;
  return active(
    [...connection, ...(sourceNote === undefined ? [] : [sourceNote]), ...versionNotes(state)].join('; '),
  );
}

/** The version to install, where it is another than the installed one and the regions are not behind it. */
function upgradeTo({ preparation, packageVersion, region, hasRegion }: State): string | undefined {
  const { version } = preparation;
  // A region on this machine has what they share upgraded with its own packages.
  if (version === undefined || version === packageVersion || hasRegion) return undefined;
  return region?.version !== undefined && !isAtLeast(region.version, majorMinor(version))
    ? undefined
    : version;
}

/** Where this rack and its regions have another MAAS: what that waits for. */
function versionNotes({ preparation, packageVersion, version, region, hasRegion }: State): readonly string[] {
  const { version: to } = preparation;
  if (version === undefined || packageVersion === undefined || hasRegion) return [];
  if (to !== undefined && to !== packageVersion)
    return [`is upgraded to ${inWords(packageVersion, to)[1]} after the regions`];
  return region?.version !== undefined && !isAtLeast(version, region.version)
    ? [`the regions have MAAS ${region.version}: set source= to it as well`]
    : [];
}

function installation(state: State): readonly Resource[] {
  const { maas, source, packages, preparation } = state;
  const to = upgradeTo(state);
  return [
    ...maas.install('rack', source, []),
    ...preparing(maas, 'rack', preparation),
    ...(to === undefined ? [] : maas.upgrade(packages, to, source)),
  ];
}

/** What is known before a rack can be connected. */
interface Known {
  readonly url: string;
  readonly secret: Redacted;
  readonly version: string;
}

function connection(state: State, { url, secret, version }: Known): readonly Resource[] {
  const { maas, options, currentConf, sharesSecret, isSecretNewer, connected, hasRegion, isInitialised } =
    state;
  const file = { kind: 'file', mode: 0o640, owner: 'root', group: maas.group } as const;
  const service = maas.rackService(version);
  // The region of this machine runs in the same service, and restarts it with its own new secret.
  const isShared = hasRegion && maas.serving.includes(service);
  return [
    ...(isInitialised
      ? []
      : [{ kind: 'step', id: 'initialise', run: () => maas.initialiseRack(url, secret) } satisfies Resource]),
    {
      ...file,
      path: maas.conf.rack,
      content: renderMaasConfig(currentConf, { maas_url: [url], debug: options.debug }),
    },
    ...(sharesSecret ? [] : [{ ...file, path: maas.secretFile, content: secret }]),
    {
      kind: 'service',
      name: service,
      state: 'running',
      enabled: true,
      onChange: 'restart',
      // rackd reads a changed URL by itself within half a minute; a restart would stop DHCP. A secret it reads only once.
      after: isShared ? [] : [maas.secretFile],
    },
    ...(isSecretNewer && connected === 0 && !isShared
      ? [{ kind: 'step', id: 'wake-rackd', run: () => restartRackd(service) } satisfies Resource]
      : []),
    ...(connected === 0
      ? [{ kind: 'step', id: 'await-registration', run: () => awaitRegistration(maas) } satisfies Resource]
      : []),
  ];
}
