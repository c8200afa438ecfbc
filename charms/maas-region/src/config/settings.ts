import { isIP } from 'node:net';
import type { MaasApi } from '@maas-ha/maas';
import type { Options } from 'juju-ts-ops';
import { z } from 'zod';

/** Values of MAAS' own settings, by the names that its API has for them. */
export type Settings = Readonly<Record<string, string>>;

/** What MAAS has where nobody has set anything. */
const DEFAULTS: Settings = {
  enable_http_proxy: 'true',
  http_proxy: '',
  upstream_dns: '',
  prometheus_enabled: 'false',
};

const proxy = z.string().transform((text, context) => {
  if (text.trim() === '') return '';
  const url = URL.parse(text.trim());
  if (
    url &&
    /^https?:$/.test(url.protocol) &&
    /^\/?$/.test(url.pathname) &&
    url.search === '' &&
    url.hash === ''
  ) {
    if (url.username === '' && url.password === '') return `${url.protocol}//${url.host}/`;
    context.addIssue({
      code: 'custom',
      message: 'without user and password, which every machine would be told',
      input: '',
    });
    return z.NEVER;
  }
  context.addIssue('the URL of a proxy, for example http://proxy.example.com:3128/');
  return z.NEVER;
});

const dnsServers = z.string().transform((text, context) => {
  const addresses = text.split(/[\s,]+/).filter((word) => word !== '');
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong === undefined) return addresses.join(' ');
  context.addIssue(`${wrong} is no IP address; give one or more, separated by blanks`);
  return z.NEVER;
});

/** The options that become settings of MAAS. */
export const settingOptions = {
  'http-proxy': proxy,
  'upstream-dns': dnsServers,
  'prometheus-metrics': z.boolean(),
};

/** What the options say; a setting whose option is empty is the user's own affair in MAAS. */
export function wantedSettings(options: Options<typeof settingOptions>): Settings {
  return {
    ...(options['http-proxy'] !== '' && { enable_http_proxy: 'true', http_proxy: options['http-proxy'] }),
    ...(options['upstream-dns'] !== '' && { upstream_dns: options['upstream-dns'] }),
    ...(options['prometheus-metrics'] && { prometheus_enabled: 'true' }),
  };
}

/** A setting to change. */
export interface SettingChange {
  readonly name: string;
  readonly value: string;
  /** Only while it still is this, for then it was the charm that set it. */
  readonly only?: string;
}

/**
 * What is to change in MAAS: what the options say now and did not say before, and back to MAAS' default what they do
 * not say any more. What the user has changed in MAAS since stays.
 */
export function settingChanges(wanted: Settings, before: Settings): readonly SettingChange[] {
  const set = Object.entries(wanted).filter(([name, value]) => before[name] !== value);
  const given = Object.entries(before).filter(([name]) => wanted[name] === undefined);
  return [
    ...set.map(([name, value]) => ({ name, value })),
    ...given.map(([name, value]) => ({ name, value: DEFAULTS[name] ?? '', only: value })),
  ];
}

/** Changes settings of MAAS where they differ. @throws {UserError} with MAAS' words, where it refuses one */
export async function changeSettings(changes: readonly SettingChange[], api: MaasApi): Promise<void> {
  for (const { name, value, only } of changes) {
    const current = String((await api.getConfig(name)) ?? '');
    if (current !== value && (only === undefined || current === only)) await api.setConfig(name, value);
  }
}
