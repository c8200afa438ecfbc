import { existsSync } from 'node:fs';
import { constants, copyFile, cp, mkdir, readlink, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, type Resource } from 'juju-ts-host';
import type { DatabaseServer } from 'juju-ts-interfaces/database';
import { blocked, WaitingError, waiting, type Redacted, type Status } from 'juju-ts-ops';
import { nameOf } from './choose.ts';
import type { Config } from './follow.ts';
import { readReport } from './report.ts';
import { unroute } from './route.ts';
import { CONFIG, FOLDER, REPORT, type DatabaseProxy } from './state.ts';

export const SERVICE = 'maas-database-proxy';
/** The name of the charm's program that the service runs. */
export const PROGRAM = 'database-proxy';
const PROGRAM_MARK = `${FOLDER}/program.mark`;
const UNIT = `/etc/systemd/system/${SERVICE}.service`;
export const METRICS_PORT = 9543;
/** How long a hook waits for the service to have found the primary, in milliseconds. */
const TIMEOUT = 20_000;

/** What sends packets on, and finds out the way. */
export const PACKAGES = ['nftables', 'iproute2'];

/** Does nothing but what it has to: it is root only to tell the kernel. What it has told stays when it is stopped. */
const UNIT_TEXT = `# Written by the charm maas-region.
[Unit]
Description=Sends MAAS to the PostgreSQL that is the primary
After=network.target nftables.service
Before=maas-regiond.service maas-apiserver.service maas-temporal.service snap.maas.pebble.service
StartLimitIntervalSec=0

[Service]
ExecStart=${FOLDER}/program/dispatch ${PROGRAM} ${FOLDER}
Restart=always
RestartSec=500ms
# One that hangs is started anew, which moves no connection.
WatchdogSec=30
WatchdogSignal=SIGKILL
NotifyAccess=all
# Out of memory it dies before MAAS does: nothing goes through it.
OOMScoreAdjust=500
MemoryMax=256M
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_ADMIN
ProtectSystem=strict
ReadWritePaths=${FOLDER}
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
`;

/**
 * The service, and the first word of it that it has found a primary.
 * @param stopped the unit that waits for other extensions than these
 */
export function databaseProxyResources(
  proxy: DatabaseProxy,
  stopped: Config['stopped'],
): readonly Resource[] {
  const { program, relation, report } = proxy;
  return [
    { kind: 'packages', names: PACKAGES },
    { kind: 'step', id: 'database-proxy-program', inputs: { program }, run: installProgram },
    { kind: 'file', path: PROGRAM_MARK, content: program, mode: 0o644 },
    { kind: 'file', path: CONFIG, content: renderConfig(proxy, stopped), mode: 0o600 },
    { kind: 'file', path: UNIT, content: UNIT_TEXT, mode: 0o644 },
    { kind: 'step', id: 'database-proxy-unit', inputs: { unit: UNIT_TEXT }, run: daemonReload },
    // Restarting it moves no connection.
    {
      kind: 'service',
      name: SERVICE,
      state: 'running',
      enabled: true,
      after: [PROGRAM_MARK, CONFIG, UNIT],
    },
    ...(report?.last
      ? []
      : [{ kind: 'step', id: 'await-primary', run: () => awaitPrimary(relation) } satisfies Resource]),
  ];
}

/** Nothing of the service is left, where it is not wanted any more or its unit goes. */
export function withoutDatabaseProxy(): readonly Resource[] {
  return [
    { kind: 'service', name: SERVICE, state: 'stopped', enabled: false },
    { kind: 'absent-file', path: UNIT },
    {
      kind: 'step',
      id: 'remove-database-proxy',
      run: async () => {
        await daemonReload();
        await unroute();
        await rm(FOLDER, { recursive: true, force: true });
      },
    },
  ];
}

/** Why MAAS has nowhere to write to; nothing if it has, or if that is not known yet. */
export function databaseProxyStatus({ report, unitsByAddress }: DatabaseProxy): Status | undefined {
  if (report === undefined || report.current) return undefined;
  const problem = byUnit(report.problem ?? 'no PostgreSQL is the primary', unitsByAddress);
  return report.isUndecided ? blocked(problem) : waiting(problem);
}

/** For the status of a region that serves: where it writes to, and what is wrong there. */
export function databaseProxyNotes({ report, unitsByAddress }: DatabaseProxy): readonly string[] {
  if (!report?.current) return [];
  const { current, since, problem } = report;
  const unit = unitsByAddress[current.host];
  return [
    `writes to ${unit ?? nameOf(current)} since ${since.slice(11, 16)}`,
    ...(problem === undefined ? [] : [byUnit(problem, unitsByAddress)]),
  ];
}

/** The service knows servers by their addresses: those that are units are named as such. */
function byUnit(problem: string, unitsByAddress: DatabaseProxy['unitsByAddress']): string {
  return problem.replaceAll(/[\w.:-]*\w/g, (word) => unitsByAddress[word] ?? word);
}

function renderConfig(
  { direct, standbys, former, relation, authority }: DatabaseProxy,
  stopped: Config['stopped'],
): Redacted {
  const { database, user, password } = direct;
  const place = ({ host, port }: DatabaseServer): DatabaseServer => ({ host, port });
  return password.map((secret) => {
    const config: Config = {
      relation,
      database,
      user,
      password: secret,
      ...(authority !== undefined && { authority }),
      named: [place(direct), ...standbys.map(place)],
      former: [...former],
      metricsPort: METRICS_PORT,
      ...(stopped && { stopped }),
    };
    return `${JSON.stringify(config, undefined, 2)}\n`;
  });
}

/** Juju replaces the charm's own folder when it is refreshed, and takes it away: the service has a program of its own. */
async function installProgram(): Promise<void> {
  const program = await readlink('/proc/self/exe');
  const [folder, fresh] = [join(FOLDER, 'program'), join(FOLDER, 'program.new')];
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  // Not the same file under another name: Juju may write a new program into the old one's file, which cannot be while it runs.
  await copyFile(program, join(fresh, 'dispatch'), constants.COPYFILE_FICLONE);
  const libraries = join(dirname(program), 'lib');
  if (existsSync(libraries)) await cp(libraries, join(fresh, 'lib'), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(fresh, folder);
}

async function daemonReload(): Promise<void> {
  await run(['systemctl', 'daemon-reload']);
}

/** @throws {WaitingError} with what the service says, while it has found no primary */
async function awaitPrimary(relation: number): Promise<void> {
  const end = Date.now() + TIMEOUT;
  for (;;) {
    const report = await readReport(REPORT);
    if (report?.relation === relation && report.current) return;
    if (Date.now() > end)
      throw new WaitingError(
        `waiting for PostgreSQL: ${report?.problem ?? `journalctl -u ${SERVICE} says why there is no primary`}`,
      );
    await sleep(200);
  }
}
