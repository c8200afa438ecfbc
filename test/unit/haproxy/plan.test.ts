import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { execa } from 'execa';
import { TLS_SECRET, type TlsRequest } from 'juju-ts-interfaces/tls-certificates';
import { Redacted } from 'juju-ts-ops';
import { serverStates } from '../../../charms/haproxy/src/haproxy.ts';
import { teardown, plan } from '../../../charms/haproxy/src/plan.ts';
import { parseCertificate } from '../../../charms/haproxy/src/certificate.ts';
import { nameServersIn } from '../../../charms/haproxy/src/read.ts';
import { maxConnections, type State } from '../../../charms/haproxy/src/state.ts';
import { shown } from '../statuses.ts';
import { cfgOf, parseOptions, regions, relationOf, stateOf } from './states.ts';

/** Those that are checked: each is in its file a second time without. */
const servers = (cfg: string): readonly string[] =>
  [...cfg.matchAll(/^ +server (.* check\b.*)$/gm)].map(([, line = '']) => line);
const sectionOf = (cfg: string, title: string): string =>
  cfg.split('\n\n').find((section) => section.startsWith(`${title}\n`)) ??
  cfg.split(/\n(?=\S)/).find((section) => section.startsWith(`${title}\n`)) ??
  '';
const status = (state: State) => plan(state).status[0];
const left = { isServing: true, files: [] };

describe('the shapes of the http interface', () => {
  test('hostname and port: a server for each unit, in the order of their numbers', () => {
    expect(servers(sectionOf(cfgOf(stateOf([regions(10, 2, 0)])), 'backend maas-region'))).toEqual([
      'maas-region-0 10.9.0.10:5240 id 1 check',
      'maas-region-2 10.9.0.12:5240 id 3 check',
      'maas-region-10 10.9.0.110:5240 id 11 check',
    ]);
  });

  test('the same file on every unit, whatever the order in which Juju tells', () => {
    expect(cfgOf(stateOf([regions(0, 1, 2)]))).toBe(
      cfgOf(stateOf([regions(2, 0, 1)], { unit: 'haproxy/7' })),
    );
  });

  test('a server that leaves changes nothing about the others, so that their clients stay', () => {
    const [first, , third] = servers(cfgOf(stateOf([regions(0, 1, 2)])));
    expect(servers(cfgOf(stateOf([regions(0, 2)]))).slice(0, 2)).toEqual([first, third]);
  });

  test('services: the servers of all units together, each once', () => {
    const services = (name: string, host: string): string =>
      `- {service_name: haproxy_service, service_host: 0.0.0.0, service_port: 8080,\n   service_options: [mode http, balance leastconn, option httpchk GET /ok HTTP/1.0],\n   servers: [[${name}, ${host}, 5240, []], [shared, 10.9.0.50, 5240, [weight 7, backup]]]}`;
    const cfg = cfgOf(
      stateOf([
        relationOf(1, 'old', {
          'old/0': { services: services('api-0', '10.9.0.10') },
          'old/1': { services: services('api-1', 'fd09::11') },
        }),
      ]),
    );
    expect(servers(cfg)).toEqual([
      'api-0 10.9.0.10:5240 check',
      'api-1 [fd09::11]:5240 check',
      'shared 10.9.0.50:5240 check backup weight 7',
    ]);
    expect(cfg).toContain('frontend port-8080');
    expect(sectionOf(cfg, 'backend haproxy_service')).toMatch(
      /balance leastconn[\s\S]*meth GET uri \/ok ver HTTP\/1\.0\n/,
    );
  });

  test('all_services: the unit is the server', () => {
    const bag = {
      all_services:
        '- {service_name: gunicorn, service_port: 8000}\n- {service_name: admin, service_port: 8001}',
    };
    const cfg = cfgOf(stateOf([relationOf(1, 'web', { 'web/4': bag })]));
    expect(servers(sectionOf(cfg, 'backend gunicorn'))).toEqual(['web-4 10.9.0.14:8000 id 5 check']);
    expect(servers(sectionOf(cfg, 'backend admin'))).toEqual(['web-4 10.9.0.14:8001 id 5 check']);
  });

  test('extended_data: more servers', () => {
    const bag = { port: '80', extended_data: '[{"hostname":"x","private-address":"10.9.0.99","port":"81"}]' };
    expect(servers(cfgOf(stateOf([relationOf(1, 'web', { 'web/1': bag })])))).toEqual([
      'web-1 10.9.0.11:80 check',
      'web-1-81 10.9.0.99:81 check',
    ]);
  });

  test('a name is taken only where no address is known', () => {
    const named = { hostname: 'web.example', port: '80' };
    expect(servers(cfgOf(stateOf([relationOf(1, 'web', { 'web/1': named })])))).toEqual([
      'web-1 10.9.0.11:80 id 2 check',
    ]);
  });

  test('site names tell several applications on one port apart', () => {
    const site = (name: string) => ({ hostname: '10.9.0.20', port: '80', sitenames: name });
    const cfg = cfgOf(
      stateOf([
        relationOf(1, 'blog', { 'blog/0': site('blog.example www.blog.example') }),
        relationOf(2, 'shop', { 'shop/0': { ...site('shop.example'), hostname: '10.9.0.21' } }),
        regions(1),
      ]),
    );
    expect(sectionOf(cfg, 'frontend port-80')).toMatch(
      /use_backend blog if \{ hdr\(host\),field\(1,:\) -i blog\.example www\.blog\.example \}\n.* shop:unchecked if .*\n +use_backend shop if .*\n.*\n +default_backend maas-region/,
    );
  });

  test('while no server is up all are tried, because a check that fails may only have been slow', () => {
    const cfg = cfgOf(
      stateOf([
        regions(0, 1),
        relationOf(8, 'blog', { 'blog/0': { port: '81', sitenames: 'blog.example' } }),
      ]),
    );
    const frontend = sectionOf(cfg, 'frontend port-80');
    expect(frontend).toMatch(
      /use_backend blog:unchecked if \{ hdr\(host\),field\(1,:\) -i blog\.example \} \{ nbsrv\(blog\) eq 0 \}\n +use_backend blog if/,
    );
    expect(frontend).toMatch(
      /use_backend maas-region:unchecked if \{ nbsrv\(maas-region\) eq 0 \}\n +default_backend maas-region$/m,
    );
    const unchecked = sectionOf(cfg, 'backend maas-region:unchecked');
    expect(unchecked).toMatch(
      /server maas-region-0 10\.9\.0\.10:5240 id 1\n +server maas-region-1 .*:5240 id 2$/m,
    );
    expect(unchecked).toMatch(/retry-on conn-failure/);
    expect(unchecked).toMatch(/http-request set-timeout server 5s if METH_GET$/m);
    expect(unchecked).not.toMatch(/check /);
  });

  test('more site names than HAProxy has words for in a line', () => {
    const names = Array.from({ length: 120 }, (_, index) => `www${index}.example`);
    const bag = { port: '80', sitenames: names.join(' ') };
    const cfg = cfgOf(stateOf([relationOf(1, 'blog', { 'blog/0': bag })]));
    const lines = cfg.split('\n').filter((line) => /use_backend blog if/.test(line));
    for (const line of lines) expect(line.trim().split(' ').length).toBeLessThan(64);
    for (const name of names) expect(lines.join(' ')).toContain(` ${name} `);
  });

  test('the oldest relation keeps a port, whatever the others are called', () => {
    const site = (name: string) => ({ hostname: '10.9.0.30', port: '80', service_name: name });
    const state = stateOf([
      relationOf(10, 'apache', { 'apache/0': site('aaa') }),
      relationOf(9, 'web', { 'web/0': site('bbb') }),
      regions(1),
    ]);
    expect(sectionOf(cfgOf(state), 'frontend port-80')).toMatch(/default_backend maas-region$/);
    expect(plan(state).status.map(({ message }) => message)).toEqual([
      expect.stringContaining('port 80 is wanted for maas-region and for bbb'),
      expect.stringContaining('port 80 is wanted for maas-region and for aaa'),
      expect.anything(),
    ]);
    // Who is not served is not told that it is.
    expect(plan(state).databags).toEqual([
      { endpoint: 'reverseproxy', relation: 10, app: { frontend: undefined } },
      { endpoint: 'reverseproxy', relation: 9, app: { frontend: undefined } },
      { endpoint: 'reverseproxy', relation: 3, app: { frontend: { scheme: 'http', port: 80 } } },
    ]);
  });

  test('what others ask for as a health check means what HAProxy means by it', () => {
    const yaml = (options: readonly string[]): string =>
      JSON.stringify([{ service_name: 'old', service_port: 81, service_options: options }]);
    const checks = (...options: readonly string[]): string =>
      sectionOf(
        cfgOf(stateOf([relationOf(1, 'old', { 'old/0': { services: yaml(options) } })])),
        'backend old',
      );
    const head = checks('option httpchk HEAD / HTTP/1.0');
    expect(head).toContain('http-check send meth HEAD uri / ver HTTP/1.0\n');
    // 302 is good enough, as HAProxy has it.
    expect(head).not.toContain('expect');
    expect(checks('option httpchk')).toContain('http-check send meth OPTIONS uri / ver HTTP/1.0\n');
    expect(
      checks(
        String.raw`option httpchk GET /ok HTTP/1.1\r\nHost:\ www.example`,
        'http-check expect status 204',
      ),
    ).toMatch(/meth GET uri \/ok ver HTTP\/1.1 hdr Host "www.example"\n +http-check expect status 204\n/);
  });

  test('what a services YAML asks for and does not get is named, without what may be a password', () => {
    const services = JSON.stringify([
      {
        service_name: 'old',
        service_port: 81,
        service_options: [
          'mode http',
          'acl is_api path_beg /api',
          'use_backend other if is_api',
          'redirect scheme https',
          'http-request deny if is_api',
          'stats auth admin:hunter2',
        ],
        backends: [{ backend_name: 'other', servers: [] }],
      },
      { service_name: 'tls', service_port: 443, crts: ['PEM'] },
      {
        service_name: 'inner',
        service_port: 82,
        servers: [
          ['a', '10.9.0.50', 8443, ['check', 'ssl', 'verify none']],
          ['b', '10.9.0.51', 80, 'check inter 2000 rise 2 fall 5'],
        ],
      },
    ]);
    const state = stateOf([relationOf(4, 'old', { 'old/0': { services } })]);
    const [{ problems } = { problems: [] }] = state.reverseproxy;
    expect(problems).toEqual([
      'reverseproxy:4, services of old/0: backends, acl, use_backend, redirect, http-request deny, stats of old',
      'reverseproxy:4, services of old/0: crts of tls, which needs it and is left out',
      'reverseproxy:4, services of old/0: ssl of inner, which needs it and is left out',
    ]);
    expect(JSON.stringify(plan(state))).not.toContain('hunter2');
    const cfg = cfgOf(state);
    expect(cfg).not.toMatch(/port-443|8443/);
    expect(servers(sectionOf(cfg, 'backend inner'))).toEqual(['b 10.9.0.51:80 check']);
  });

  test('several units that give one address are named', () => {
    const bridge = { hostname: '172.17.0.1', port: '5240' };
    const state = stateOf([
      relationOf(3, 'maas-region', { 'maas-region/0': bridge, 'maas-region/2': bridge }),
    ]);
    expect(status(state)).toEqual({
      level: 'blocked',
      message:
        'maas-region/0 and maas-region/2 share 172.17.0.1:5240: juju bind them to a network of their own',
    });
  });

  test('what clients say of themselves as proxies do is replaced', () => {
    const frontend = sectionOf(cfgOf(stateOf([regions(1)])), 'frontend port-80');
    expect(frontend).toMatch(
      /del-header \S+ -m reg\n.*X-Forwarded-Proto http .*\n +http-request set-header X-Forwarded-For %\[src/,
    );
  });

  test('without them the second one is refused by name, and the first goes on', () => {
    const state = stateOf([
      regions(1),
      relationOf(9, 'wordpress', { 'wordpress/0': { hostname: '10.9.0.30', port: '80' } }),
    ]);
    expect(status(state)).toEqual({
      level: 'blocked',
      message: expect.stringContaining('port 80 is wanted for maas-region and for wordpress'),
    });
    expect(cfgOf(state)).toContain('default_backend maas-region');
  });

  test('further TCP ports are passed through, but not on the machine whose server has them itself', () => {
    const elsewhere = cfgOf(stateOf([regions(0, 1)]));
    expect(sectionOf(elsewhere, 'frontend port-5271')).toMatch(
      /mode tcp[\s\S]*default_backend maas-region-5271/,
    );
    expect(cfgOf(stateOf([regions(0, 1)], { own: ['127.0.0.1', '10.9.0.11'] }))).not.toContain('5271');
    // The server of this machine has not told of itself yet.
    expect(cfgOf(stateOf([regions(0, 1)], { ownRelations: [3] }))).not.toContain('5271');
  });

  test('a TCP port of the balancer can be another one of the servers, also on their machine; the web server says who can serve', () => {
    const bag = (number: number): Record<string, string> => ({
      hostname: `10.9.0.1${number}`,
      port: '5240',
      'health-check': '/MAAS/rpc/',
      'tcp-ports': '[[443, 5443]]',
    });
    const maas = relationOf(7, 'maas-region', { 'maas-region/0': bag(0), 'maas-region/1': bag(1) });
    const cfg = cfgOf(stateOf([maas], { own: ['127.0.0.1', '10.9.0.11'] }));
    expect(sectionOf(cfg, 'frontend port-443')).toContain('bind :::443 v4v6');
    const backend = sectionOf(cfg, 'backend maas-region-443');
    expect(backend).toContain('server maas-region-0 10.9.0.10:5443 id 1 check port 5240');
    expect(backend).toContain('http-check send meth GET uri /MAAS/rpc/');
    expect(backend).not.toContain('tcp-check');
  });

  test('on a kernel without IPv6 nothing is listened on that it does not have', () => {
    const tls = { certificate: { pem: new Redacted('x') }, isForgotten: false };
    const cfg = cfgOf(stateOf([regions(0, 1)], { hasIpv6: false, tls }));
    expect([...cfg.matchAll(/^ +bind (\S+)/gm)].map(([, address]) => address)).toEqual([
      ':80',
      ':443',
      ':5242',
      ':5271',
    ]);
    expect(cfg).not.toMatch(/v4v6|:::/);
  });

  test('what a unit writes that is no server does not reach the file', () => {
    const bags = {
      'web/0': { hostname: '10.9.0.1\n  server evil', port: '80', 'private-address': 'evil host' },
      'web/1': { hostname: '10.9.0.11', port: '80', 'health-check': '/ok\n    bind :1', sitenames: '} -x' },
      'web/2': { hostname: '10.9.0.12', port: '70000' },
      'web/3': {
        services: '- {service_name: "x\\n y", service_port: 81, servers: [["a b", "10.9.0.13", 1, []]]}',
      },
    };
    const cfg = cfgOf(stateOf([relationOf(1, 'web', bags)]));
    expect(servers(cfg)).toEqual(['web-1 10.9.0.11:80 id 2 check', 'a-b 10.9.0.13:1 check']);
    expect(cfg).not.toMatch(/evil|bind :1\n|use_backend (?!\S+:unchecked if \{ nbsrv)/);
  });
});

describe('the status', () => {
  const up = (server: string, state = 'UP', since = 100) => ({
    backend: 'maas-region',
    server,
    address: '',
    status: state,
    since,
    check: 'L7OK',
  });
  const running = (...list: readonly ReturnType<typeof up>[]) => ({
    running: { description: 'x', servers: list },
  });
  const all = regions(0, 1, 2);

  test('counts what is up, and names what is not and for how long', () => {
    const state = stateOf([all], {
      own: ['10.9.0.10'],
      ...running(up('maas-region-0'), up('maas-region-1'), up('maas-region-2', 'DOWN', 40)),
    });
    expect(status(state)).toEqual({
      level: 'active',
      message: '2 of 3 backends up behind port 80: maas-region/2 down for 40 s',
    });
  });

  test.each([
    ['up', 'UP', 9, undefined],
    ['down for 9 s', 'DOWN', 9, 10],
    ['down for 100 s', 'DOWN', 100, 100],
    // The next update-status is as near.
    ['down for 5 min', 'DOWN', 300, undefined],
  ])(
    'is looked at again while a server is %s, because no event tells that it is back',
    (_, what, since, delay) => {
      const { reconcileIn } = plan(
        stateOf([all], {
          own: ['10.9.0.10'],
          ...running(up('maas-region-0'), up('maas-region-1', 'DOWN', 999), up('maas-region-2', what, since)),
        }),
      );
      expect(reconcileIn).toBe(delay);
    },
  );

  test('is looked at again while HAProxy does not answer, or has not taken its configuration', () => {
    const { running: silent, ...hung } = stateOf([all], { ...running(up('maas-region-0')) });
    expect(silent).toBeDefined();
    expect(plan(hung).reconcileIn).toBe(30);
    expect(plan({ ...hung, ...running(up('maas-region-0')), isCurrent: false }).reconcileIn).toBe(30);
  });

  test('of twenty servers names those that fit', () => {
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const state = stateOf([regions(...numbers)], {
      own: ['10.9.0.10'],
      ...running(...numbers.map((number) => up(`maas-region-${number}`, number === 0 ? 'UP' : 'DOWN', 40))),
    });
    expect(shown('haproxy', plan(state).status)[0]).toMatch(
      /^1 of 20 backends up behind port 80: maas-region\/1 down for 40 s and 18 more$/,
    );
    const bags = numbers.map((number) => relationOf(number, `web-${number}`, { [`web-${number}/0`]: {} }));
    expect(shown('haproxy', plan(stateOf(bags)).status)[0]).toMatch(
      /^web-0, .* and 1[0-9] more to say where it serves$/,
    );
  });

  test('is not active when nothing is up, nothing answers, or the file is not what runs', () => {
    const down = ['maas-region-0', 'maas-region-1', 'maas-region-2'].map((name) =>
      up(name, 'DOWN 1/2', 7300),
    );
    expect(status(stateOf([all], { own: ['10.9.0.10'], ...running(...down) }))).toMatchObject({
      level: 'waiting',
      message: expect.stringContaining('0 of 3 backends up behind port 80: maas-region/0 down for 2 h'),
    });
    expect(status(stateOf([all]))).toMatchObject({
      level: 'waiting',
      message: expect.stringContaining('answer'),
    });
    expect(status(stateOf([all], { ...running(up('maas-region-0')), isCurrent: false }))).toMatchObject({
      level: 'waiting',
      message: expect.stringContaining('the one of before'),
    });
  });

  test('names who holds a port; what has other ports is served all the same', () => {
    const state = stateOf([all], { holders: { 80: 'nginx' } });
    expect(status(state)).toEqual({
      level: 'blocked',
      message: 'port 80 is held by nginx: systemctl disable --now nginx, or set another port=',
    });
    expect(cfgOf(state)).toMatch(/frontend port-5242\n/);
    expect(cfgOf(state)).not.toMatch(/frontend port-80\n/);
  });

  test('where nothing is left to serve, nothing is touched', () => {
    const state = stateOf([all], { own: ['10.9.0.10'], holders: { 80: 'apache2' } });
    expect(plan(state).machine).toEqual([]);
  });

  test('never says to stop what somebody works on the machine with', () => {
    expect(status(stateOf([all], { options: { port: 22 }, holders: { 22: 'sshd' } }))).toEqual({
      level: 'blocked',
      message: 'port 22 is held by sshd: set another port=',
    });
  });

  test('names a service whose port another program has; all others are served', () => {
    const bag = { services: '- {service_name: console, service_port: 22}' };
    const state = stateOf([all, relationOf(7, 'web', { 'web/0': bag })], { holders: { 22: 'sshd' } });
    expect(status(state)).toEqual({
      level: 'blocked',
      message: 'port 22, which console wants, is held by sshd: console is left out',
    });
    expect(cfgOf(state)).toMatch(/default_backend maas-region\n/);
    expect(cfgOf(state)).not.toContain('console');
  });

  test('says what to relate, and for whom it waits', () => {
    expect(status(stateOf([], { app: 'balancer' }))?.message).toContain(
      'juju integrate balancer:reverseproxy <application>',
    );
    expect(status(stateOf([relationOf(1, 'maas-region', { 'maas-region/0': {} })]))).toEqual({
      level: 'waiting',
      message: 'maas-region to say where it serves',
    });
  });
});

describe('a databag that cannot be read', () => {
  const wrong = { hostname: '10.9.0.11', port: 'eighty' };

  test('is named where nobody else serves', () => {
    expect(status(stateOf([relationOf(1, 'web', { 'web/1': wrong })]))).toEqual({
      level: 'waiting',
      message:
        'web to say where it serves; not understood: reverseproxy:1, port of web/1: not a whole number',
    });
  });

  test('is named beside the servers that are up, so that the one that is missing is missed', () => {
    const bags = {
      'web/0': { hostname: '10.9.0.10', port: '80' },
      'web/1': wrong,
      'web/2': { services: '- {service_port: 80}' },
    };
    const server = { backend: 'web', server: 'web-0', address: '', status: 'UP', since: 9, check: 'L4OK' };
    const state = stateOf([relationOf(1, 'web', bags)], {
      running: { description: 'x', servers: [server] },
    });
    expect(status(state)).toEqual({
      level: 'active',
      message: expect.stringMatching(
        /^1 of 1 backends up behind port 80; not understood: reverseproxy:1, port of web\/1: not a whole number; not understood: .*web\/2/,
      ),
      brief: '1 of 1 backends up behind port 80; 2 more: show-status',
    });
  });
});

test('HAProxy itself is asked for its state', () => {
  const csv =
    '# pxname,svname,status,lastchg,type,addr,check_status,last_chk,\nin,FRONTEND,OPEN,,0,,,,\nmaas,a,DOWN,12,2,10.9.0.1:80,L4CON,Connection refused,\nmaas,b,UP,3,2,10.9.0.2:80,INI,,\nmaas,BACKEND,UP,3,1,,,,\nmaas:unchecked,a,no check,12,2,10.9.0.1:80,,,\n';
  expect(serverStates(csv)).toEqual([
    {
      backend: 'maas',
      server: 'a',
      address: '10.9.0.1:80',
      status: 'DOWN',
      since: 12,
      check: 'L4CON Connection refused',
    },
    { backend: 'maas', server: 'b', address: '10.9.0.2:80', status: 'UP', since: 3, check: '' },
  ]);
});

test('related charms learn the port in the first hook', () => {
  expect(plan(stateOf([regions()], { options: { port: 8080 } })).databags).toEqual([
    { endpoint: 'reverseproxy', relation: 3, app: { frontend: { scheme: 'http', port: 8080 } } },
  ]);
});

test('whoever asks over website is told the health check of the very port', () => {
  const low = relationOf(1, 'low', {
    'low/0': {
      services: '- {service_name: low, service_port: 70, service_options: [option httpchk GET /low]}',
    },
  });
  expect(plan(stateOf([low, regions(1)], { websites: [7] })).databags).toContainEqual({
    endpoint: 'website',
    relation: 7,
    unit: { hostname: '10.9.0.10', port: 80, 'health-check': '/MAAS/rpc/' },
  });
});

test('whoever asks over website is sent to no other program that has the port', () => {
  const state = stateOf([regions(1)], { websites: [7], holders: { 80: 'apache2' } });
  expect(plan(state).databags).toContainEqual({ endpoint: 'website', relation: 7, unit: {} });
});

describe('a certificate', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = new Redacted(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haproxy-test-'));
    await writeFile(join(folder, 'key'), key.reveal());
  });
  afterAll(() => rm(folder, { recursive: true }));
  const certify = async (): Promise<Redacted> => {
    const argv = ['req', '-x509', '-key', join(folder, 'key'), '-subj', '/CN=maas.example', '-days', '30'];
    return new Redacted((await execa('openssl', argv)).stdout);
  };

  test('is served on its port, in a file that only root can read, and published', async () => {
    const certificate = parseCertificate(await certify(), key);
    const planned = plan(stateOf([regions(1)], { tls: { certificate, isForgotten: false } }));
    expect(planned.machine).toContainEqual(
      expect.objectContaining({
        path: expect.stringMatching(/^\/etc\/haproxy\/charm-[0-9a-f]{16}\.pem$/),
        mode: 0o600,
        content: certificate.pem,
      }),
    );
    expect(planned.databags).toMatchObject([{ app: { frontend: { scheme: 'https', port: 443 } } }]);
    expect(planned.ports).toContain('443/tcp');
    expect(JSON.stringify(planned)).not.toContain('PRIVATE KEY');
  });

  test('is that of the option port, whatever else has a port of its own', async () => {
    const certificate = parseCertificate(await certify(), key);
    const on = (port: number): string => `- {service_name: on-${port}, service_port: ${port}}`;
    const state = stateOf(
      [
        relationOf(1, 'low', { 'low/0': { services: on(70) } }),
        relationOf(2, 'high', { 'high/0': { services: on(8080) } }),
        regions(1),
      ],
      { tls: { certificate, isForgotten: false } },
    );
    const cfg = cfgOf(state);
    expect(sectionOf(cfg, 'frontend port-80')).toMatch(/bind :::443 v4v6 .*ssl crt/);
    expect(cfg.match(/ ssl crt /g)).toHaveLength(1);
    expect(plan(state).databags).toMatchObject([
      { relation: 1, app: { frontend: { scheme: 'http', port: 70 } } },
      { relation: 2, app: { frontend: { scheme: 'http', port: 8080 } } },
      { relation: 3, app: { frontend: { scheme: 'https', port: 443 } } },
    ]);
  });

  test('a new one changes the file, so that HAProxy is told', async () => {
    const [one, two] = [parseCertificate(await certify(), key), parseCertificate(await certify(), key)];
    expect(cfgOf(stateOf([regions(1)], { tls: { certificate: one, isForgotten: false } }))).not.toBe(
      cfgOf(stateOf([regions(1)], { tls: { certificate: two, isForgotten: false } })),
    );
  });

  test('replaces no file of another: HAProxy reads it once the configuration names it', async () => {
    const old = '/etc/haproxy/charm-0123456789abcdef.pem';
    const certificate = parseCertificate(await certify(), key);
    const { machine } = plan(
      stateOf([regions(1)], { tls: { certificate, isForgotten: false }, certificateFiles: [old] }),
    );
    const kinds = machine.map((resource) =>
      'path' in resource ? `${resource.kind} ${resource.path.replace(/-[0-9a-f]{16}/, '')}` : resource.kind,
    );
    expect(kinds).toEqual([
      'file /etc/haproxy/.owner',
      'packages',
      'file /etc/haproxy/charm.pem',
      'file /etc/haproxy/haproxy.cfg',
      'service',
      'absent-file /run/haproxy.draining',
      'step',
      'absent-file /etc/haproxy/charm.pem',
    ]);
    expect(machine.at(-1)).toEqual({ kind: 'absent-file', path: old });
    expect(machine[2]).not.toMatchObject({ path: old });
  });

  test('that has expired is said', async () => {
    const pem = await certify();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 31 * 24 * 3600 * 1000);
    const certificate = parseCertificate(pem, key);
    clock.mockRestore();
    const [day] = new X509Certificate(pem.reveal()).validToDate.toISOString().split('T');
    expect(status(stateOf([regions(1)], { tls: { certificate, isForgotten: false } }))).toEqual({
      level: 'blocked',
      message: `certificate= expired on ${day}: juju update-secret`,
    });
  });

  test('serves on while the CA renews it', async () => {
    const certificate = parseCertificate(await certify(), key);
    const answer = { kind: 'waiting', reason: 'ca to renew the certificate' } as const;
    const request: TlsRequest = {
      relation: 5,
      answer,
      secret: { secret: TLS_SECRET, owner: 'unit', content: {}, grants: [] },
      bag: { certificate_signing_requests: [] },
    };
    const planned = plan(stateOf([regions(1)], { tls: { certificate, request, isForgotten: false } }));
    expect(planned.machine).toContainEqual(
      expect.objectContaining({ kind: 'file', mode: 0o600, content: certificate.pem }),
    );
    expect(planned.status[0]).toEqual({ level: 'waiting', message: answer.reason });
  });

  test('that does not fit its key is refused', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    const certificate = await certify();
    expect(() => parseCertificate(certificate, new Redacted(other))).toThrow(/not of its certificate/);
    expect(() => parseCertificate(new Redacted('x'), key)).toThrow(/keys certificate and key, both PEM/);
  });
});

test('connections are as many as memory and open files allow', () => {
  expect(maxConnections(2 * 2 ** 30, Infinity)).toBe(5000);
  expect(maxConnections(64 * 2 ** 30, Infinity)).toBe(20_000);
  expect(maxConnections(64 * 2 ** 30, 20_000)).toBe(9750);
  expect(maxConnections(2 ** 28, 1024)).toBe(500);
});

test.each([
  [{ port: 0 }, '1 to 65535'],
  [{ balance: 'random' }, 'one of: source'],
  [{ 'server-timeout': 'soon' }, 'for example 90s'],
  [{ 'server-timeout': '0s' }, '1 ms to 24 days'],
  [{ 'tunnel-timeout': '99d' }, '1 ms to 24 days'],
  [{ 'health-check': 'MAAS/rpc' }, 'begins with /'],
])('%j is refused with what to type', (raw, message) => {
  expect(() => parseOptions(raw)).toThrow(message);
});

describe('a unit that is being removed', () => {
  const draining = { kind: 'file', path: '/run/haproxy.draining', content: '', mode: 0o644 };

  test('serves as before, and says that it will not for long', () => {
    const { machine, databags } = plan(stateOf([], { isBeingRemoved: true, websites: [7] }));
    expect(machine).toEqual([draining]);
    expect(databags).toEqual([{ endpoint: 'website', relation: 7, unit: {} }]);
  });

  test('stops when its clients have had time to go elsewhere', () => {
    const kinds = teardown({ ...left, removalFor: 1 }).map((resource) => resource.kind);
    expect(kinds.slice(0, 3)).toEqual(['file', 'step', 'service']);
    expect(teardown(left)).toContainEqual(draining);
    expect(teardown(left)).toContainEqual({ kind: 'absent-file', path: draining.path });
  });

  test('waits for nobody where it does not run', () => {
    expect(teardown({ ...left, isServing: false }).map(({ kind }) => kind)).not.toContain('step');
  });
});

test('whoever leaves takes the certificate along', () => {
  const path = '/etc/haproxy/charm-0123456789abcdef.pem';
  expect(teardown({ ...left, files: [path] })).toContainEqual({ kind: 'absent-file', path });
});

describe('a machine on which somebody else looks after HAProxy', () => {
  test.each([
    [
      { kind: 'program', name: 'balancer/0' } as const,
      'balancer/0 looks after the HAProxy of this machine: juju remove-relation one of the two',
    ],
    [
      { kind: 'person', config: '/etc/haproxy/haproxy.cfg' } as const,
      'HAProxy was set up by hand here: to hand it over, move /etc/haproxy/haproxy.cfg away',
    ],
  ])('%j: nothing is touched, also while this unit goes', (occupant, message) => {
    for (const isBeingRemoved of [false, true])
      expect(plan(stateOf([regions(1)], { occupant, isBeingRemoved }))).toEqual({
        machine: [],
        status: [{ level: 'blocked', message }],
      });
  });
});

test('of name servers those count that HAProxy can ask, each once', () => {
  const text =
    '# nameserver 9.9.9.9\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver fd09::1\n';
  expect(nameServersIn(text)).toEqual(['10.0.0.1', 'fd09::1']);
  const named = relationOf(1, 'web', {
    'web/0': { services: '[{service_name: x, service_port: 81, servers: [[a, a.example, 80, []]]}]' },
  });
  expect(cfgOf(stateOf([named], { nameServers: nameServersIn(text) }))).toMatch(
    /resolvers machine\n +nameserver dns1 10\.0\.0\.1:53\n +nameserver dns2 \[fd09::1\]:53\n/,
  );
  // The machine itself may know a way: it is asked when HAProxy starts.
  const alone = cfgOf(stateOf([named], { nameServers: [] }));
  expect(alone).toContain('init-addr libc,none');
  expect(alone).not.toContain('resolvers');
});

test('metrics take a port that nobody has', () => {
  const on8404 = relationOf(7, 'web', { 'web/0': { services: '[{service_name: x, service_port: 8404}]' } });
  expect(stateOf([regions(1)], { observers: [9] }).statsPort).toBe(8404);
  expect(stateOf([on8404], { observers: [9], holders: { 8405: 'grafana' } }).statsPort).toBe(8406);
});
