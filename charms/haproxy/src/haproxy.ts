import { once } from 'node:events';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, serviceStates, tryRun } from '@maas-ha/host';
import { ADMIN_SOCKET, UNCHECKED } from './render/haproxy-cfg.ts';

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

/** Whether the service runs here. */
export async function isServing(): Promise<boolean> {
  const [service] = await serviceStates(['haproxy']);
  return service?.isRunning ?? false;
}

/** How long those who send clients here need to notice the mark, in seconds: keepalived looks every second. */
const DRAIN_TIME = 3;

/** Waits until nobody sends clients here any more. @param forSeconds how long the mark has been there */
export async function awaitDrained(forSeconds: number): Promise<void> {
  await sleep(1000 * Math.max(0, DRAIN_TIME - forSeconds));
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
