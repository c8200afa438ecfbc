// Hooks are killed at random moments of everything that happens to a MAAS: the ones after them have to make up for it.
// CHAOS_KILLS says how many for each thing that happens; absent: 2.
import { expect, test } from '@jest/globals';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../deploy/client.ts';
import { deployed, MINUTE, racksAreConnected } from '../deploy/deployed.ts';
import { LocalModel } from '../deploy/model.ts';
import { describeOnMachines } from '../machines.ts';

const KILLS = Number(process.env['CHAOS_KILLS'] ?? 2);
const DIST = join(import.meta.dirname, '../../dist');
const model = new LocalModel('test-chaos');

interface Hook {
  readonly pid: number;
  readonly unit: string;
  readonly what: string;
}

/** A process that runs a hook or an action of this model's MAAS. */
async function runningHook(): Promise<Hook | undefined> {
  const found: Hook[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!(await readlink(`/proc/${name}/exe`)).endsWith('/dispatch')) continue;
      const environment = await readFile(`/proc/${name}/environ`, 'utf8');
      const variable = (key: string): string =>
        new RegExp(`(?:^|\0)${key}=([^\0]*)`).exec(environment)?.[1] ?? '';
      const unit = variable('JUJU_UNIT_NAME');
      if (variable('JUJU_MODEL_NAME') === model.name && unit.startsWith('maas-'))
        found.push({ pid: Number(name), unit, what: variable('JUJU_DISPATCH_PATH') });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found[Math.floor(Math.random() * found.length)];
}

/** Kills hooks while something happens, each after some time between 50 ms and 15 s, and says which. */
async function killing(what: () => Promise<void>): Promise<readonly string[]> {
  const over = new AbortController();
  const killed: string[] = [];
  const killer = (async () => {
    while (!over.signal.aborted && killed.length < KILLS) {
      await sleep(50);
      const hook = await runningHook();
      if (!hook) continue;
      // Long hooks are found most often, and are not all that happens.
      const name = `${hook.unit} ${hook.what}`;
      if (killed.filter((one) => one === name).length >= KILLS / 2) continue;
      await sleep(50 * 300 ** Math.random());
      try {
        process.kill(hook.pid, 'SIGKILL');
        killed.push(name);
      } catch {
        // It was quicker.
      }
    }
  })();
  try {
    await what();
  } finally {
    over.abort();
    await killer;
  }
  console.log(`killed: ${killed.join(', ')}`);
  return killed;
}

/** Tries failed hooks again, as Juju would do by itself after a while, until every unit is active. */
async function settle(): Promise<void> {
  await eventually(240, async () => {
    await model.juju('resolved', '--all').catch(() => undefined);
    await model.settle(10);
  });
}

async function secrets(): Promise<ReadonlySet<string>> {
  const units = [...(await model.unitsOf('maas-region')), ...(await model.unitsOf('maas-rack'))];
  return new Set(
    await Promise.all(units.map(({ machine }) => model.on(machine, 'cat /var/lib/maas/secret'))),
  );
}

/** The rack is connected to every region, and no unit says anything but that it works. */
async function everythingWorks(): Promise<void> {
  await eventually(60, () => racksAreConnected(model));
  expect((await secrets()).size).toBe(1);
}

describeOnMachines(`hooks killed with SIGKILL, ${KILLS} for each thing that happens`, () => {
  // The first test is the deployment.
  deployed(model, () => Promise.resolve());

  test(
    'while everything is installed and the database migrated',
    async () => {
      const source = `source=${await model.sourceOf('3.4')}`;
      await killing(async () => {
        await model.juju('deploy', join(DIST, 'postgresql.charm'));
        await model.juju('deploy', join(DIST, 'maas-region.charm'), '--config', source);
        await model.juju('deploy', join(DIST, 'maas-rack.charm'), '--config', source);
        await model.juju('integrate', 'maas-region:database', 'postgresql:database');
        await model.juju('integrate', 'maas-rack:rpc', 'maas-region:rpc');
        await settle();
      });
      expect(await model.migrations()).toEqual(['3.4']);
      await everythingWorks();
    },
    5 * MINUTE,
  );

  test(
    'while MAAS is upgraded',
    async () => {
      const source = `source=${await model.sourceOf('3.7')}`;
      await killing(async () => {
        await model.juju('config', 'maas-region', source);
        await model.juju('config', 'maas-rack', source);
        await eventually(180, async () => {
          await settle();
          for (const unit of [...(await model.unitsOf('maas-region')), ...(await model.unitsOf('maas-rack'))])
            expect(await model.on(unit.machine, 'cat /usr/share/maas/version')).toBe('3.7.0');
        });
      });
      expect(await model.migrations()).toEqual(['3.4', '3.7']);
      await everythingWorks();
    },
    5 * MINUTE,
  );

  test(
    'while the secret is rotated',
    async () => {
      const [before = ''] = await secrets();
      await killing(async () => {
        // An action that was killed has failed; what it had begun goes on with the next hook.
        await model.juju('run', 'maas-region/leader', 'rotate-secret').catch(() => undefined);
        await model.juju('run-hook', 'maas-region/0', 'update-status').catch(() => undefined);
        await settle();
      });
      await model.juju('run', 'maas-region/leader', 'rotate-secret');
      await settle();
      await everythingWorks();
      expect(await secrets()).not.toContain(before);
    },
    4 * MINUTE,
  );

  test(
    'while a region goes: MAAS has forgotten it, and the other goes on',
    async () => {
      await model.juju('add-unit', 'maas-region');
      await settle();
      await everythingWorks();
      await killing(async () => {
        await model.juju('remove-unit', 'maas-region/1', '--no-prompt');
        await eventually(120, async () => {
          await model.juju('resolved', '--all').catch(() => undefined);
          expect(await model.unitsOf('maas-region')).toHaveLength(1);
        });
        await settle();
      });
      await eventually(60, async () => {
        await model.juju('run-hook', 'maas-region/0', 'update-status');
        const list = await model.juju('run', 'maas-region/0', 'list-controllers');
        expect(list.match(/regions: .*/)?.[0].match(/system_id/g)).toHaveLength(1);
      });
      await everythingWorks();
      expect(await model.migrations()).toEqual(['3.4', '3.7']);
    },
    6 * MINUTE,
  );
});
