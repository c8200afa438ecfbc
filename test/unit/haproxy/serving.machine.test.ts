// Three servers behind one HAProxy of the lab, with the file of the charm: what a client loses when they fail.
import { X509Certificate } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redacted } from 'juju-ts-ops';
import { parseCertificate } from '../../../charms/haproxy/src/certificate.ts';
import { serverStates } from '../../../charms/haproxy/src/haproxy.ts';
import { certificatePath, CONFIG, descriptionOf } from '../../../charms/haproxy/src/render/haproxy-cfg.ts';
import { Lab, type Machine } from '../../lab/lab.ts';
import { charmFiles, until, VipMachine, watch, WEB_PORT } from '../../lab/vip.ts';
import { cfgOf, regions, regionsWith, stateOf } from './states.ts';

let lab: Lab;
let client: Machine;
let machines: readonly VipMachine[];
let url: string;

beforeAll(async () => {
  lab = await Lab.start();
  client = await lab.machine('client', ['10.9.0.200/24']);
  machines = await Promise.all([1, 2, 3].map((n) => VipMachine.start(lab, n, charmFiles(n, [1, 2, 3]))));
  url = 'http://10.9.0.11/';
  await until(async () => (await client.try(['curl', '--silent', '--fail', url])).exitCode === 0);
  for (const node of machines) await until(() => seesAll(node));
}, 60_000);
afterAll(() => lab.stop());

const ASK =
  'socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un("/run/haproxy/admin.sock")) or exit 1; syswrite($s, "show stat\\n"); print while <$s>';
/** Whether the balancer of a machine has checked every server, and has it up. */
async function seesAll({ machine }: VipMachine): Promise<boolean> {
  const { output } = await machine.try(['perl', '-MSocket', '-e', ASK]);
  const servers = serverStates(output);
  return servers.length > 0 && servers.every(({ status, check }) => status === 'UP' && check !== '');
}

/** The machine that answers this client. */
const server = async (through = url): Promise<VipMachine> => {
  const name = await client.run(['curl', '--silent', '--max-time', '2', through]);
  const found = machines.find(({ number }) => `m${number}` === name);
  if (!found) throw new Error(`an answer of nobody: ${name}`);
  return found;
};
const restartWeb = async (machine: VipMachine): Promise<void> => {
  machine.startWeb();
  const own = `http://10.9.0.1${machine.number}:${WEB_PORT}/`;
  await until(async () => (await client.try(['curl', '--silent', '--fail', own])).exitCode === 0);
  // Up again in the eyes of HAProxy.
  await until(async () => (await server()) === machine);
};

test('a client comes to the same server through whichever balancer', async () => {
  const through = await Promise.all([1, 2, 3].map((n) => server(`http://10.9.0.1${n}/`)));
  expect(new Set(through).size).toBe(1);
});

test('the server of a client is killed: every request has an answer', async () => {
  const killed = await server();
  const seen = await watch(client, url, 10_000, async () => {
    await killed.machine.signal('web', 'SIGKILL');
    await sleep(2000);
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
  await restartWeb(killed);
}, 40_000);

test('the server of a client is restarted: every request has an answer', async () => {
  const restarted = await server();
  const seen = await watch(client, url, 10_000, async () => {
    await restarted.machine.signal('web', 'SIGTERM');
    await sleep(500);
    restarted.startWeb();
    await sleep(1000);
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
  await restartWeb(restarted);
}, 40_000);

test('the server of a client hangs: new requests go to another', async () => {
  const hung = await server();
  await hung.machine.signal('web', 'SIGSTOP');
  await until(async () => (await server().catch(() => hung)) !== hung);
  await hung.machine.signal('web', 'SIGCONT');
  await until(async () => (await server()) === hung);
}, 60_000);

test('HAProxy reloads again and again, with other servers each time: every request has an answer', async () => {
  const [first] = machines;
  if (!first) throw new Error('no machines');
  const { machine } = first;
  const seen = await watch(client, url, 10_000, async () => {
    for (let round = 0; round < 10; round += 1) {
      const cfg = cfgOf(
        stateOf([regions(...(round % 2 === 0 ? [1, 2] : [1, 2, 3]))], { own: ['10.9.0.11'] }),
      );
      await machine.write(CONFIG, cfg);
      await machine.run(['sh', '-c', 'kill -USR2 "$(cat /run/haproxy.pid)"']);
      await sleep(150);
    }
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
}, 40_000);

test('HAProxy reloads while a connection is idle: the next request over it has an answer', async () => {
  const [first] = machines;
  if (!first) throw new Error('no machines');
  const ask = String.raw`printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' >&3; while read -r -t 5 line <&3 && [ "$line" != $'\r' ]; do :; done; read -r -t 5 body <&3; echo "$body"`;
  const script = `exec 3<>/dev/tcp/10.9.0.11/80; ${ask}; read -r; ${ask}`;
  const { stdin, stdout } = client.spawnPiped(['bash', '-c', script]);
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const before = await answers.next();
  expect(before.value).toMatch(/^m\d$/);
  await first.machine.run(['sh', '-c', 'kill -USR2 "$(cat /run/haproxy.pid)"']);
  await sleep(1000);
  stdin.end('\n');
  expect(await answers.next()).toEqual(before);
}, 20_000);

test('the certificate is renewed again and again: every request over HTTPS has an answer', async () => {
  const [first] = machines;
  if (!first) throw new Error('no machines');
  const { machine } = first;
  const make = async (): Promise<string> => {
    const subject = ['-subj', '/CN=maas.example', '-days', '9'];
    const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/run/key'];
    const certificate = await machine.run(['openssl', 'req', '-x509', ...keys, ...subject]);
    const key = await machine.run(['cat', '/run/key']);
    const { pem } = parseCertificate(new Redacted(certificate), new Redacted(key));
    await machine.write(certificatePath(pem.digest()), pem.reveal(), 0o600);
    const tls = { certificate: { pem }, isForgotten: false };
    await machine.write(CONFIG, cfgOf(stateOf([regions(1, 2, 3)], { own: ['10.9.0.11'], tls })));
    await machine.run(['sh', '-c', 'kill -USR2 "$(cat /run/haproxy.pid)"']);
    return new X509Certificate(certificate).serialNumber;
  };
  const served = async (): Promise<string> => {
    const shown = await client.try(['openssl', 's_client', '-connect', '10.9.0.11:443']);
    return /-----BEGIN[^]*?END CERTIFICATE-----/.test(shown.output)
      ? new X509Certificate(shown.output).serialNumber
      : '';
  };
  let serial = await make();
  await until(async () => (await served()) === serial);
  const seen = await watch(client, 'https://10.9.0.11/', 10_000, async () => {
    for (let round = 0; round < 10; round += 1) {
      serial = await make();
      await until(async () => (await served()) === serial);
    }
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
}, 60_000);

test('HAProxy reloads, and its first checks are answered late: every request has an answer', async () => {
  const [first] = machines;
  if (!first) throw new Error('no machines');
  const { machine } = first;
  const cfg = cfgOf(stateOf([regions(1, 2, 3)], { own: ['10.9.0.11'] }));
  // As long as the checks of the charm wait for an answer, and longer.
  const late = cfg.replaceAll(/uri \S+/g, 'uri /?1500');
  expect(late).not.toBe(cfg);
  const seen = await watch(client, url, 10_000, async () => {
    await machine.write(CONFIG, late);
    await machine.run(['sh', '-c', 'kill -USR2 "$(cat /run/haproxy.pid)"']);
    await sleep(3000);
  });
  expect(seen).toMatchObject({ failed: 0, kinds: [] });
}, 40_000);

describe('a balancer of its own', () => {
  /** HAProxy on the first machine with a file of the charm, changed. */
  const serve = async (
    raw: Parameters<typeof stateOf>[1],
    change: (cfg: string) => string = (cfg) => cfg,
  ): Promise<Machine> => {
    const [first] = machines;
    if (!first) throw new Error('no machines');
    const cfg = change(cfgOf(stateOf([regions(1, 2, 3)], { own: ['10.9.0.11'], ...raw })));
    await first.machine.write(CONFIG, cfg);
    await reload(first.machine);
    await until(async () =>
      (await first.machine.try(['perl', '-MSocket', '-e', INFO])).output.includes(descriptionOf(cfg) ?? '-'),
    );
    return first.machine;
  };
  const reload = (machine: Machine): Promise<string> =>
    machine.run(['sh', '-c', 'kill -USR2 "$(cat /run/haproxy.pid)"']);
  const INFO = ASK.replace('show stat', 'show info');

  test('clients that say nothing leave room for others, and go; who waits for an answer stays', async () => {
    // As long as the charm has it, this test would last as long.
    await serve({ maxConnections: 40, options: { port: 80 } }, (cfg) => {
      const quick = cfg
        .replace('timeout client 30s', 'timeout client 2s')
        .replace('timeout http-request 10s', 'timeout http-request 4s');
      expect(quick.match(/timeout (client 2s|http-request 4s)/g)).toHaveLength(2);
      return quick.replace(
        'bind :::80 v4v6 maxconn 30',
        'bind :::80 v4v6 maxconn 30\n    bind :::81 v4v6 maxconn 30',
      );
    });
    const script =
      'const {connect}=require("net"); let open=60; for (let i=0;i<60;i++) connect(81,"10.9.0.11").on("error",()=>{}).on("close",()=>{ if (--open===0) console.log("gone"); }).resume(); setTimeout(()=>console.log("silent"),500);';
    const { stdout } = client.spawnPiped([process.execPath, '-e', script]);
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('silent');
    const waits = client.run(['curl', '--silent', '--fail', '--max-time', '20', 'http://10.9.0.11/?5000']);
    expect(await client.run(['curl', '--silent', '--max-time', '3', url])).toMatch(/^m\d$/);
    expect((await lines.next()).value).toBe('gone');
    expect(await waits).toMatch(/^m\d$/);
  }, 60_000);

  test('what clients say as a proxy would is replaced', async () => {
    await serve({});
    const lies = [
      'X-Forwarded-For: 1.2.3.4',
      'x_forwarded_for: 1.2.3.5',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil',
      'Forwarded: for=1.2.3.6',
      'X-Real-IP: 1.2.3.7',
    ];
    const sent = JSON.parse(
      await client.run(['curl', '--silent', ...lies.flatMap((lie) => ['--header', lie]), `${url}headers`]),
    );
    expect(sent).toMatchObject({ 'x-forwarded-for': '10.9.0.200', 'x-forwarded-proto': 'http' });
    expect(JSON.stringify(sent)).not.toMatch(/1\.2\.3|evil|https/);
  });

  test('a redirect of a server to another port of its own leads to the one that the balancer has for it', async () => {
    await serve({}, () => cfgOf(stateOf([regionsWith('[[443,5443]]', 1, 2, 3)], { own: ['10.9.0.11'] })));
    const asking = ['curl', '--silent', '--output', '/dev/null', '--write-out', '%{redirect_url}'];
    const location = async (to: string, host = 'maas.example.com'): Promise<string> =>
      client.run([...asking, '--header', `Host: ${host}`, `${url}redirect?${to}`]);
    // What MAAS with HTTPS says to a client that asked in plain.
    const redirect = 'https://maas.example.com:5443/MAAS/r/';
    for (const host of ['maas.example.com', 'MAAS.example.com:80'])
      expect(await location(redirect, host)).toBe('https://maas.example.com/MAAS/r/');
    expect(await location('https://[fd00::1]:5443', '[fd00::1]')).toBe('https://[fd00::1]/');
    expect(await location('http://10.9.0.11:5240/MAAS/', '10.9.0.11')).toBe('http://10.9.0.11/MAAS/');
    const others = [
      'https://maas.example.com:5444/',
      'http://maas.example.com:5443/',
      'https://login.example.com:5443/',
      'https://a/maas.example.com:5443/',
    ];
    for (const other of others) expect(await location(other)).toBe(other);
  });

  test('connections that outlive reloads do so for hard-stop-after', async () => {
    const machine = await serve({ options: { 'hard-stop-after': '3s' } });
    const workers = async (): Promise<number> =>
      Number((await machine.try(['pgrep', '--exact', '--count', 'haproxy'])).output);
    const before = await workers();
    for (let round = 0; round < 4; round += 1) {
      client.spawn(['curl', '--silent', 'http://10.9.0.11/?60000']);
      await sleep(300);
      await reload(machine);
    }
    await until(async () => (await workers()) > before);
    await until(async () => (await workers()) <= before);
  }, 40_000);
});
