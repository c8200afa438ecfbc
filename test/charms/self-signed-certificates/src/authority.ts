import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, tryRun } from '@maas-ha/host';
import { Redacted } from 'juju-ts-ops';

/** A certificate with its key, both PEM, that signs others. */
export interface Authority {
  readonly certificate: string;
  readonly key: Redacted;
}

const CA_DAYS = 3650;

export async function makeAuthority(commonName: string): Promise<Authority> {
  const key = await run(['openssl', 'genrsa', '2048']);
  const certificate = await run(
    [
      'openssl',
      'req',
      '-x509',
      '-new',
      '-key',
      '/dev/stdin',
      '-days',
      String(CA_DAYS),
      '-subj',
      `/CN=${commonName.replaceAll(/[/\\+]/g, '-')}`,
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    ],
    { stdin: key },
  );
  return { certificate: certificate.trim(), key: new Redacted(key.trim()) };
}

/** What is in a request, as openssl shows it; `undefined` where its signature is not of its key. */
export async function describeRequest(request: string): Promise<string | undefined> {
  const { exitCode, stdout } = await tryRun(['openssl', 'req', '-verify', '-noout', '-text'], {
    stdin: request,
  });
  return exitCode === 0 ? stdout : undefined;
}

/** @returns the certificate, PEM, with the names that the request asks for */
export async function sign(authority: Authority, request: string, days: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'authority-'));
  try {
    const files = {
      'ca.pem': authority.certificate,
      'ca.key': authority.key.reveal(),
      extensions:
        'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n',
    };
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content, { mode: 0o600 });
    const by = ['-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key')];
    const how = ['-days', String(days), '-copy_extensions', 'copy', '-extfile', join(folder, 'extensions')];
    return (await run(['openssl', 'x509', '-req', ...by, ...how], { stdin: request })).trim();
  } finally {
    await rm(folder, { recursive: true });
  }
}
