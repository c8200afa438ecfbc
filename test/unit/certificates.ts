// Certificates for tests of events, which start no process but when they are loaded.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signingRequest } from '../../shared/interfaces/src/tls-certificates/csr.ts';

/** A key, what was asked for with it, and what a CA made of that. All PEM. */
export interface Signed {
  readonly key: string;
  readonly request: string;
  readonly certificate: string;
  readonly ca: string;
  /** A line of the key, to look for. */
  readonly secret: string;
}

/** Signs itself what is asked for with these names. @param days how long that is good for */
export function signed(names: readonly string[], days = 30): Signed {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  try {
    const openssl = (args: readonly string[], input = ''): string =>
      execFileSync('openssl', args, { cwd: folder, input, encoding: 'utf8', stdio: 'pipe' }).trim();
    const key = openssl(['genpkey', '-algorithm', 'rsa']);
    const request = signingRequest(key, names);
    const root = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '100', '-subj', '/CN=ca'];
    openssl(['req', ...root, '-keyout', 'ca.key', '-out', 'ca.pem']);
    writeFileSync(join(folder, 'request'), request);
    const how = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', String(days), '-copy_extensions', 'copy'];
    const certificate = openssl(['x509', '-req', '-in', 'request', ...how]);
    return {
      key,
      request,
      certificate,
      ca: openssl(['x509', '-in', 'ca.pem']),
      secret: key.split('\n')[5] ?? '',
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The databag of the CA's application, with what it says beside. */
export function answered(
  { request, certificate, ca }: Signed,
  more: object = {},
): Readonly<Record<string, string>> {
  const chain = [certificate, ca];
  return {
    certificates: JSON.stringify([{ certificate_signing_request: request, certificate, ca, chain, ...more }]),
  };
}

/** The databag in which the request stands. */
export function asked({ request }: Signed): Readonly<Record<string, string>> {
  const requests = [{ certificate_signing_request: request, ca: false }];
  return { certificate_signing_requests: JSON.stringify(requests) };
}
