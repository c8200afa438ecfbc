import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { CommandLineError, UsageError } from '../../errors.ts';
import { Scalar } from '../../model/documents.ts';
import { count, list, MANY, readConfig } from '../arguments.ts';
import { define, JUJU, jujuOf } from '../command.ts';
import { FORMAT, print } from '../format.ts';
import { FullStatus } from '../status.ts';

export const applicationCommands = {
  deploy: define(
    'deploy <bundle.yaml|charm file> [<application>] [-n N] [--to M] [--config k=v|file] [--overlay file] [--juju 3.6|4]',
    'Deploys a bundle or a local charm.',
    {
      overlay: MANY,
      config: MANY,
      to: MANY,
      'num-units': { type: 'string', short: 'n' },
      trust: { type: 'boolean' },
      ...JUJU,
    },
    { least: 1, most: 2 },
    async ({ request }, values, [path = '', name]) => {
      if (!existsSync(path))
        throw new UsageError(
          `"${path}" was not found; juju-local deploys local .charm files and bundles, by their path`,
        );
      if (/\.ya?ml$/.test(path)) {
        await request('deploy-bundle', {
          path: resolve(path),
          overlays: (values.overlay ?? []).map((file) => resolve(file)),
          trust: values.trust === true,
          juju: jujuOf(values),
        });
        console.error('Deploy of bundle completed.');
        return;
      }
      if (values.overlay) throw new CommandLineError('--overlay is for bundles');
      const units = values['num-units'];
      await request('deploy', {
        path: resolve(path),
        ...(name !== undefined && { name }),
        ...(units !== undefined && { units: count(units) }),
        to: list(values.to),
        config: await readConfig(values.config ?? [], name),
        juju: jujuOf(values),
      });
    },
    true,
  ),

  refresh: define(
    'refresh <application> --path <charm file> [--force-units]',
    'Upgrades the charm of an application; with --force-units also on units in error.',
    { path: { type: 'string' }, 'force-units': { type: 'boolean', default: false } },
    { least: 1, most: 1 },
    async ({ request }, { path, 'force-units': forceUnits }, [app]) => {
      if (path === undefined) throw new UsageError('juju-local has no store: give --path');
      await request('refresh', { app, path: resolve(path), forceUnits });
    },
  ),

  'add-unit': define(
    'add-unit <application> [-n N] [--to M]',
    'Adds units to an application.',
    { 'num-units': { type: 'string', short: 'n', default: '1' }, to: MANY },
    { least: 1, most: 1 },
    async ({ request }, values, [app]) => {
      const units = count(values['num-units']);
      if (units < 1) throw new CommandLineError('--num-units must be a positive integer');
      await request('add-unit', { app, units, to: list(values.to) });
    },
  ),

  config: define(
    'config <application> [<option>] [<option>=<value>...] [--reset option,...] [--file file]',
    'Shows or sets options.',
    { ...FORMAT, reset: MANY, file: { type: 'string' } },
    { least: 1 },
    async ({ request }, values, [app = '', ...words]) => {
      if (values.file !== undefined) {
        const { model } = FullStatus.parse(await request('status', { selectors: [] }));
        // Seen on 4.1; `option=@file` is left.
        if (!model.version.startsWith('3.'))
          throw new CommandLineError('option provided but not defined: --file');
      }
      const assignments = words.filter((word) => word.includes('='));
      const fromFile = values.file === undefined ? {} : await readConfig([values.file], app);
      const given = { ...fromFile, ...(await readConfig(assignments, app)) };
      const reset = list(values.reset);
      if (Object.keys(given).length > 0 || reset.length > 0) {
        await request('set-config', { app, values: given, reset });
        return;
      }
      const answer = await request('get-config', { app });
      const [key] = words;
      if (key !== undefined) {
        const Settings = z.object({ settings: z.record(z.string(), z.object({ value: Scalar.optional() })) });
        const setting = Settings.parse(answer).settings[key];
        if (!setting)
          throw new UsageError(`key "${key}" not found in "${app}" application config or charm settings.`);
        console.log(String(setting.value ?? ''));
      } else print(answer, values.format ?? 'yaml');
    },
  ),
};
