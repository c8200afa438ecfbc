import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MaasApi } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import {
  changeSettings,
  settingChanges,
  settingOptions,
  wantedSettings,
} from '../../../../charms/maas-region/src/config/settings.ts';
import { DoubleHost } from '../../maas-double/host.ts';
import { postgresqlServer } from '../../postgresql.ts';
import { bagOf, databaseOver, machineOf, serving } from '../states.ts';

const optionsOf = (known: object): ReturnType<typeof serving>['options'] => ({
  ...serving().options,
  ...known,
});
const PROXY = 'http://proxy.example.com:3128/';

describe('options', () => {
  test.each([
    ['http-proxy', 'http://proxy.example.com:3128', PROXY],
    ['http-proxy', '', ''],
    ['upstream-dns', '8.8.8.8,2001:4860:4860::8888  1.1.1.1', '8.8.8.8 2001:4860:4860::8888 1.1.1.1'],
  ] as const)('%s=%s is %s in MAAS', (name, given, value) => {
    expect(settingOptions[name].parse(given)).toBe(value);
  });

  test.each([
    ['http-proxy', 'proxy:3128', 'for example http://proxy.example.com:3128/'],
    ['http-proxy', 'http://proxy/path', 'for example http://proxy.example.com:3128/'],
    ['http-proxy', 'http://me:secret@proxy:3128', 'without user and password'],
    ['upstream-dns', '8.8.8.8 dns.example.com', 'dns.example.com is no IP address'],
  ] as const)('%s=%s is refused in words', (name, given, words) => {
    expect(settingOptions[name].safeParse(given).error?.issues[0]?.message).toContain(words);
  });
});

describe('MAAS is told', () => {
  const settings = { relation: 4, values: { enable_http_proxy: 'true', http_proxy: PROXY } };
  const options = optionsOf({ 'http-proxy': PROXY });

  test('once, by the leader', () => {
    const state = serving({ options });
    expect(machineOf(state)).toContain('step:change-settings');
    expect(bagOf(state, 'region-cluster', 'app')).toMatchObject({ settings });
    expect(machineOf(serving({ options, cluster: { settings } }))).not.toContain('step:change-settings');
    expect(machineOf(serving({ options, isLeader: false }))).not.toContain('step:change-settings');
  });

  test('not before it serves, and it is not taken for told', () => {
    const state = serving({ options, region: { isServing: false } });
    expect(machineOf(state)).not.toContain('step:change-settings');
    expect(bagOf(state, 'region-cluster', 'app')).not.toHaveProperty('settings.values');
  });

  test('again where it has another database', () => {
    const cluster = { schema: { version: '3.7', relation: 5 }, settings };
    const database = databaseOver(5);
    expect(machineOf(serving({ options, cluster, database }))).toContain('step:change-settings');
  });

  test('to take back what an option does not say any more, and nothing else', () => {
    expect(settingChanges({}, settings.values)).toEqual([
      { name: 'enable_http_proxy', value: 'true', only: 'true' },
      { name: 'http_proxy', value: '', only: PROXY },
    ]);
    expect(settingChanges(wantedSettings(optionsOf({})), {})).toEqual([]);
  });
});

test('a collector reads the metrics of all machines where MAAS tells them', () => {
  const config = (known: object): string =>
    JSON.stringify(bagOf(serving({ observers: [8], options: optionsOf(known) }), 'cos-agent', 'unit'));
  expect(config({})).not.toContain('/MAAS/metrics"');
  expect(config({ 'prometheus-metrics': true })).toContain('"metrics_path":"/MAAS/metrics"');
});

describe('in MAAS itself', () => {
  const server = postgresqlServer();
  let host: DoubleHost;
  let api: MaasApi;

  beforeAll(async () => {
    host = await DoubleHost.make('3.4', 'region-1', '127.0.7.21');
    await host.configure(server.connection);
    await host.region(['dbupgrade']);
    await host.serve('region-1');
    await host.region(['createadmin', '--username', 'admin', '--email', 'a@example.com'], {
      input: 'p\np\n\n',
    });
    const { stdout } = await host.region(['apikey', '--username', 'admin']);
    // As on a machine: past the web server.
    api = new MaasApi(
      { socketPath: `${host.root}/var/lib/maas/maas-regiond-webapp.sock.0` },
      new Redacted(stdout),
    );
  });

  afterAll(() => host[Symbol.asyncDispose]());

  test('what options say is set; what is changed by hand afterwards stays, also when the option goes', async () => {
    const wanted = wantedSettings(
      optionsOf({ 'http-proxy': PROXY, 'upstream-dns': '8.8.8.8 1.1.1.1', 'prometheus-metrics': true }),
    );
    await changeSettings(settingChanges(wanted, {}), api);
    expect(await api.getConfig('http_proxy')).toBe(PROXY);
    expect(await api.getConfig('upstream_dns')).toBe('8.8.8.8 1.1.1.1');
    expect(await api.getConfig('prometheus_enabled')).toBe(true);
    await api.setConfig('upstream_dns', '9.9.9.9');
    await changeSettings(settingChanges({}, wanted), api);
    expect(await api.getConfig('http_proxy')).toBe('');
    expect(await api.getConfig('prometheus_enabled')).toBe(false);
    expect(await api.getConfig('upstream_dns')).toBe('9.9.9.9');
  });

  test('what MAAS refuses is told in its words', async () => {
    await expect(changeSettings([{ name: 'http_proxy', value: 'http://proxy:3128/' }], api)).rejects.toThrow(
      'http_proxy: Enter a valid URL.',
    );
  });
});
