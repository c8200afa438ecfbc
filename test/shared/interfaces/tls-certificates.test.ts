import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Relation } from 'juju-ts-ops';
import {
  requestCertificate,
  TLS_SECRET,
  tlsCertificates,
  type TlsRequest,
  type TlsWish,
} from '../../../shared/interfaces/src/tls-certificates/index.ts';
import { decodeBag, encodeBag } from '../../../shared/juju-ts-ops/src/databag.ts';

const NAMES = ['maas.example', '10.0.0.9', 'fd09::9'];
const MINUTES = 60_000;
const DAYS = 24 * 60 * MINUTES;
let folder: string;

const openssl = async (args: readonly string[], input = ''): Promise<string> =>
  (await execa('openssl', args, { input, cwd: folder })).stdout;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-certificates-'));
  const root = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '100', '-subj', '/CN=root'];
  await openssl(['req', ...root, '-keyout', 'root.key', '-out', 'root.pem']);
  const issuing = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=issuing', '-keyout', 'issuing.key'];
  await writeFile(join(folder, 'ca.ext'), 'basicConstraints=critical,CA:TRUE\n');
  await openssl(
    [
      'x509',
      '-req',
      '-CA',
      'root.pem',
      '-CAkey',
      'root.key',
      '-days',
      '90',
      '-extfile',
      'ca.ext',
      '-out',
      'issuing.pem',
    ],
    await openssl(issuing),
  );
});

afterAll(() => rm(folder, { recursive: true }));

const file = async (name: string): Promise<string> => (await readFile(join(folder, name), 'utf8')).trim();

/** Signs for 30 days, with the names that the request asks for. */
function sign(request: string): Promise<string> {
  const how = ['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-days', '30', '-copy_extensions', 'copy'];
  return openssl(['x509', '-req', ...how], request);
}

function relationWith(appBag: Readonly<Record<string, unknown>>): Relation<typeof tlsCertificates.provider> {
  const texts = Object.entries(appBag).map(([key, value]) => [key, JSON.stringify(value)]);
  const { data } = decodeBag(tlsCertificates.provider.app, Object.fromEntries(texts));
  return {
    id: 4,
    endpoint: 'certificates',
    phase: 'active',
    app: 'ca',
    appData: data,
    units: [],
    problems: [],
  };
}

function ask(
  appBag: Readonly<Record<string, unknown>>,
  before?: TlsRequest,
  more: Partial<TlsWish> = {},
): TlsRequest {
  const content = before?.secret.content;
  const secret = typeof content === 'string' ? undefined : content;
  return requestCertificate(relationWith(appBag), {
    owner: 'unit',
    names: NAMES,
    secret,
    now: Date.now(),
    ...more,
  });
}

const csrOf = ({ bag }: TlsRequest): string =>
  bag.certificate_signing_requests[0]?.certificate_signing_request ?? '';

/** A request, and what the CA writes once it has signed it. */
async function signed(
  more: object = {},
): Promise<{ request: TlsRequest; bag: { certificates: readonly object[] } }> {
  const request = ask({});
  const certificate = await sign(csrOf(request));
  const [issuing, root] = [await file('issuing.pem'), await file('root.pem')];
  const entry = {
    certificate,
    ca: root,
    chain: [root, issuing],
    certificate_signing_request: csrOf(request),
    ...more,
  };
  return { request, bag: { certificates: [entry] } };
}

describe('the request', () => {
  test('is one that openssl verifies, with every name in it, and no key', async () => {
    const csr = csrOf(ask({}));
    const text = await openssl(['req', '-verify', '-noout', '-text', '-subject'], csr);
    expect(text).toMatch(/DNS:maas\.example, IP Address:10\.0\.0\.9, IP Address:FD09:0:0:0:0:0:0:9/);
    expect(text).toMatch(/subject=CN ?= ?maas\.example/);
    expect(csr).not.toContain('PRIVATE');
  });

  test.each([
    ['::', '0:0:0:0:0:0:0:0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:db8::ffff:10.1.2.3', '2001:DB8:0:0:0:FFFF:A01:203'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('%s is one of the addresses that it can ask for', async (address, shown) => {
    const csr = csrOf(ask({}, undefined, { names: [address] }));
    expect(await openssl(['req', '-verify', '-noout', '-text'], csr)).toContain(`IP Address:${shown}\n`);
  });

  test('names of every length, and as many as one likes', async () => {
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.example`;
    const names = [long, ...Array.from({ length: 500 }, (_, index) => `host-${index}.example`)];
    const text = await openssl(
      ['req', '-verify', '-noout', '-text', '-subject'],
      csrOf(ask({}, undefined, { names })),
    );
    expect(text).toMatch(/subject=CN ?= ?host-0\.example/);
    expect(text).toContain(`DNS:${long}, DNS:host-0.example`);
    expect(text).toContain('DNS:host-499.example');
  });

  test('stays the same text from hook to hook, and changes with the names', () => {
    const first = ask({});
    expect(ask({}, first).bag).toEqual(first.bag);
    expect(csrOf(ask({}, first, { names: ['other.example'] }))).not.toBe(csrOf(first));
  });

  test('a key is made once; it is in a secret that nobody else may read', () => {
    const first = ask({});
    expect(ask({}, first).secret).toEqual(first.secret);
    expect(first.secret).toMatchObject({ secret: TLS_SECRET, owner: 'unit', grants: [] });
    expect(JSON.stringify(first)).not.toContain('PRIVATE');
  });

  test('a CA that signs no addresses is asked for host names, and one cannot be asked without any', () => {
    const bag = { capabilities: { supports_ip_sans: false } };
    expect(csrOf(ask(bag))).not.toBe('');
    const first = ask(bag, undefined, { names: ['10.0.0.9'] });
    for (const nameless of [first, ask(bag, first, { names: ['10.0.0.9'] })]) {
      expect(nameless.bag.certificate_signing_requests).toEqual([]);
      expect(nameless.answer).toEqual({
        kind: 'refused',
        reason: 'ca signs no IP addresses, and no host name is known',
      });
    }
  });

  test('reaches the databag as the interface has it', () => {
    const { bag } = ask({});
    const written =
      encodeBag(tlsCertificates.requirer.unit, bag, () => '').get('certificate_signing_requests') ?? '';
    expect(JSON.parse(written)).toEqual([
      {
        certificate_signing_request: expect.stringMatching(/^-----BEGIN CERTIFICATE REQUEST-----\n/),
        ca: false,
      },
    ]);
  });
});

describe('the answer', () => {
  test('is the certificate for our request, with the chain in order and without the root', async () => {
    const { request, bag } = await signed();
    const { answer } = ask(bag, request);
    if (answer.kind !== 'issued') throw new Error(answer.reason);
    expect(answer.ca).toBe(await file('root.pem'));
    const path = answer.certificate.split(/(?<=-----END CERTIFICATE-----)\n/);
    expect(path.map((pem) => new X509Certificate(pem).subject)).toEqual(['CN=maas.example', 'CN=issuing']);
    await writeFile(join(folder, 'chain.pem'), answer.certificate);
    const verified = await openssl(['verify', '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'chain.pem']);
    expect(verified).toBe('chain.pem: OK');
  });

  test('is read from base64 too, and what others are told does not matter', async () => {
    const { request, bag } = await signed();
    const twice = Object.entries(bag.certificates[0] ?? {}).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === 'string' ? Buffer.from(value).toString('base64') : value,
    ]);
    const list = ['nonsense', { certificate: 7 }, Object.fromEntries(twice)];
    expect(ask({ certificates: list }, request).answer.kind).toBe('issued');
  });

  test('is waited for while there is none, or only one for another request', async () => {
    const { bag } = await signed();
    const other = ask({});
    const waiting = { kind: 'waiting', reason: 'ca to sign the certificate' };
    expect(other.answer).toEqual(waiting);
    expect(ask(bag, other).answer).toEqual(waiting);
  });

  test('is refused in the words of the CA', () => {
    const request = ask({});
    const error = { code: 101, name: 'ip_not_allowed', message: 'no addresses' };
    const bag = { request_errors: [{ certificate_signing_request: csrOf(request), error }] };
    expect(ask(bag, request).answer).toEqual({
      kind: 'refused',
      reason: 'ca refuses maas.example and 2 more: no addresses (101)',
    });
  });

  test('for another key is not taken', async () => {
    const [ours, theirs] = [await signed(), await signed()];
    const entry = { ...theirs.bag.certificates[0], certificate_signing_request: csrOf(ours.request) };
    expect(ask({ certificates: [entry] }, ours.request).answer).toEqual({
      kind: 'refused',
      reason: 'ca gave a certificate that is not for the key it was asked for',
    });
  });
});

describe('renewal', () => {
  const at = (now: number): Partial<TlsWish> => ({ now });

  test('nine tenths through, a new key asks anew, and only once', async () => {
    const { request, bag } = await signed();
    expect(ask(bag, request, at(Date.now() + 26 * DAYS)).answer.kind).toBe('issued');
    const renewing = ask(bag, request, at(Date.now() + 28 * DAYS));
    expect(renewing.answer).toEqual({ kind: 'waiting', reason: 'ca to renew the certificate' });
    expect(csrOf(renewing)).not.toBe(csrOf(request));
    const next = ask(bag, renewing, at(Date.now() + 28 * DAYS + 10 * MINUTES));
    expect([csrOf(next), next.answer]).toEqual([csrOf(renewing), renewing.answer]);
    expect(ask(bag, next, at(Date.now() + 28 * DAYS + 20 * MINUTES)).answer).toEqual(renewing.answer);
  });

  test('when the CA recommends it', async () => {
    const { request, bag } = await signed({
      recommended_expiry_notification_time: new Date(Date.now() + 10 * DAYS).toISOString(),
    });
    expect(ask(bag, request, at(Date.now() + 9 * DAYS)).answer.kind).toBe('issued');
    expect(ask(bag, request, at(Date.now() + 11 * DAYS)).answer.kind).toBe('waiting');
  });

  test('when it was revoked', async () => {
    const { request, bag } = await signed({ revoked: true });
    const renewing = ask(bag, request, at(Date.now() + 10 * MINUTES));
    expect(renewing.answer).toEqual({ kind: 'waiting', reason: 'ca to replace the certificate it revoked' });
    expect(csrOf(renewing)).not.toBe(csrOf(request));
  });

  test('a CA that signs what is worn already is not asked in every hook', async () => {
    const { request, bag } = await signed({
      recommended_expiry_notification_time: new Date(Date.now() - DAYS).toISOString(),
    });
    expect(csrOf(ask(bag, request))).toBe(csrOf(request));
    expect(ask(bag, request).answer.kind).toBe('issued');
    expect(csrOf(ask(bag, request, at(Date.now() + 6 * MINUTES)))).not.toBe(csrOf(request));
  });

  test('a certificate that the CA replaces by itself is taken', async () => {
    const { request, bag } = await signed();
    const again = { ...bag.certificates[0], certificate: await sign(csrOf(request)) };
    const answers = [bag, { certificates: [again] }].map((written) => ask(written, request).answer);
    const texts = answers.map((answer) => (answer.kind === 'issued' ? answer.certificate : answer.reason));
    expect(new Set(texts).size).toBe(2);
    expect(texts[1]).toContain(again.certificate.trim());
  });
});
