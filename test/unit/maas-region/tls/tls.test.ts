// HTTPS of MAAS itself: what the charm asks for and tells, and what the stand-in then serves.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TLS_SECRET, type TlsRequest } from 'juju-ts-interfaces/tls-certificates';
import { execa } from 'execa';
import { Redacted } from 'juju-ts-ops';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import type { State } from '../../../../charms/maas-region/src/state.ts';
import { options } from '../../../../charms/maas-region/src/options.ts';
import { parseCertificate } from '../../../../charms/maas-region/src/tls/read.ts';
import type { Tls } from '../../../../charms/maas-region/src/tls/state.ts';
import { DoubleHost, until } from '../../maas-double/host.ts';
import { postgresqlServer } from '../../postgresql.ts';
import {
  bagOf,
  changed,
  CLUSTER,
  databaseOver,
  fileOf,
  machineOf,
  serving,
  stepOf,
  REGIOND_CONF,
  type Changes,
} from '../states.ts';

const NOW = Date.now();
type Given = Readonly<Record<'certificate' | 'key', Redacted>>;

let folder: string;
/** Two certificates for 127.0.7.31, one after the other, each with what leads from it to `root.pem`. */
let first: Given;
let second: Given;

const openssl = async (...args: readonly string[]): Promise<string> =>
  (await execa('openssl', args, { cwd: folder })).stdout;
const file = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'maas-tls-'));
  await writeFile(join(folder, 'ca'), 'basicConstraints=critical,CA:TRUE\n');
  await writeFile(join(folder, 'names'), 'subjectAltName=IP:127.0.7.31\n');
  const fresh = ['-newkey', 'rsa:2048', '-nodes', '-keyout'];
  await openssl('req', '-x509', ...fresh, 'root.key', '-subj', '/CN=root', '-out', 'root.pem');
  await openssl('req', ...fresh, 'ca.key', '-subj', '/CN=issuing', '-out', 'ca.csr');
  const root = ['-CA', 'root.pem', '-CAkey', 'root.key'];
  await openssl('x509', '-req', '-in', 'ca.csr', ...root, '-extfile', 'ca', '-out', 'ca.pem');
  const make = async (): Promise<Given> => {
    await openssl('req', ...fresh, 'key.pem', '-subj', '/CN=maas', '-out', 'csr.pem');
    const issuing = ['-CA', 'ca.pem', '-CAkey', 'ca.key'];
    const leaf = await openssl('x509', '-req', '-in', 'csr.pem', ...issuing, '-extfile', 'names');
    return {
      certificate: new Redacted(`${leaf}\n${await file('ca.pem')}`),
      key: new Redacted(await file('key.pem')),
    };
  };
  first = await make();
  second = await make();
});

afterAll(() => rm(folder, { recursive: true }));

const mode = (value: 'disabled' | 'termination' | 'passthrough') => ({ 'tls-mode': value }) as const;

/** The leader, which has this certificate for MAAS. */
function passing(given: Given, changes: Changes = {}): State {
  const tls = { isForgotten: false, ...parseCertificate(given, NOW) };
  return changed(serving({ options: mode('passthrough'), tls }), changes);
}

/** What the leader tells the others about a certificate. */
function told(given: Given): { readonly relation: number; readonly fingerprint: string } {
  const bag = bagOf(passing(given), 'region-cluster', 'app');
  expect(bag).toMatchObject({ tls: { relation: 4 } });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (bag as { tls: { relation: number; fingerprint: string } }).tls;
}

describe('tls-mode=passthrough', () => {
  test('has MAAS serve HTTPS once, by the leader, and again with a new certificate', () => {
    expect(machineOf(passing(first))).toContain('step:enable-tls');
    const cluster = { tls: told(first) };
    expect(machineOf(passing(first, { cluster }))).not.toContain('step:enable-tls');
    expect(machineOf(passing(second, { cluster }))).toContain('step:enable-tls');
    expect(machineOf(passing(first, { isLeader: false }))).not.toContain('step:enable-tls');
    expect(machineOf(passing(first, { region: { isServing: false } }))).not.toContain('step:enable-tls');
  });

  test('again in another database, which has no certificate', () => {
    const cluster = { schema: { ...CLUSTER.schema, relation: 5 }, tls: told(first) };
    const moved = passing(first, { cluster, database: databaseOver(5) });
    expect(machineOf(moved)).toContain('step:enable-tls');
  });

  test('opens the port and has balancers pass it through; racks and machines go on in plain', () => {
    const cluster = { tls: told(first) };
    for (const state of [passing(first, { cluster }), passing(first, { cluster, isLeader: false })]) {
      expect(plan(state).ports).toContain('5443/tcp');
      expect(bagOf(state, 'api', 'unit')).toMatchObject({
        'tcp-ports': [5242, 5271, 5443, [443, 5443]],
        'health-check': '/MAAS/rpc/',
        port: 5240,
      });
      expect(fileOf(state, REGIOND_CONF)).toContain('maas_url: "http://10.0.0.200/MAAS"');
    }
    expect(plan(serving()).ports).not.toContain('5443/tcp');
  });

  test('ends when the user says so, unless it was the user who set it in MAAS', () => {
    expect(machineOf(serving({ cluster: { tls: told(first) } }))).toContain('step:disable-tls');
    expect(machineOf(serving())).not.toContain('step:disable-tls');
  });

  test('tells what is missing, and what MAAS cannot do', () => {
    const status = (tls: Partial<Tls>, known: Changes = {}): unknown =>
      plan(serving({ options: mode('passthrough'), tls: { isForgotten: false, ...tls }, ...known }))
        .status[0];
    expect(status({})).toEqual({
      level: 'blocked',
      message:
        'tls-mode=passthrough needs a certificate: relate maas-region:certificates, or set certificate=',
    });
    const old = { region: { version: '3.2' } };
    expect(status({}, old)).toMatchObject({
      level: 'blocked',
      message: expect.stringContaining('needs MAAS 3.3 or later, and this is 3.2'),
    });
    expect(machineOf(passing(first, old))).not.toContain('step:enable-tls');
  });

  test('asks the CA for one certificate of the application, and goes on with the old one meanwhile', () => {
    const request: TlsRequest = {
      relation: 11,
      answer: { kind: 'waiting', reason: 'ca to sign the certificate' },
      secret: { secret: TLS_SECRET, content: { 'private-key': first.key }, grants: [] },
      bag: { certificate_signing_requests: [{ certificate_signing_request: 'CSR', ca: false }] },
    };
    const state = serving({ options: mode('passthrough'), tls: { isForgotten: false, request } });
    expect(bagOf(state, 'certificates', 'app')).toEqual(request.bag);
    expect(plan(state).secrets).toContain(request.secret);
    expect(plan(state).status[0]).toEqual({ level: 'waiting', message: 'ca to sign the certificate' });
    const renewing = changed(state, { cluster: { tls: told(first) } });
    expect(plan(renewing).status[0]?.level).toBe('active');
    expect(bagOf(renewing, 'region-cluster', 'app')).toMatchObject({ tls: told(first) });
    const refused = { ...request, answer: { kind: 'refused', reason: 'ca refuses it (101)' } } as const;
    expect(plan({ ...state, tls: { isForgotten: false, request: refused } }).status[0]).toEqual({
      level: 'blocked',
      message: 'ca refuses it (101)',
    });
    expect(plan(serving({ tls: { isForgotten: true } })).secrets).toContainEqual(
      expect.objectContaining({ secret: TLS_SECRET, content: 'absent' }),
    );
  });

  test('no key is in a databag, a status or a printed plan', () => {
    const line = first.key.reveal().split('\n')[3] ?? '';
    expect(line).toHaveLength(64);
    expect(JSON.stringify(plan(passing(first)))).not.toContain(line);
  });
});

describe('tls-mode=termination', () => {
  const frontend = { scheme: 'https', port: 443 } as const;

  test('waits for the certificate of the balancer, and then MAAS_URL is https', () => {
    const silent = serving({ options: mode('termination'), network: { balancer: { app: 'haproxy' } } });
    expect(plan(silent).status[0]).toEqual({ level: 'waiting', message: 'haproxy to say where it listens' });
    const waiting = serving({ options: mode('termination') });
    expect(plan(waiting).status[0]).toEqual({
      level: 'blocked',
      message: 'tls-mode=termination, and haproxy serves no HTTPS: juju integrate haproxy:certificates <CA>',
    });
    expect(fileOf(waiting, REGIOND_CONF)).toContain('maas_url: "http://10.0.0.200/MAAS"');
    const state = serving({
      options: mode('termination'),
      network: { balancer: { app: 'haproxy', frontend } },
    });
    expect(fileOf(state, REGIOND_CONF)).toContain('maas_url: "https://10.0.0.200/MAAS"');
    expect(plan(state).status[0]?.level).toBe('active');
  });
});

test('another tls-mode is refused in words', () => {
  expect(options['tls-mode'].safeParse('yes').error?.issues[0]?.message).toBe(
    'one of disabled, termination, passthrough',
  );
});

describe('a certificate of the user', () => {
  test('is split into what MAAS wants', () => {
    const { certificate } = parseCertificate(first, NOW);
    expect(certificate?.leaf.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(certificate?.chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  });

  test('is refused in words', () => {
    const problem = (given: Readonly<Record<string, Redacted>>, now = NOW): string | undefined =>
      parseCertificate(given, now).problem;
    expect(problem({ certificate: first.certificate })).toContain('keys certificate');
    expect(problem({ ...first, certificate: new Redacted('x') })).toContain('keys certificate');
    expect(problem({ ...first, key: second.key })).toContain('not of its certificate');
    expect(problem(first, NOW + 40 * 24 * 3_600_000)).toContain('has expired on');
  });
});

describe('in MAAS itself', () => {
  const path = process.env['PATH'];
  const server = postgresqlServer();
  let host: DoubleHost;
  let authority: string;

  beforeAll(async () => {
    host = await DoubleHost.make('3.7', 'region-1', '127.0.7.31');
    await host.configure(server.connection);
    await host.region(['dbupgrade']);
    await host.serve('region-1');
    authority = await file('root.pem');
    process.env['PATH'] = `${await host.commands()}:${path}`;
  });

  afterAll(async () => {
    process.env['PATH'] = path;
    await host[Symbol.asyncDispose]();
  });

  async function apply(state: State, id: string): Promise<void> {
    const step = stepOf(state, id);
    if (!step) throw new Error(`no step ${id}`);
    await step.run();
  }

  /** What HTTPS answers whoever trusts the root alone, with the certificate's serial number. */
  async function https(requested: string): Promise<{ status: number; text: string; serial: string }> {
    const options = { host: '127.0.7.31', port: 5443, path: requested, ca: authority, agent: false };
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      get(options, resolve).on('error', reject);
    });
    const serial = reply.socket instanceof TLSSocket ? reply.socket.getPeerCertificate().serialNumber : '';
    return { status: reply.statusCode ?? 0, text: await textOf(reply), serial };
  }

  const tried = (requested: string): Promise<{ status: number; text: string; serial: string }> =>
    https(requested).catch((error: unknown) => ({ status: 0, text: String(error), serial: '' }));

  test('HTTPS comes with its chain, is renewed without a restart, and goes; plain HTTP stays for racks', async () => {
    await apply(passing(first), 'enable-tls');
    const before = await until(
      () => tried('/MAAS/api/2.0/version/'),
      ({ status }) => status === 200,
    );
    expect(existsSync('/run/maas-ha/tls')).toBe(false);
    await until(
      () => host.get('/MAAS/api/2.0/version/'),
      ({ status }) => status === 301,
    );
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
    await apply(passing(second, { cluster: { tls: told(first) } }), 'enable-tls');
    await until(
      () => tried('/MAAS/api/2.0/version/'),
      ({ status, serial }) => status === 200 && serial !== before.serial,
    );
    await apply(serving({ cluster: { tls: told(second) } }), 'disable-tls');
    await until(
      () => host.get('/MAAS/api/2.0/version/'),
      ({ status }) => status === 200,
    );
    expect(await tried('/MAAS/rpc/')).toMatchObject({ status: 0 });
  });

  test('what MAAS does not take is told in its words', async () => {
    const bad = { ...first, key: second.key };
    const certificate = parseCertificate(first, NOW).certificate;
    const state = serving({
      options: mode('passthrough'),
      tls: { isForgotten: false, ...(certificate && { certificate: { ...certificate, key: bad.key } }) },
    });
    await expect(apply(state, 'enable-tls')).rejects.toThrow(
      /MAAS does not take the certificate: .*don't match/,
    );
    expect(existsSync('/run/maas-ha/tls')).toBe(false);
  });
});
