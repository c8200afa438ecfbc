import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  deleteFile,
  downloadPackages,
  installedPackages,
  offeredVersion,
  refreshPackageLists,
  replaceFile,
  run,
  tryRun,
  type Resource,
  type ServiceResource,
} from 'juju-ts-host';
import { inOwnEnvironment } from './environment.ts';
import { hasUnit, type Installation, type Left, type Role } from './installation.ts';
import { restoreRackDns } from './bind.ts';

export const PACKAGES = { region: 'maas-region-api', rack: 'maas-rack-controller' } as const;
const DAEMONS = { region: 'maas-regiond', rack: 'maas-rackd' } as const;
const HOME = '/var/lib/maas';
const SECRET_FILE = `${HOME}/secret`;
const ID_FILE = `${HOME}/maas_id`;
const CERTIFICATES = `${HOME}/certificates`;
const RPC_STATE = `${HOME}/rpc.state`;
const REGIOND_CONF = '/etc/maas/regiond.conf';

/**
 * The services that read regiond.conf, in the order in which they start. MAAS before 3.5 has only the first, and 3.8 and
 * later the one that decides who may do what.
 */
const REGION_SERVICES = [
  'maas-regiond',
  'maas-apiserver',
  'maas-openfga',
  'maas-temporal',
  'maas-temporal-worker',
] as const;

/**
 * How long a service may take to stop, in seconds; then it is killed, which systemd does after 90. The real ones hang:
 * regiond says goodbye at once, ends its workers, and of 3.7 never ends itself; the API server from 3.6 on runs two
 * servers, of which only one hears the signal (uvicorn before 0.29; seen with 0.15 and 0.27.1, those of Ubuntu 22.04
 * and 24.04).
 */
const STOP_SECONDS: Readonly<Record<(typeof REGION_SERVICES)[number], number>> = {
  'maas-regiond': 20,
  'maas-apiserver': 5,
  'maas-openfga': 10,
  'maas-temporal': 10,
  'maas-temporal-worker': 10,
};

/**
 * The API server fails without the certificates that regiond writes when it first starts, and systemd's next start of it
 * restarts regiond, which requires it.
 */
const API_CONDITION = `[Unit]\nConditionPathExists=${CERTIFICATES}/cacerts.pem\n\n`;

/** What the charm adds to the units of the packages. */
const UNIT_SETTINGS = REGION_SERVICES.map((name) => ({
  path: `/etc/systemd/system/${name}.service.d/maas-ha.conf`,
  content: `${name === 'maas-apiserver' ? API_CONDITION : ''}[Service]\nTimeoutStopSec=${STOP_SECONDS[name]}\n`,
}));

/** What keeps a service from starting: packages start theirs when they are installed, and MAAS' would then use a database that is not its own yet. */
const HOLD = `# While MAAS is upgraded: no region runs before its database has been migrated.
[Unit]
ConditionPathExists=/run/maas-ha/nowhere
`;
const HOLD_FILES: readonly string[] = REGION_SERVICES.map(
  (name) => `/etc/systemd/system/${name}.service.d/maas-ha-upgrade.conf`,
);

/** MAAS' Debian packages. */
export const DEB: Installation = {
  name: 'the packages of MAAS',
  conf: { region: REGIOND_CONF, rack: '/etc/maas/rackd.conf' },
  group: 'maas',
  user: 'maas',
  validateRegion: () =>
    inOwnEnvironment(['maas-region', 'local_config_get', '--maas-url'], { MAAS_REGION_CONFIG: '{}' }),
  secretFile: SECRET_FILE,
  idFile: ID_FILE,
  rpcState: RPC_STATE,
  identity: [ID_FILE, SECRET_FILE, CERTIFICATES, RPC_STATE],
  backedUp: [
    REGIOND_CONF,
    SECRET_FILE,
    ID_FILE,
    CERTIFICATES,
    // From 3.5 on; before, images are in the database.
    `${HOME}/image-storage`,
  ],
  sockets: HOME,
  // In memory only.
  scratch: '/run/maas-ha',
  usesNamed: true,
  serving: ['maas-regiond', 'maas-apiserver', 'maas-openfga'],

  region: (...args) => inOwnEnvironment(['maas-region', ...args]),
  log: (role) => `journalctl -u ${DAEMONS[role]}`,
  logSlots: () => [],
  overview: "systemctl list-units 'maas-*'",
  isInstalled: (role, root) => hasUnit(DAEMONS[role], ['usr/lib', 'lib'], root),
  // It has been once it is configured.
  isInitialised: () => true,
  async installed(role) {
    const installed = await installedPackages(Object.values(PACKAGES));
    const version = installed.get(PACKAGES[role]);
    const other = PACKAGES[role === 'region' ? 'rack' : 'region'];
    return {
      ...(version !== undefined && { version }),
      // The two have packages in common.
      packages: installed.has(other) ? [PACKAGES[role], other] : [PACKAGES[role]],
    };
  },
  regionServices: () => REGION_SERVICES.filter((name) => hasUnit(name, ['usr/lib', 'lib'])),
  rackService: () => DAEMONS.rack,
  isOneService: false,

  install: (role, source, tools) => [
    { kind: 'source', name: 'maas', source },
    ...(role === 'region' ? unitSettings() : []),
    { kind: 'packages', names: [PACKAGES[role]], held: true },
    ...(tools.length > 0 ? [{ kind: 'packages', names: tools } satisfies Resource] : []),
  ],
  adopt: () => Promise.resolve(),
  async stopFresh(role) {
    await run(['systemctl', 'stop', `${DAEMONS[role]}.service`]);
  },
  refreshOffers: refreshPackageLists,
  offered: (name) => offeredVersion(name),
  fetch: downloadPackages,
  follow: () => Promise.resolve(),
  upgrade: (names, version) => [{ kind: 'packages', names, version, held: true }],
  removeRegion: (left, tools) => [
    ...(left.hasOther ? [] : [stopped('maas-http')]),
    { kind: 'absent-packages', names: [PACKAGES.region, ...tools] },
    ...(left.hasOther ? [{ kind: 'step', id: 'rack-dns', run: restoreDns } satisfies Resource] : []),
    ...removeShared('region', left),
  ],
  removeRack: (left) => [
    ...['maas-rackd', 'maas-dhcpd', 'maas-dhcpd6', 'maas-agent', ...(left.hasOther ? [] : ['maas-http'])].map(
      stopped,
    ),
    { kind: 'absent-packages', names: [PACKAGES.rack] },
    ...removeShared('rack', left),
  ],

  initialiseRegion: () => Promise.resolve(),
  initialiseRack: () => Promise.resolve(),
  async holdRegion() {
    for (const path of HOLD_FILES) await replaceFile({ path, content: HOLD, mode: 0o644 });
    await run(['systemctl', 'daemon-reload']);
  },
  async releaseRegion() {
    for (const path of HOLD_FILES) await deleteFile(path);
    await run(['systemctl', 'daemon-reload']);
  },
  isRegionHeld: () => HOLD_FILES.some((path) => existsSync(path)),
  standstill: (services) =>
    services.map((name) =>
      name === DAEMONS.region ? { ...stopped(name), stop: () => stopRegion() } : stopped(name),
    ),
  stopRegion,
  async startRegion(services) {
    await run(['systemctl', 'enable', '--quiet', ...services.map((name) => `${name}.service`)]);
    // What goes with it fails before regiond has written its configuration.
    await run(['systemctl', 'start', 'maas-regiond.service']);
    await startWebServer();
  },
  async pauseRegion() {
    await stopRegion();
    const units = DEB.regionServices().map((name) => `${name}.service`);
    await run(['systemctl', 'disable', '--quiet', '--now', ...units]);
  },
  resumeRegion: startWebServer,
  async pauseRack() {
    // systemd stops DHCP with it.
    await run(['systemctl', 'disable', '--quiet', '--now', 'maas-rackd.service']);
  },
  async resumeRack() {
    await run(['systemctl', 'enable', '--quiet', '--now', 'maas-rackd.service']);
  },
};

/** Unless they have stayed: a person has installed them. */
async function restoreDns(): Promise<void> {
  if (!DEB.isInstalled('region')) await restoreRackDns();
}

function stopped(name: string): ServiceResource {
  return { kind: 'service', name, state: 'stopped', enabled: false };
}

/** What both kinds of controller have, unless the other one is on this machine and goes on needing it. */
function removeShared(role: Role, { hasOther, isAdopted }: Left): readonly Resource[] {
  const settings = role === 'region' ? [...HOLD_FILES, ...UNIT_SETTINGS.map(({ path }) => path)] : [];
  const ofMaas = isAdopted ? [] : [DEB.conf[role], ...(hasOther ? [] : [SECRET_FILE, ID_FILE])];
  return [
    ...(hasOther ? [] : [{ kind: 'source', name: 'maas', source: '' } satisfies Resource]),
    ...[...settings, ...ofMaas].map((path): Resource => ({ kind: 'absent-file', path })),
  ];
}

/**
 * The systemd unit of regiond runs it under a shell, and stops by killing: the dead processes would stay in MAAS' list
 * for up to two and a half minutes, and racks would go on calling them. So regiond itself is asked first, after the
 * balancers have been turned away.
 * @param timeout how long regiond may take, in milliseconds
 */
async function stopRegion(timeout = STOP_SECONDS['maas-regiond'] * 1000): Promise<void> {
  await tryRun(['systemctl', 'disable', '--quiet', 'maas-regiond.service']);
  // Refused connections are tried elsewhere; what the web server says in regiond's place is not.
  if (!DEB.isInstalled('rack')) await tryRun(['systemctl', 'stop', 'maas-http.service']);
  const master = await masterProcess();
  if (master !== undefined) {
    // By a program, because it may end by itself in between, which is no error.
    await tryRun(['kill', '-TERM', String(master)]);
    const end = performance.now() + timeout;
    while (existsSync(`/proc/${master}`) && performance.now() < end) await sleep(200);
    // It has said goodbye long ago, and systemd would wait as long again.
    if (existsSync(`/proc/${master}`))
      await tryRun(['systemctl', 'kill', '--signal=KILL', 'maas-regiond.service']);
  }
  await run(['systemctl', 'stop', 'maas-regiond.service']);
}

/** What {@link stopRegion} has stopped first. */
async function startWebServer(): Promise<void> {
  await tryRun(['systemctl', 'start', 'maas-http.service']);
}

function unitSettings(): readonly Resource[] {
  return [
    ...UNIT_SETTINGS.map((file): Resource => ({ kind: 'file', mode: 0o644, ...file })),
    {
      kind: 'step',
      id: 'unit-settings',
      inputs: Object.fromEntries(UNIT_SETTINGS.map(({ path, content }) => [path, content])),
      run: async () => void (await run(['systemctl', 'daemon-reload'])),
    },
  ];
}

/** The process that runs the others: regiond itself, or in the packages the child of the shell that they start. */
async function masterProcess(): Promise<number | undefined> {
  const { stdout } = await tryRun([
    'systemctl',
    'show',
    '--property=MainPID',
    '--value',
    'maas-regiond.service',
  ]);
  const main = Number(stdout.trim());
  if (!Number.isInteger(main) || main <= 0) return undefined;
  if (await isRegiond(main)) return main;
  for (const child of await childrenOf(main)) if (await isRegiond(child)) return child;
  return undefined;
}

async function isRegiond(pid: number): Promise<boolean> {
  const [program = '', script = ''] = (await readProcess(pid, 'cmdline')).split('\0');
  return [program, script].some((path) => /(^|\/)regiond$/.test(path));
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  return (await readProcess(pid, `task/${pid}/children`)).trim().split(' ').filter(Boolean).map(Number);
}

/** Nothing where the process is gone. */
async function readProcess(pid: number, file: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
