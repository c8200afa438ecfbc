import {
  installing,
  inWords,
  majorMinor,
  pausedStatus,
  preparing,
  renderMaasConfig,
  tooOld,
  type Installation,
  type Left,
} from '@maas-ha/maas';
import type { Resource } from 'juju-ts-host';
import { cosAgentConfig } from 'juju-ts-interfaces/cos_agent';
import { active, blocked, isAtLeast, waiting, type Plan, type Redacted, type Status } from 'juju-ts-ops';
import { charmcraft } from './charmcraft.ts';
import { databag, type endpoints } from './endpoints.ts';
import { observability } from './observability.ts';
import { awaitRegistration, wakeRackd } from './rackd.ts';
import type { State } from './state.ts';

type RackPlan = Plan<typeof charmcraft, typeof endpoints, Resource>;

/** What machines ask a rack for: DHCP, TFTP, time, the log, images and metadata. */
const PORTS = ['5247/tcp', '5248/tcp', '67/udp', '69/udp', '123/udp', '5247/udp'] as const;
/** DNS and packages through its proxy. On a region's machine these are the region's, and Juju lets one unit open a port. */
const SHARED_PORTS = ['53/tcp', '53/udp', '8000/tcp'] as const;

export function plan(state: State): RackPlan {
  if (state.isBeingRemoved) return { machine: parting(state), status: [farewell(state)] };
  if (state.isPaused) return { machine: [], status: [pausedStatus(state.unit)] };
  const { maas, region, version, relations, hostname, observers, app, model } = state;
  const { url, secret } = region ?? {};
  const installed = version !== undefined && tooOld(version) === undefined ? state.packageVersion : undefined;
  const known =
    version !== undefined && installed !== undefined && url !== undefined && secret
      ? { url, secret, version, installed }
      : undefined;
  const interrupting = [...upgrade(state), ...(known ? service(state, known) : [])];
  return {
    machine: [
      ...installation(state),
      ...(known ? [...configuration(state, known), ...awakening(state, known)] : []),
      ...(state.isRegistered ? [] : interrupting),
    ],
    // Of two racks with DHCP on a network, one goes on while the other is interrupted.
    rolling: state.isRegistered ? interrupting : [],
    afterRolling:
      known && state.connected === 0
        ? [{ kind: 'step', id: 'await-registration', run: () => awaitRegistration(maas, known.version) }]
        : [],
    databags: [
      ...relations.map((relation) => databag('rpc', relation, { unit: { hostname } })),
      ...observers.map((relation) =>
        databag('cos-agent', relation, {
          unit: {
            config: cosAgentConfig({ charm: charmcraft.name, app, model }, observability(maas, version)),
          },
        }),
      ),
    ],
    ports: [...PORTS, ...(state.hasRegion ? [] : SHARED_PORTS)],
    ...(version !== undefined && { version }),
    // No event tells that a region is back.
    ...(known && state.connected === 0 && { reconcileIn: 60 }),
    status: [statusOf(state)],
  };
}

/** What is left when the unit goes: nothing that runs. */
export function teardown(maas: Installation, left: Left): readonly Resource[] {
  return maas.removeRack(left);
}

/**
 * rackd goes on until the unit stops, so that MAAS has time to let another rack do its work. Not on a region's machine:
 * when MAAS forgets a rack that still runs, rackd removes the secret, which there is the region's as well.
 */
function parting({ maas, hasRegion }: State): readonly Resource[] {
  return hasRegion ? [{ kind: 'step', id: 'part', inputs: {}, run: () => maas.pauseRack() }] : [];
}

/** Juju lets no charm refuse to go. A hook that failed instead would keep the whole model from being destroyed. */
function farewell({ soleDhcp, app }: State): Status {
  return soleDhcp.length === 0
    ? waiting('to be removed')
    : blocked((list) => `the only rack with DHCP on ${list(soleDhcp)} goes`, `juju add-unit ${app}`);
}

function statusOf(state: State): Status {
  const { region, connected, regions, version } = state;
  if (!region) return blocked(`no region: juju integrate ${state.app}:rpc maas-region:rpc`);
  const { app, url, secret } = region;
  if (url === undefined || !secret) return waiting(`${app} to give its URL and secret`);
  if (version === undefined) return waiting(state.maas.name);
  const age = tooOld(version);
  if (age !== undefined) return blocked(age);
  if (connected === 0)
    return waiting(regions === undefined ? `MAAS to answer at ${url}` : 'a region to take this rack in');
  const { sourceNote } = state;
  const notes = [
    ...(regions === undefined ? [`${url} does not answer`] : []),
    ...(sourceNote === undefined ? [] : [sourceNote]),
    ...versionNotes(state),
    ...dhcpNotes(state),
  ];
  const of = regions === undefined ? '' : ` of ${regions}`;
  return active(`connected to ${connected}${of} regions, MAAS ${version}`, notes);
}

function dhcpNotes({ soleDhcp }: State): readonly string[] {
  return soleDhcp.length === 0
    ? []
    : [`the only rack with DHCP on ${soleDhcp.join(' and ')}: add another unit`];
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

function installation({ maas, source, isAdopted, preparation }: State): readonly Resource[] {
  return [
    ...installing(maas, 'rack', { source, tools: [], isAdopted }),
    ...preparing(maas, 'rack', preparation),
  ];
}

function upgrade(state: State): readonly Resource[] {
  const { maas, packages, source } = state;
  const to = upgradeTo(state);
  return to === undefined ? [] : maas.upgrade(packages, to, source);
}

/** What is known before a rack can be connected. */
interface Known {
  readonly url: string;
  readonly secret: Redacted;
  readonly version: string;
  /** The version as the packages have it. */
  readonly installed: string;
}

function owned(maas: Installation, owner = 'root') {
  return { kind: 'file', mode: 0o640, owner, group: maas.group } as const;
}

function configuration(state: State, { url, secret }: Known): readonly Resource[] {
  const { maas, currentConf, options, isInitialised } = state;
  const content = renderMaasConfig(currentConf, { maas_url: [url], debug: options.debug });
  return [
    ...(isInitialised
      ? []
      : [{ kind: 'step', id: 'initialise', run: () => maas.initialiseRack(url, secret) } satisfies Resource]),
    { ...owned(maas), path: maas.conf.rack, content },
  ];
}

/** Whether the region of this machine runs in the same service, and restarts it once it has written a new secret. */
function isShared({ maas, hasRegion }: State): boolean {
  return hasRegion && maas.isOneService;
}

function service(state: State, known: Known): readonly Resource[] {
  const { maas, sharesSecret } = state;
  const { secret, version, installed } = known;
  return [
    // MAAS' packages give it to MAAS whenever they are configured, and rackd restarts with what changes here.
    ...(sharesSecret ? [] : [{ ...owned(maas, maas.user), path: maas.secretFile, content: secret }]),
    {
      kind: 'service',
      name: maas.rackService(version),
      state: 'running',
      enabled: true,
      onChange: 'restart',
      // rackd reads a changed URL by itself within half a minute; a restart would stop DHCP. A secret it reads only once.
      after: isShared(state) ? [] : [maas.secretFile],
    },
    {
      kind: 'step',
      id: 'await-return',
      // Until a region has taken this rack in with what is new, the next rack is not interrupted.
      inputs: { version: upgradeTo(state) ?? installed, secret: secret.digest() },
      run: () => awaitRegistration(maas, majorMinor(upgradeTo(state) ?? installed)),
    },
  ];
}

/** It serves nothing that a restart could interrupt. */
function awakening(state: State, known: Known): readonly Resource[] {
  const { maas, isSecretNewer, connected } = state;
  if (!isSecretNewer || connected > 0 || isShared(state)) return [];
  return [{ kind: 'step', id: 'wake-rackd', run: () => wakeRackd(maas, known.version) }];
}
