import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, lastLines, serviceStates, tryRun, type SoleDaemon } from 'juju-ts-host';
import type { Redacted } from 'juju-ts-ops';
import { ADMIN_SOCKET, CONFIG, SIGNATURE, UNCHECKED } from './render/haproxy-cfg.ts';

/** What HAProxy says about one server. */
export interface ServerState {
  readonly backend: string;
  readonly server: string;
  readonly address: string;
  /** `UP`, `DOWN`, `DOWN 1/2`, `MAINT`, `no check`. */
  readonly status: string;
  /** Seconds since the status changed. */
  readonly since: number;
  /** Of the last check, in words; empty until there was one. */
  readonly check: string;
}

/** What HAProxy says about itself. */
export interface Running {
  /** Of the configuration that it runs: see `descriptionOf`. */
  readonly description: string;
  readonly servers: readonly ServerState[];
}

/** Asks the HAProxy that serves. `undefined` where none answers. */
export async function askHaproxy(): Promise<Running | undefined> {
  const answer = await ask('show info;show stat');
  if (answer === undefined) return undefined;
  const description = /^description: (.*)$/m.exec(answer)?.[1] ?? '';
  return { description, servers: serverStates(answer.slice(answer.indexOf('# '))) };
}

/** The HAProxy of a machine, of which there is one. */
export const HAPROXY: SoleDaemon = { package: 'haproxy', config: CONFIG, signature: SIGNATURE };

/** What accepts haproxy.cfg; {@link complaintOf} reads its words. */
export const CHECK = ['haproxy', '-c', '-f', '{}'] as const;

/** Warnings that say that HAProxy does something else than what is written. Of the rest most are that newer words exist. */
const IGNORED =
  /ignor|never|no effect|not be applied|not work|ineffective|useless|falling back to round robin|overridden|truncat|will fail|still be processed before|misplaced|requires? HTTP mode/i;
/** What HAProxy says after what is wrong. */
const SUMMARY = /Fatal errors found in configuration|Error\(s\) found in configuration/;

/** What HAProxy has against a configuration, by what it says of it: errors, and warnings that a line does not count. */
export function complaintOf(exitCode: number | undefined, output: string): string | undefined {
  const lines = output.split('\n').filter((line) => !SUMMARY.test(line));
  const counting = lines.filter(
    (line) => line.startsWith('[ALERT]') || (line.startsWith('[WARNING]') && IGNORED.test(line)),
  );
  if (exitCode === 0 && counting.length === 0) return undefined;
  const said = counting
    .slice(0, 2)
    .map((line) => line.replace(/^\[\w+\]\s*\(\d+\) : (config : )?/, '').trim());
  return said.length > 0 ? said.join(' | ') : lastLines(output);
}

/**
 * Asks HAProxy whether it would take a configuration, while none of its files stands where it reads.
 * @param render the configuration, with a path for its certificate
 * @param folder where only root can read
 * @returns its words where it would not; `undefined` also where it is not installed yet
 */
export async function refusalOf(
  render: (certificate: string) => string,
  pem: Redacted | undefined,
  folder: string,
): Promise<string | undefined> {
  if (!existsSync('/usr/sbin/haproxy')) return undefined;
  await mkdir(folder, { recursive: true });
  // What a hook leaves here when it is killed, the next one takes away.
  const trial = join(folder, 'trial');
  await rm(trial, { recursive: true, force: true });
  await mkdir(trial, { mode: 0o700 });
  const [cfg, certificate] = [join(trial, 'haproxy.cfg'), join(trial, 'certificate.pem')];
  try {
    if (pem) await writeFile(certificate, pem.reveal(), { mode: 0o600 });
    await writeFile(cfg, render(certificate), { mode: 0o600 });
    const [program, ...args] = CHECK;
    const { exitCode, stdout, stderr } = await tryRun([
      program,
      ...args.map((arg) => arg.replace('{}', cfg)),
    ]);
    const said = complaintOf(exitCode, stderr || stdout);
    return said?.replaceAll(cfg, 'haproxy.cfg').replaceAll(certificate, 'the certificate');
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

/** Whether the service runs here. */
export async function isServing(): Promise<boolean> {
  const [service] = await serviceStates(['haproxy']);
  return service?.isRunning ?? false;
}

/** @returns `undefined` when nobody answers within two seconds */
async function ask(command: string): Promise<string | undefined> {
  const socket = createConnection(ADMIN_SOCKET);
  socket.setTimeout(2000, () => socket.destroy(new Error('no answer')));
  try {
    await once(socket, 'connect');
    socket.end(`${command}\n`);
    return await text(socket);
  } catch {
    return undefined;
  }
}

/** The servers that are checked, of HAProxy's statistics: CSV with a header. https://docs.haproxy.org/2.4/management.html#9.1 */
export function serverStates(csv: string): readonly ServerState[] {
  const [header = '', ...rows] = csv.replace(/^# /, '').trim().split('\n');
  const columns = header.split(',');
  return rows.flatMap((row) => {
    const cells = row.split(',');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    // The type says what a row is about: 2 is a server.
    if (cell('type') !== '2' || cell('pxname').endsWith(UNCHECKED)) return [];
    return [
      {
        backend: cell('pxname'),
        server: cell('svname'),
        address: cell('addr'),
        status: cell('status'),
        since: Number(cell('lastchg')),
        check: /^(INI|)$/.test(cell('check_status'))
          ? ''
          : `${cell('check_status')} ${cell('last_chk')}`.trim(),
      },
    ];
  });
}

/**
 * Waits until the HAProxy that serves runs this configuration, and has checked its servers. `systemctl reload` says
 * that all is well before HAProxy has tried: one that cannot load it goes on with what it had.
 * @throws {HostError} `service`
 */
export async function awaitServing(description: string): Promise<void> {
  if (await serves(description)) return;
  // What made it fail may have passed since.
  await tryRun(['systemctl', 'reload-or-restart', 'haproxy.service']);
  if (await serves(description)) return;
  const { stdout } = await tryRun([
    'journalctl',
    '--unit=haproxy.service',
    '--lines=50',
    '--output=cat',
    '--no-pager',
  ]);
  const complaints = stdout.split('\n').filter((line) => /\[(ALERT|WARNING)\]/.test(line));
  const said = complaints.slice(-2).map((line) => line.replace(/^\[(ALERT|WARNING)\]\s*\(\d+\) : /, ''));
  throw new HostError(
    'service',
    'retry',
    `HAProxy does not serve the new configuration: ${said.join(' | ') || 'it does not answer'}`,
  );
}

async function serves(description: string): Promise<boolean> {
  let running: Running | undefined;
  for (let tries = 0; tries < 30; tries += 1) {
    running = await askHaproxy();
    const isNew = running?.description === description;
    if (isNew && running?.servers.every(({ check, status }) => check !== '' || status === 'no check'))
      return true;
    await sleep(200);
  }
  return running?.description === description;
}
