import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Locks a file until what is returned is called, or until this process ends, however it ends: flock(1) holds the lock
 * while its stdin is open.
 * @param waits whether to wait for another process that holds it
 * @returns undefined when it does not wait, and another process holds the lock
 */
export async function lock(file: string, waits: boolean): Promise<(() => void) | undefined> {
  const how = waits ? [] : ['--nonblock'];
  const holder = spawn('flock', ['--exclusive', ...how, file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  holder.stdin.on('error', () => undefined); // it may end without reading
  holder.stdin.write('locked\n');
  const isLocked = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'exit').then(() => false),
  ]);
  return isLocked ? () => holder.stdin.end() : undefined;
}
