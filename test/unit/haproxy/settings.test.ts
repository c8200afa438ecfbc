// What becomes of options that are wrong: they stay as they were, and everything else is followed.
import { describe, expect, test } from '@jest/globals';
import { Redacted } from 'juju-ts-ops';
import { complaintOf } from '../../../charms/haproxy/src/haproxy.ts';
import { configuredFor } from '../../../charms/haproxy/src/read.ts';
import type { HttpRelation } from '../../../charms/haproxy/src/services.ts';
import { boundPorts, settle, type Settled, type Settings } from '../../../charms/haproxy/src/settings.ts';
import { DEFAULTS, parseOptions, regions, relationOf, type RawOptions } from './states.ts';

function settings(raw: Partial<RawOptions> = {}, pem?: string): Settings {
  return {
    options: parseOptions(raw),
    given: { ...DEFAULTS, ...raw },
    ...(pem !== undefined && { certificate: { pem: new Redacted(pem) } }),
  };
}

/** @param refuses what HAProxy says to settings */
async function settled(
  before: Settings,
  wanted: Settings,
  {
    relations = [regions(1, 2)],
    holders = new Map<number, string>(),
    refuses = () => undefined,
  }: {
    readonly relations?: readonly HttpRelation[];
    readonly holders?: ReadonlyMap<number, string>;
    readonly refuses?: (settings: Settings) => string | undefined;
  } = {},
): Promise<Settled> {
  const machine = {
    reverseproxy: relations,
    isObserved: false,
    ownAddresses: ['10.9.0.11'],
    ownRelations: [3],
    holders,
    maxConnections: 5000,
    hasIpv6: true,
    nameServers: [],
  };
  return settle(before, wanted, async (tried) => {
    const refusal = refuses(tried);
    return {
      clashes: configuredFor(machine, tried).clashes,
      ...(refusal !== undefined && { refusal }),
    };
  });
}

describe('ports that clash', () => {
  test.each([
    [{ port: 443 }, 'port=443 is not applied: port= and tls-port= are both 443'],
    [{ 'tls-port': 80 }, 'tls-port=80 is not applied: port= and tls-port= are both 80'],
    [{ 'stats-port': 443 }, 'stats-port=443 is not applied: tls-port= and stats-port= are both 443'],
    [{ 'stats-port': 80 }, 'stats-port=80 is not applied: port= and stats-port= are both 80'],
    [
      { 'extra-config': 'listen more\n    bind 10.0.0.1:80,*:80' },
      'extra-config= is not applied: extra-config= binds port 80 as well',
    ],
  ])('%j stays out while HTTPS is on; what is right beside it is applied', async (raw, text) => {
    const { settings: after, refused } = await settled(
      settings({}, 'PEM'),
      settings({ ...raw, 'server-timeout': '20m' }, 'PEM'),
    );
    expect(refused).toEqual([text]);
    expect(after.given).toEqual({ ...DEFAULTS, 'server-timeout': '20m' });
    expect(after.options['server-timeout']).toBe('20m');
    expect(after.certificate).toBeDefined();
  });

  test('two options may change places', async () => {
    const { settings: after, refused } = await settled(
      settings({}, 'PEM'),
      settings({ port: 443, 'tls-port': 80 }, 'PEM'),
    );
    expect(refused).toEqual([]);
    expect(after.options).toMatchObject({ port: 443, 'tls-port': 80 });
  });

  test('the port of a service is taken by no option, and by no certificate', async () => {
    const relations = [
      relationOf(1, 'other', { 'other/0': { services: '[{service_name: other, service_port: 443}]' } }),
      regions(1),
    ];
    const port = await settled(settings(), settings({ 'stats-port': 443 }), { relations });
    expect(port.refused).toEqual([
      expect.stringContaining('port 443 is wanted for stats-port and for other'),
    ]);
    const certificate = await settled(settings(), settings({}, 'PEM'), { relations });
    expect(certificate.refused).toEqual([
      expect.stringMatching(
        /^the new certificate is not applied: port 443 is wanted for tls-port and for other/,
      ),
    ]);
    expect(certificate.settings.certificate).toBeUndefined();
  });

  test('what is in the way already holds up nothing new', async () => {
    const relations = [
      regions(1),
      relationOf(9, 'other', { 'other/0': { hostname: '10.9.0.30', port: '80' } }),
    ];
    const { settings: after, refused } = await settled(settings(), settings({ port: 8080 }), { relations });
    expect(refused).toEqual([]);
    expect(after.options.port).toBe(8080);
  });

  test('a port that another program has', async () => {
    const holders = new Map([[8080, 'java']]);
    const { settings: after, refused } = await settled(settings(), settings({ port: 8080 }), { holders });
    expect(refused).toEqual(['port=8080 is not applied: port 8080 is held by java']);
    expect(after.options.port).toBe(80);
  });
});

describe('what HAProxy refuses', () => {
  const refuses = ({ options, certificate }: Settings): string | undefined =>
    options['extra-config'].includes('bnid') || certificate?.pem.reveal() === 'WEAK' ? 'no' : undefined;

  test('stays as it was, each for itself', async () => {
    const { settings: after, refused } = await settled(
      settings({ 'extra-config': 'old' }, 'PEM'),
      settings({ 'extra-config': 'bnid', balance: 'leastconn' }, 'WEAK'),
      { refuses },
    );
    expect(refused).toEqual([
      'extra-config=bnid is not applied: HAProxy refuses it: no',
      'the new certificate is not applied: HAProxy refuses it: no',
    ]);
    expect(after.given).toEqual({ ...DEFAULTS, 'extra-config': 'old', balance: 'leastconn' });
    expect(after.certificate?.pem.reveal()).toBe('PEM');
  });

  test('keeps no option from being mended', async () => {
    const { settings: after, refused } = await settled(
      settings({ 'extra-config': 'bnid' }),
      settings({ 'extra-config': 'good' }),
      { refuses },
    );
    expect(refused).toEqual([]);
    expect(after.options['extra-config']).toBe('good');
  });
});

test('ports of extra-config: those that it has on every address', () => {
  expect(
    boundPorts('listen a\n  bind :80\n\tbind *:81,10.0.0.1:82,[::]:83-85 ssl\n  bind /run/x\n# bind :90\n'),
  ).toEqual([
    [80, 80],
    [81, 81],
    [83, 85],
  ]);
});

describe('what HAProxy says', () => {
  test('errors count, and warnings that a line does not', () => {
    const ignored =
      "[WARNING]  (7) : config : parsing [a.cfg:5] : 'retries' ignored because frontend 'a' has no backend capability.";
    expect(complaintOf(0, ignored)).toBe(
      "parsing [a.cfg:5] : 'retries' ignored because frontend 'a' has no backend capability.",
    );
    expect(
      complaintOf(
        1,
        "[NOTICE]   (7) : version\n[ALERT]    (7) : config : parsing [a.cfg:9] : unknown 'x'\n[ALERT]    (7) : config : Fatal errors found in configuration.",
      ),
    ).toBe("parsing [a.cfg:9] : unknown 'x'");
  });

  test.each([
    "[WARNING]  (7) : config : parsing [a.cfg:5]: 'tune.ssl.capture-cipherlist-size' is deprecated and will be removed in version 2.7. Please use 'tune.ssl.capture-buffer-size' instead.",
    "[WARNING]  (7) : config : [a.cfg:8] : 'server a/b' : could not resolve address 'b.example', disabling server.",
    "[WARNING]  (7) : config : parsing [a.cfg:9] : 'option httplog' not usable with proxy 'x' (needs 'mode http'). Falling back to 'option tcplog'.",
    'Configuration file is valid',
  ])('no other warning does: %s', (said) => {
    expect(complaintOf(0, said)).toBeUndefined();
  });
});
