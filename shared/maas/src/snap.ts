import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import {
  deleteFile,
  installedSnap,
  lastLines,
  offeredSnap,
  parseSource,
  replaceFile,
  run,
  switchSnap,
  tryRun,
  type Resource,
} from 'juju-ts-host';
import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import { CharmBugError, isAtLeast, WaitingError, type Redacted } from 'juju-ts-ops';
import { inOwnEnvironment } from './environment.ts';
import { hasUnit, ROLES, type Installation, type Left, type Role } from './installation.ts';

const SNAP_NAME = 'maas';
/** What every version of the snap has in common, and what the one that runs has. */
const COMMON = '/var/snap/maas/common';
const DATA = '/var/snap/maas/current';
const HOME = `${COMMON}/maas`;
const SECRET_FILE = `${HOME}/secret`;
const ID_FILE = `${HOME}/maas_id`;
const RPC_STATE = `${HOME}/rpc.state`;
const CONF = { region: `${DATA}/regiond.conf`, rack: `${DATA}/rackd.conf` } as const;
/** What the snap runs when it starts: `none`, `region`, `rack` or `region+rack`, as its own `maas init` writes it. */
const MODE_FILE = `${COMMON}/snap_mode`;
/** One snap for both kinds of controller: here each charm says what it wants of it. */
const ROLES_FOLDER = `${COMMON}/maas-ha`;
const DAEMONS = { region: 'regiond', rack: 'rackd' } as const;

/** The one service that runs all others: from MAAS 3.5 on, and before. */
const SERVICES = ['snap.maas.pebble', 'snap.maas.supervisor'] as const;
const INIT_TIMEOUT = 600_000;
/** What the shell of `snap run --shell` does with the arguments that follow. */
const IN_SNAP = 'exec "$SNAP/bin/maas-region" "$@"';

/** `new` until it has been initialised. */
type RoleState = 'new' | 'held' | 'running';

/** MAAS' snap. It brings a BIND and a web server of its own. */
export const SNAP: Installation = {
  name: 'the snap of MAAS',
  conf: CONF,
  group: 'root',
  user: 'root',
  secretFile: SECRET_FILE,
  idFile: ID_FILE,
  rpcState: RPC_STATE,
  // `maas init` clears the certificates itself.
  identity: [ID_FILE, SECRET_FILE, RPC_STATE],
  backedUp: [CONF.region, SECRET_FILE, ID_FILE, `${DATA}/certificates`, `${HOME}/image-storage`],
  sockets: DATA,
  // What is elsewhere the confinement of the snap does not let it see.
  scratch: `${ROLES_FOLDER}/scratch`,
  usesNamed: false,
  serving: SERVICES,

  // In the snap's own environment, as its own commands call it.
  region: (...args) =>
    inOwnEnvironment(['snap', 'run', '--shell', SNAP_NAME, '-c', IN_SNAP, 'maas-region', ...args]),
  log: (role, version) =>
    usesPebble(version)
      ? `journalctl -t maas-${DAEMONS[role]}`
      : `sudo tail ${COMMON}/log/${DAEMONS[role]}.log`,
  logSlots: (version) => (usesPebble(version) ? [] : [`${SNAP_NAME}:maas-logs`]),
  overview: `sudo ${SNAP_NAME} status`,
  isInstalled: (role, root = '/') => existsSync(join(root, ROLES_FOLDER, role)),
  isInitialised: (role) => stateOf(role) !== 'new',
  async installed(role, source) {
    const snap = stateOf(role) === undefined ? undefined : await installedSnap(SNAP_NAME);
    if (!snap) return { packages: [SNAP_NAME] };
    const channel = channelOf(source);
    return {
      version: snap.version,
      packages: [SNAP_NAME],
      ...(snap.channel !== channel && {
        note: `the snap follows ${snap.channel}, and source= is snap:${channel}`,
      }),
    };
  },
  // Without a region in it the snap is not a region's.
  regionServices: () => (stateOf('region') === 'running' ? services() : []),
  rackService: (version) => (usesPebble(version) ? SERVICES[0] : SERVICES[1]),
  isOneService: true,

  install: (role, source, tools) => [
    { kind: 'packages', names: ['snapd', ...tools] },
    { kind: 'snap', name: SNAP_NAME, channel: channelOf(source) },
    { kind: 'step', id: `enter-${role}`, inputs: {}, run: () => enter(role) },
  ],
  // The mode stays as it is, also that of the other kind of controller.
  async adopt() {
    for (const role of ROLES) if (currentMode().includes(role)) await writeState(role, 'running');
  },
  async stopFresh() {
    if (currentMode() === 'none') await stop();
  },
  // The store is asked each time.
  refreshOffers: () => Promise.resolve(),
  offered: (name, source) => offeredSnap(name, channelOf(source)),
  // A snap cannot be fetched for later without leaving what was installed.
  fetch: () => Promise.resolve(),
  async follow(source) {
    const channel = channelOf(source);
    const snap = await installedSnap(SNAP_NAME);
    if (snap && snap.channel !== channel) await switchSnap(SNAP_NAME, channel);
  },
  upgrade: (_names, version, source) => [
    { kind: 'snap', name: SNAP_NAME, channel: channelOf(source), version },
  ],
  removeRegion: (left, tools) => [...remove('region', left), { kind: 'absent-packages', names: tools }],
  removeRack: (left) => remove('rack', left),

  initialiseRegion,
  initialiseRack,
  holdRegion,
  releaseRegion: () => enterState('region', 'running'),
  // Whoever died in between has written what it wants, and not what follows from it.
  isRegionHeld: () =>
    stateOf('region') === 'held' || (stateOf('region') === 'running' && !currentMode().includes('region')),
  standstill: (running) => (running.length > 0 ? [{ kind: 'step', id: 'hold-region', run: holdRegion }] : []),
  // The daemon of the snap ends regiond with a signal that it hears, and so MAAS knows.
  stopRegion: holdRegion,
  startRegion: start,
  pauseRegion: holdRegion,
  // A region that is held is released by the hook that follows.
  resumeRegion: () => Promise.resolve(),
  async pauseRack() {
    if (stateOf('rack') === 'running') await enterState('rack', 'held');
  },
  async resumeRack() {
    if (stateOf('rack') === 'held') await enterState('rack', 'running');
  },
};

/** Whether this machine has a MAAS from the snap store that no charm has brought. */
export function hasForeignSnap(): boolean {
  return currentMode() !== 'none' && ROLES.every((role) => stateOf(role) === undefined);
}

/**
 * `maas init` takes what is secret in its arguments, where every user of the machine could read it, or asks for it where it
 * is not there. It would migrate a database that has no tables, without a lock: so it comes after the migration.
 */
async function initialiseRegion(url: string, database: DatabaseConnection): Promise<void> {
  const mode = stateOf('rack') === 'running' ? 'region+rack' : 'region';
  await init([mode, '--maas-url', url], databaseUri(database), database.password);
  await enterState('region', 'running');
  await start();
}

/** A rack on a region's machine joins it: to initialise both anew would take the database's password. */
async function initialiseRack(url: string, secret: Redacted): Promise<void> {
  if (stateOf('region') === undefined) {
    // It keeps the mode of the file, which would else be for everybody.
    await replaceFile({ path: SECRET_FILE, content: '', mode: 0o600 });
    await init(['rack', '--maas-url', url], secret.reveal(), secret);
  }
  await enterState('rack', 'running');
  await start();
}

/** @param answer to what it asks for: at the end of its input it would ask for ever */
async function init(args: readonly string[], answer: string, secret: Redacted): Promise<void> {
  const { exitCode, stdout, stderr } = await tryRun(
    inOwnEnvironment(['snap', 'run', SNAP_NAME, 'init', ...args, '--force']),
    {
      stdin: `${answer}\n`,
      timeout: INIT_TIMEOUT,
    },
  );
  if (exitCode === 0) return;
  const said = lastLines(stderr || stdout, 2)
    .replaceAll(answer, '[redacted]')
    .replaceAll(secret.reveal(), '[redacted]');
  throw new WaitingError(`MAAS could not be initialised, and will be tried again: ${said}`);
}

/** As `maas init` takes it, which does not know `postgresql://`. */
function databaseUri({ host, port, database, user, password }: DatabaseConnection): string {
  const [name, word, base] = [user, password.reveal(), database].map(encodeURIComponent);
  return `postgres://${name}:${word}@${isIPv6(host) ? `[${host}]` : host}:${port}/${base}`;
}

function channelOf(source: string): string {
  const parsed = parseSource(source);
  if (parsed.kind !== 'snap') throw new CharmBugError(`no channel of the snap store: ${source}`);
  return parsed.channel;
}

/** From then on another daemon runs the parts of MAAS, and what they say is in the journal. */
function usesPebble(version: string | undefined): boolean {
  return version === undefined || isAtLeast(version, '3.5');
}

function services(): readonly string[] {
  return SERVICES.filter((name) => hasUnit(name, ['etc']));
}

async function enter(role: Role): Promise<void> {
  if (stateOf(role) === undefined) await writeState(role, 'new');
}

async function holdRegion(): Promise<void> {
  const state = stateOf('region');
  // One that died in between has written the first of two things.
  if (state === 'running' || state === 'held') await enterState('region', 'held');
}

/** With the other kind of controller, or with the whole snap. */
function remove(role: Role, { hasOther, isAdopted }: Left): readonly Resource[] {
  if (!hasOther)
    return isAdopted
      ? [{ kind: 'step', id: `hand-back-${role}`, run: () => handBack(role) }]
      : [{ kind: 'absent-snap', name: SNAP_NAME }];
  return [
    { kind: 'step', id: `leave-${role}`, run: () => enterState(role, undefined) },
    ...(isAdopted ? [] : [{ kind: 'absent-file', path: CONF[role] } satisfies Resource]),
  ];
}

/** As it was handed over, also in the eyes of the next charm that comes here, but stopped. */
async function handBack(role: Role): Promise<void> {
  await deleteFile(join(ROLES_FOLDER, role));
  for (const name of services()) await run(['systemctl', 'disable', '--quiet', '--now', `${name}.service`]);
  await replaceFile({ path: MODE_FILE, content: role, mode: 0o644 });
}

function stateOf(role: Role): RoleState | undefined {
  const text = readIfThere(join(ROLES_FOLDER, role));
  return text === 'held' || text === 'running' ? text : text === undefined ? undefined : 'new';
}

async function writeState(role: Role, state: RoleState): Promise<void> {
  await replaceFile({ path: join(ROLES_FOLDER, role), content: state, mode: 0o600 });
}

/** What a charm wants of the snap, and then what follows from what both want. */
async function enterState(role: Role, state: RoleState | undefined): Promise<void> {
  if (state === undefined) await deleteFile(join(ROLES_FOLDER, role));
  else await writeState(role, state);
  const mode = ROLES.filter((one) => stateOf(one) === 'running').join('+') || 'none';
  if (mode === currentMode()) return;
  await replaceFile({ path: MODE_FILE, content: mode, mode: 0o644 });
  if (mode === 'none') await stop();
  else for (const name of services()) await run(['systemctl', 'restart', `${name}.service`]);
}

/** Before 3.5 MAAS does not do so itself where it was stopped. */
async function start(): Promise<void> {
  for (const name of services()) await run(['systemctl', 'enable', '--quiet', '--now', `${name}.service`]);
}

async function stop(): Promise<void> {
  for (const name of services()) await run(['systemctl', 'stop', `${name}.service`]);
}

function currentMode(): string {
  return readIfThere(MODE_FILE) ?? 'none';
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}
