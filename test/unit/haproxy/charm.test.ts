// Whole hooks: what a CA is asked over `certificates`, and what HTTPS is served with.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Resource } from 'juju-ts-host';
import { inProcess, stateOf, type Outcome, type State } from 'juju-ts-ops/testing';
import { z } from 'zod';
import { charm } from '../../../charms/haproxy/src/charm.ts';
import { programsOnPath } from '../programs.ts';
import { CERTIFICATE_NAME, CONFIG } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';

const programs = programsOnPath();

type HaproxyState = State<typeof charm.charmcraft>;
type HaproxyOutcome = Outcome<typeof charm.charmcraft>;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haproxy-charm-'));
  await openssl([
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=ca',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  ]);
});
afterAll(() => rm(folder, { recursive: true }));

async function openssl(args: readonly string[], input = ''): Promise<string> {
  return (await execa('openssl', args, { cwd: folder, input })).stdout;
}

const web = {
  id: 3,
  endpoint: 'reverseproxy',
  app: 'web',
  units: { 'web/0': { hostname: '10.9.0.10', port: '5240' } },
} as const;
const ca = { id: 5, endpoint: 'certificates', app: 'ca', units: { 'ca/0': {} } } as const;
const vip = {
  id: 6,
  endpoint: 'vip',
  app: 'keepalived-vip',
  appData: { vips: '[{"address":"10.9.0.100","prefix":24,"family":"ipv4"}]' },
} as const;

/** High ports, which nobody has on this machine. */
const options = { port: 25_080, 'tls-port': 25_443 };

function state(known: Partial<HaproxyState> = {}): HaproxyState {
  return stateOf(charm, {
    principalUnit: 'web/0',
    isLeader: true,
    options,
    relations: [web, ca],
    networks: {
      'juju-info': { addresses: [{ interface: 'eth0', address: '10.9.0.10', cidr: '10.9.0.0/24' }] },
    },
    ...known,
  });
}

const Requests = z.array(z.object({ certificate_signing_request: z.string() }));

/** The certificates that are brought about. */
function certificatesIn(resources: readonly Resource[] = []): readonly Resource[] {
  return resources.filter(
    (resource) => resource.kind === 'file' && CERTIFICATE_NAME.test(basename(resource.path)),
  );
}

function requestIn({ state: after }: HaproxyOutcome): string {
  const written = after.relations.find(({ endpoint }) => endpoint === 'certificates')?.localUnitData;
  return (
    Requests.parse(JSON.parse(written?.['certificate_signing_requests'] ?? '[]'))[0]
      ?.certificate_signing_request ?? ''
  );
}

/** What a state becomes once the CA has signed. */
async function signed(outcome: HaproxyOutcome): Promise<HaproxyState> {
  const request = requestIn(outcome);
  const how = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '30', '-copy_extensions', 'copy'];
  const certificate = await openssl(['x509', '-req', ...how], request);
  const pem = await readFile(join(folder, 'ca.pem'), 'utf8');
  const certificates = [{ certificate, ca: pem, chain: [pem], certificate_signing_request: request }];
  return {
    ...outcome.state,
    relations: outcome.state.relations.map((relation) =>
      relation.endpoint === 'certificates'
        ? { ...relation, appData: { certificates: JSON.stringify(certificates) } }
        : relation,
    ),
  };
}

describe('the CA of the relation certificates', () => {
  test('is asked for the names that clients use; the key stays in a secret of the unit', async () => {
    const unit = inProcess(charm);
    const outcome = await unit.run('config-changed', state({ relations: [web, ca, vip] }));
    const text = await openssl(['req', '-verify', '-noout', '-text'], requestIn(outcome));
    expect(text).toContain('IP Address:10.9.0.100, IP Address:10.9.0.10\n');
    expect(outcome.state.secrets).toMatchObject([{ owner: 'unit', label: 'tls-certificates' }]);
    expect(outcome.state.secrets[0]?.grants ?? []).toEqual([]);
    expect(JSON.stringify([outcome.state.relations, outcome.logs, unit.resources])).not.toContain(
      'PRIVATE KEY',
    );
    expect(outcome.state.ports).toEqual(['25080/tcp']);
    expect(outcome.state.status).toEqual({ level: 'waiting', message: 'ca to sign the certificate' });
  });

  test('on several networks it is asked for the address beside the virtual one, of either family, and for none that moves', async () => {
    const docker = { interface: 'docker0', address: '172.17.0.1', cidr: '172.17.0.0/16' };
    const lan = { interface: 'eth0', address: '10.9.0.10', cidr: '10.9.0.0/24' };
    const held = { interface: 'eth0', address: '10.9.0.100', cidr: '10.9.0.0/24' };
    const six = { interface: 'eth0', address: 'fd09::10', cidr: 'fd09::/64' };
    const namesWith = async (relations: HaproxyState['relations'], ingressAddresses: readonly string[]) => {
      const addresses = [docker, held, lan, six];
      const networks = { 'juju-info': { addresses, ingressAddresses } };
      const outcome = await inProcess(charm).run('config-changed', state({ relations, networks }));
      const text = await openssl(['req', '-noout', '-text'], requestIn(outcome));
      return /(IP Address:.*)/.exec(text)?.[1];
    };
    // Beside the virtual address, though Juju lists docker0 first.
    expect(await namesWith([web, ca, vip], ['172.17.0.1'])).toBe(
      'IP Address:10.9.0.100, IP Address:10.9.0.10, IP Address:FD09:0:0:0:0:0:0:10',
    );
    // Where there is none, the one that Juju has others come in at.
    expect(await namesWith([web, ca], ['10.9.0.10', 'fd09::10'])).toBe(
      'IP Address:10.9.0.10, IP Address:FD09:0:0:0:0:0:0:10',
    );
  });

  test('is asked for what tls-names says, where it is set', async () => {
    const named = state({ options: { ...options, 'tls-names': 'maas.example, *.maas.example' } });
    const text = await openssl(
      ['req', '-noout', '-text'],
      requestIn(await inProcess(charm).run('config-changed', named)),
    );
    expect(text).toContain('DNS:maas.example, DNS:*.maas.example\n');
  });

  test('signs, and HTTPS is served; a second hook changes nothing', async () => {
    const unit = inProcess(charm);
    const after = await unit.run('config-changed', await signed(await unit.run('config-changed', state())));
    expect(certificatesIn(unit.resources)).toMatchObject([{ kind: 'file', mode: 0o600 }]);
    expect(after.state.ports).toEqual(['25080/tcp', '25443/tcp']);
    const frontend = after.state.relations.find(({ id }) => id === web.id)?.ownAppData?.['frontend'];
    expect(frontend).toBe('{"scheme":"https","port":25443}');
    const again = await unit.run('config-changed', after.state);
    expect(again.state.relations).toEqual(after.state.relations);
    expect(again.calls.filter(({ tool }) => /-(set|add|open|close)$|^(open|close)-/.test(tool))).toEqual([]);
  });

  test('refuses, and its words are the status', async () => {
    const unit = inProcess(charm);
    const before = await unit.run('config-changed', state());
    const error = { code: 101, name: 'ip_not_allowed', message: 'IP addresses are not allowed' };
    const errors = [{ certificate_signing_request: requestIn(before), error }];
    const relations = [web, { ...ca, appData: { request_errors: JSON.stringify(errors) } }];
    const { state: after } = await unit.run('config-changed', { ...before.state, relations });
    expect(after.status).toEqual({
      level: 'blocked',
      message:
        'ca refuses 10.9.0.10: IP addresses are not allowed (101): set tls-names=, or relate another CA',
    });
  });

  test('goes, and so do the key and the certificate', async () => {
    const unit = inProcess(charm);
    const { state: before } = await unit.run(
      'config-changed',
      await signed(await unit.run('config-changed', state())),
    );
    const relations = before.relations.map((relation) => ({ ...relation, units: {} }));
    const { state: after } = await unit.run({ relation: 'broken', id: ca.id }, { ...before, relations });
    expect(after.secrets).toEqual([]);
    expect(certificatesIn(unit.resources)).toEqual([]);
    expect(after.ports).toEqual(['25080/tcp']);
  });
});

test('with the option and the relation, the option counts, and the status says what to type', async () => {
  const [certificate, key] = await Promise.all(
    ['ca.pem', 'ca.key'].map((name) => readFile(join(folder, name), 'utf8')),
  );
  const unit = inProcess(charm);
  const given = {
    uri: 'secret:9m4e2mr0ui3e8a215n4g',
    owner: 'other',
    revisions: [{ number: 1, content: { certificate: certificate ?? '', key: key ?? '' } }],
  } as const;
  const asked = await unit.run('config-changed', state());
  const outcome = await unit.run('config-changed', {
    ...asked.state,
    options: { ...options, certificate: given.uri },
    secrets: [...asked.state.secrets, given],
  });
  expect(requestIn(asked)).not.toBe('');
  expect(requestIn(outcome)).toBe('');
  expect(outcome.state.status).toEqual({
    level: 'blocked',
    message: 'certificate= is served, not that of ca: reset it, or remove the relation; 2 more: show-status',
  });
  expect(outcome.state.ports).toContain('25443/tcp');
});

describe('one wrong thing holds up nothing else', () => {
  const cfgIn = (resources: readonly Resource[] = []): string => {
    const found = resources.find((resource) => resource.kind === 'file' && resource.path === CONFIG);
    return found?.kind === 'file' && typeof found.content === 'string' ? found.content : '';
  };
  const secret = (content: Readonly<Record<string, string>>) =>
    ({ uri: 'secret:9m4e2mr0ui3e8a215n4g', owner: 'other', revisions: [{ number: 1, content }] }) as const;

  test('an option that cannot be stays as it was', async () => {
    const unit = inProcess(charm);
    const { state: before } = await unit.run(
      'config-changed',
      state({ options: { ...options, 'server-timeout': '20m' }, relations: [web] }),
    );
    const more = { ...web, units: { ...web.units, 'web/1': { hostname: '10.9.0.11', port: '5240' } } };
    const { state: after } = await unit.run('config-changed', {
      ...before,
      options: { ...options, 'server-timeout': 'soon' },
      relations: [more],
    });
    expect(after.status).toEqual({
      level: 'blocked',
      message: 'server-timeout=soon: a time is a number and a unit, for example 90s or 15m',
    });
    expect(cfgIn(unit.resources)).toContain('timeout server 20m');
    expect(cfgIn(unit.resources)).toContain('server web-1 10.9.0.11:5240');
  });

  test('a secret that nobody may read any more', async () => {
    const unit = inProcess(charm);
    const { state: after } = await unit.run(
      'config-changed',
      state({ options: { ...options, certificate: 'secret:9m4e2mr0ui3e8a215n4g' }, relations: [web] }),
    );
    expect(after.status?.message).toMatch(/certificate= cannot be read: juju grant-secret/);
    expect(cfgIn(unit.resources)).toContain('server web-0 10.9.0.10:5240');
  });

  test('a certificate that HAProxy refuses is put nowhere', async () => {
    await openssl([
      'req',
      '-x509',
      '-newkey',
      'rsa:1024',
      '-nodes',
      '-subj',
      '/CN=a',
      '-keyout',
      'weak.key',
      '-out',
      'weak.pem',
    ]);
    const [certificate = '', key = ''] = await Promise.all(
      ['weak.pem', 'weak.key'].map((name) => readFile(join(folder, name), 'utf8')),
    );
    const unit = inProcess(charm);
    const { state: after } = await unit.run(
      'config-changed',
      state({
        options: { ...options, certificate: 'secret:9m4e2mr0ui3e8a215n4g' },
        relations: [web],
        secrets: [secret({ certificate, key })],
      }),
    );
    expect(after.status?.message).toMatch(/^the new certificate is not applied: HAProxy refuses it: /);
    const { action } = await unit.run({ action: 'show-status' }, after);
    expect(action?.results['status']).toMatch(/HAProxy refuses it: .*unable to load SSL certificate/);
    expect(certificatesIn(unit.resources)).toEqual([]);
    expect(cfgIn(unit.resources)).toContain('server web-0 10.9.0.10:5240');
    expect(after.ports).toEqual(['25080/tcp']);
  });
});

test('for 400 ports the machine is asked once who listens', async () => {
  await programs.program(
    'ss',
    `echo "$*" >>${programs.folder}/asked\necho 'LISTEN 0 9 *:30007 *:* users:(("other",pid=1,fd=3))'`,
  );
  const ports = Array.from({ length: 400 }, (_, index) => 30_000 + index);
  const region = { hostname: '10.9.0.10', port: '5240', 'tcp-ports': JSON.stringify(ports) };
  const { state: after } = await inProcess(charm).run(
    'config-changed',
    state({ principalUnit: 'other/0', relations: [{ ...web, units: { 'web/0': region } }] }),
  );
  // Once in each round.
  expect((await readFile(join(programs.folder, 'asked'), 'utf8')).trim().split('\n')).toHaveLength(2);
  // 400 with port=, of which another program has one.
  expect(after.ports).toHaveLength(400);
  expect(after.ports).not.toContain('30007/tcp');
});

test('a collector learns where the metrics are, which are served then', async () => {
  const unit = inProcess(charm);
  const collector = { id: 8, endpoint: 'cos-agent', app: 'agent' } as const;
  const { state: after } = await unit.run('config-changed', state({ relations: [web, collector] }));
  const written = after.relations.find(({ id }) => id === collector.id)?.localUnitData?.['config'] ?? '';
  expect(JSON.parse(written)).toMatchObject({
    metrics_scrape_jobs: [
      {
        job_name: 'haproxy_haproxy',
        metrics_path: '/metrics',
        static_configs: [{ targets: ['localhost:8404'] }],
      },
    ],
    metrics_alert_rules: { groups: [{ rules: expect.arrayContaining([expect.anything()]) }] },
  });
  expect(written).not.toContain('%%');
  expect(JSON.stringify(unit.resources)).toContain('bind 127.0.0.1:8404');
});
