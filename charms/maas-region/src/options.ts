import { normalUrl } from '@maas-ha/maas';
import { defineOptions } from 'juju-ts-ops';
import { z } from 'zod';
import { charmcraft } from './charmcraft.ts';
import { settingOptions } from './config/settings.ts';
import { databaseProxyOptions } from './database/proxy/state.ts';
import { tlsOptions } from './tls/state.ts';

const url = z.string().transform((text, context) => {
  if (text === '') return '';
  const normal = normalUrl(text);
  if (normal !== undefined) return normal;
  context.addIssue('the URL of MAAS, for example http://maas.example.com/MAAS');
  return z.NEVER;
});

export const options = defineOptions(charmcraft, {
  source: z.string(),
  'maas-url': url,
  'database-name': z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'the name of a database: a-z, 0-9 and _'),
  'num-workers': z.int().min(1, '1 to 10').max(10, '1 to 10: MAAS has ten RPC ports on a machine'),
  debug: z.boolean(),
  ...settingOptions,
  ...tlsOptions,
  ...databaseProxyOptions,
});
