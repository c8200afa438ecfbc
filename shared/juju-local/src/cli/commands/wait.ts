import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { count } from '../arguments.ts';
import { define } from '../command.ts';
import { FullStatus, unitsOf } from '../status.ts';

export const waitCommands = {
  wait: define(
    'wait [--timeout seconds]',
    'Waits until every unit is idle and active, and shows what changes (juju has no such command).',
    { timeout: { type: 'string', default: '900' } },
    { least: 0, most: 0 },
    ({ request }, { timeout }) => waitForActive(request, count(timeout)),
  ),
};

async function waitForActive(
  request: (verb: string, args: unknown) => Promise<unknown>,
  timeout: number,
): Promise<number> {
  const end = performance.now() + timeout * 1000;
  const started = performance.now();
  const said = new Map<string, string>();
  for (;;) {
    const status = FullStatus.parse(await request('status', { selectors: [] }));
    const units = unitsOf(status);
    const say = (name: string, text: string): void => {
      if (said.get(name) === text) return;
      said.set(name, text);
      const time = String(Math.round((performance.now() - started) / 1000)).padStart(4);
      console.error(`${time}s  ${name.padEnd(20)} ${text}`);
    };
    for (const [id, machine] of Object.entries(status.machines)) {
      const { current, message = '' } = machine['machine-status'];
      if (current !== 'running') say(`machine ${id}`, `${current} ${message}`.trimEnd());
    }
    for (const { name, unit } of units) {
      const { current, message = '' } = unit['workload-status'];
      say(name, `${current} ${message}`.trimEnd());
    }
    const unsettled = z.array(z.string()).parse(await request('unsettled-units', null));
    if (units.length > 0 && unsettled.length === 0) return 0;
    if (performance.now() > end) {
      const names = unsettled.join(', ');
      console.error(`after ${timeout} s these are not active and idle: ${names || 'there are no units'}`);
      return 1;
    }
    await sleep(500);
  }
}
