import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, tryRun } from 'juju-ts-host';
import { Redacted } from 'juju-ts-ops';

/** A certificate with its key, both PEM, that signs others. */
export interface Authority {
  readonly certificate: string;
  readonly key: Redacted;
}

const CA_DAYS = 3650;

export async function makeAuthority(commonName: string): Promise<Authority> {
  return inFolder({}, async (folder) => {
    const key = join(folder, 'ca.key');
    const subject = ['-subj', `/CN=${commonName.replaceAll(/[/\\+]/g, '-')}`];
    const how = ['-days', String(CA_DAYS), '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    const make = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key];
    const certificate = await run(['openssl', 'req', ...make, ...subject, ...how]);
    return { certificate: certificate.trim(), key: new Redacted((await readFile(key, 'utf8')).trim()) };
  });
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
  const files = {
    'ca.pem': authority.certificate,
    'ca.key': authority.key.reveal(),
    extensions:
      'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n',
  };
  return inFolder(files, async (folder) => {
    const by = ['-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key')];
    const how = ['-days', String(days), '-copy_extensions', 'copy', '-extfile', join(folder, 'extensions')];
    return (await run(['openssl', 'x509', '-req', ...by, ...how], { stdin: request })).trim();
  });
}

/** Uses files that only root can read, and that are gone afterwards. */
async function inFolder<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'authority-'));
  try {
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content, { mode: 0o600 });
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
