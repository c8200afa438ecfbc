import type { Resource } from '@maas-ha/host';
import { cosAgentConfig } from '@maas-ha/interfaces/cos_agent';
import {
  forgetIdentity,
  ID_FILE,
  inWords,
  majorMinor,
  pausedStatus,
  preparing,
  renderMaasConfig,
  SECRET_FILE,
  tooOld,
} from '@maas-ha/maas';
import { active, blocked, isAtLeast, waiting, type Plan, type Redacted, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';
import { observability } from './observability.ts';
import { awaitRegistration, restartRackd } from './rackd.ts';
import { RACK_PACKAGE, RACKD_CONF, type State } from './state.ts';

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
  const known = isKnown && url !== undefined && secret ? { url, secret } : undefined;
  return {
    machine: [...installation(state), ...(known ? connection(state, known.url, known.secret) : [])],
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
export function leave(hasRegion: boolean): readonly Resource[] {
  const services = [
    'maas-rackd',
    'maas-dhcpd',
    'maas-dhcpd6',
    'maas-agent',
    ...(hasRegion ? [] : ['maas-http']),
  ];
  return [
    ...services.map((name): Resource => ({ kind: 'service', name, state: 'stopped', enabled: false })),
    { kind: 'absent-packages', names: [RACK_PACKAGE] },
    ...(hasRegion ? [] : [{ kind: 'source', name: 'maas', source: '' } satisfies Resource]),
    { kind: 'absent-file', path: RACKD_CONF },
    // A region on this machine goes on needing them.
    ...(hasRegion ? [] : [SECRET_FILE, ID_FILE].map((path): Resource => ({ kind: 'absent-file', path }))),
  ];
}

function statusOf(state: State): Status {
  const { region, connected, regions, version } = state;
  if (!region) return blocked('no region: juju integrate maas-rack:rpc maas-region:rpc');
  const { app, url, secret } = region;
  if (url === undefined || !secret) return waiting(`${app} to give its URL and secret`);
  if (version === undefined) return waiting('the packages of MAAS');
  const age = tooOld(version);
  if (age !== undefined) return blocked(age);
  if (connected === 0)
    return waiting(regions === undefined ? `MAAS to answer at ${url}` : 'a region to take this rack in');
  const connection =
    regions === undefined
      ? [`connected to ${connected} regions, MAAS ${version}`, `${url} does not answer`]
      : [`connected to ${connected} of ${regions} regions, MAAS ${version}`];
  return active([...connection, ...versionNotes(state)].join('; '));
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
  const { source, preparation } = state;
  const to = upgradeTo(state);
  return [
    { kind: 'source', name: 'maas', source },
    { kind: 'packages', names: [RACK_PACKAGE] },
    { kind: 'step', id: 'forget-identity', inputs: {}, run: () => forgetIdentity('maas-rackd') },
    ...preparing(preparation, [RACK_PACKAGE]),
    ...(to === undefined
      ? []
      : [{ kind: 'packages', names: [RACK_PACKAGE], version: to } satisfies Resource]),
  ];
}

function connection(state: State, url: string, secret: Redacted): readonly Resource[] {
  const { options, currentConf, sharesSecret, isSecretNewer, connected } = state;
  const file = { kind: 'file', mode: 0o640, owner: 'root', group: 'maas' } as const;
  return [
    {
      ...file,
      path: RACKD_CONF,
      content: renderMaasConfig(currentConf, { maas_url: [url], debug: options.debug }),
    },
    ...(sharesSecret ? [] : [{ ...file, path: SECRET_FILE, content: secret }]),
    {
      kind: 'service',
      name: 'maas-rackd',
      state: 'running',
      enabled: true,
      onChange: 'restart',
      // rackd reads a changed URL by itself within half a minute; a restart would stop DHCP. A secret it reads only once.
      after: [SECRET_FILE],
    },
    ...(isSecretNewer && connected === 0
      ? [{ kind: 'step', id: 'wake-rackd', run: restartRackd } satisfies Resource]
      : []),
    ...(connected === 0
      ? [{ kind: 'step', id: 'await-registration', run: awaitRegistration } satisfies Resource]
      : []),
  ];
}
