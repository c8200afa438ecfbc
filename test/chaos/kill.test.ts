// Hooks are killed at random moments of everything that happens to a MAAS: the ones after them have to make up for it.
// CHAOS_KILLS says how many for each thing that happens; absent: 2.
import { expect, test } from '@jest/globals';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, secure } from '../deploy/client.ts';
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

/**
 * A process that runs a hook or an action of this model's MAAS.
 * @param program the arguments of a command that it has to be running; absent: anything
 */
async function runningHook(program?: string): Promise<Hook | undefined> {
  const found: Hook[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // First, and of the others nothing: what is looked for may run for a quarter of a second.
      if (!(await readlink(`/proc/${name}/exe`)).endsWith('/dispatch')) continue;
      const environment = await readFile(`/proc/${name}/environ`, 'utf8');
      const variable = (key: string): string =>
        new RegExp(`(?:^|\0)${key}=([^\0]*)`).exec(environment)?.[1] ?? '';
      const unit = variable('JUJU_UNIT_NAME');
      if (variable('JUJU_MODEL_NAME') !== model.name || !unit.startsWith('maas-')) continue;
      if (program === undefined || (await runs(name, program)))
        found.push({ pid: Number(name), unit, what: variable('JUJU_DISPATCH_PATH') });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found[Math.floor(Math.random() * found.length)];
}

/** Whether a process has a child with these arguments. */
async function runs(pid: string, program: string): Promise<boolean> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean);
  for (const child of children) {
    const words = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (words.replaceAll('\0', ' ').includes(program)) return true;
  }
  return false;
}

/**
 * Kills hooks while something happens, each after some time between 50 ms and 15 s, and says which.
 * @param program the arguments of a command: only hooks that run it are killed, within a third of a second
 */
async function killing(what: () => Promise<void>, program?: string): Promise<readonly string[]> {
  const over = new AbortController();
  const killed: string[] = [];
  const killer = (async () => {
    while (!over.signal.aborted && killed.length < KILLS) {
      await sleep(program === undefined ? 50 : 10);
      const hook = await runningHook(program);
      if (!hook) continue;
      // Long hooks are found most often, and are not all that happens.
      const name = `${hook.unit} ${hook.what}`;
      const isFrequent = killed.filter((one) => one === name).length >= KILLS / 2;
      if (program === undefined && isFrequent) continue;
      await sleep(program === undefined ? 50 * 300 ** Math.random() : 300 * Math.random());
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
      await model.enableExtensions();
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
        await model.juju('run', 'maas-region/leader', 'rotate-secret', '--wait=10m').catch(() => undefined);
        await model.juju('run-hook', 'maas-region/0', 'update-status').catch(() => undefined);
        await settle();
      });
      await model.juju('run', 'maas-region/leader', 'rotate-secret', '--wait=10m');
      await settle();
      await everythingWorks();
      expect(await secrets()).not.toContain(before);
    },
    4 * MINUTE,
  );

  test(
    'while MAAS is told settings, and takes them back',
    async () => {
      const [dns, proxy] = ['upstream_dns', 'http_proxy'];
      const told = async (): Promise<readonly string[]> =>
        model.sql(
          `SELECT name, value FROM maasserver_config WHERE name IN ('${dns}', '${proxy}') ORDER BY name`,
        );
      // The API is asked with a key that this command gives.
      const killed = await killing(async () => {
        await model.juju('config', 'maas-region', 'http-proxy=http://10.0.0.9:3128', 'upstream-dns=9.9.9.9');
        await settle();
      }, 'maas-region apikey');
      expect(killed).not.toEqual([]);
      expect(await told()).toEqual([`${proxy}|"http://10.0.0.9:3128/"`, `${dns}|"9.9.9.9"`]);
      await killing(async () => {
        await model.juju('config', 'maas-region', '--reset', 'http-proxy,upstream-dns');
        await settle();
      }, 'maas-region apikey');
      expect(await told()).toEqual([`${proxy}|""`, `${dns}|""`]);
      await everythingWorks();
    },
    4 * MINUTE,
  );

  test(
    'while MAAS is given a certificate, and stops to serve HTTPS: no key is left behind',
    async () => {
      const { machine, address } = await model.unit('maas-region/0');
      const isSecure = async (): Promise<boolean> => {
        const ca = model.authority();
        return secure(`https://${address}:5443/MAAS/api/2.0/version/`, ca).then(
          (said) => said.includes('3.7.0'),
          () => false,
        );
      };
      await model.juju('deploy', join(DIST, 'self-signed-certificates.charm'));
      await model.juju('integrate', 'maas-region:certificates', 'self-signed-certificates:certificates');
      const killed = await killing(async () => {
        await model.juju('config', 'maas-region', 'tls-mode=passthrough');
        await settle();
        await eventually(60, async () => expect(await isSecure()).toBe(true));
      }, 'maas-region config_tls enable');
      expect(killed).not.toEqual([]);
      await settle();
      expect(await model.on(machine, 'ls /run/maas-ha/tls 2>&1 || true')).toContain('No such file');
      await killing(async () => {
        await model.juju('config', 'maas-region', 'tls-mode=disabled');
        await settle();
        await eventually(60, async () => expect(await isSecure()).toBe(false));
      }, 'maas-region config_tls disable');
      await everythingWorks();
    },
    5 * MINUTE,
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
