import { once } from 'node:events';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { UserError } from 'juju-ts-ops';
import { ADMIN_SOCKET } from './render/haproxy-cfg.ts';

export const actions = {
  'show-backends': async () => ({ backends: serverTable(await ask('show stat')) }),
};

/** Asks HAProxy over its admin socket. */
async function ask(command: string): Promise<string> {
  const socket = createConnection(ADMIN_SOCKET);
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw new UserError('HAProxy does not run here', { cause });
  }
  socket.end(`${command}\n`);
  return text(socket);
}

/** HAProxy's statistics (CSV with a header) → one line for each server: its name, address and state. */
export function serverTable(csv: string): string {
  const [header = '', ...rows] = csv.replace(/^# /, '').trim().split('\n');
  const columns = header.split(',');
  const column = (row: string, name: string): string => row.split(',')[columns.indexOf(name)] ?? '';
  return rows
    .filter((row) => column(row, 'pxname') === 'servers' && column(row, 'svname') !== 'BACKEND')
    .map((row) => `${column(row, 'svname')} ${column(row, 'addr')} ${column(row, 'status')}`)
    .join('\n');
}
