import { X509Certificate } from 'node:crypto';
import { belongTogether, requestCertificate, TLS_SECRET } from 'juju-ts-interfaces/tls-certificates';
import type { Redacted } from 'juju-ts-ops';
import { readCluster } from '../cluster/read.ts';
import type { RegionJuju } from '../juju.ts';
import type { Network } from '../network/state.ts';
import type { Certificate, Tls } from './state.ts';

export async function readTls(juju: RegionJuju, { address }: Network): Promise<Tls> {
  const [{ 'tls-mode': mode }, isLeader, broken] = await Promise.all([
    juju.options(),
    juju.isLeader(),
    juju.brokenRelation('certificates'),
  ]);
  const isForgotten = broken !== undefined;
  if (mode !== 'passthrough') return { isForgotten };
  const given = await juju.secretOption('certificate');
  if (given) return { isForgotten, ...parseCertificate(given, Date.now()) };
  const [relation] = await juju.relations('certificates');
  // The key is the application's: one certificate for all regions, which MAAS keeps in its database.
  if (!relation || !isLeader) return { isForgotten };
  const names = await clientNames(juju, address);
  if (names.length === 0) return { isForgotten };
  const secret = await juju.ownSecret(TLS_SECRET);
  const request = requestCertificate(relation, { owner: 'application', names, secret, now: Date.now() });
  const { answer } = request;
  return {
    isForgotten,
    request,
    ...(answer.kind === 'issued' && { certificate: { ...split(answer.certificate), key: answer.key } }),
  };
}

/** What clients call MAAS, in an order that stays: the host of its URL, and the virtual addresses; without either, the regions. */
async function clientNames(juju: RegionJuju, address: string): Promise<readonly string[]> {
  const [{ 'maas-url': url }, [vip], { peers }] = await Promise.all([
    juju.options(),
    juju.relations('vip'),
    readCluster(juju),
  ]);
  const vips = vip?.appData.vips ?? [];
  const names = [
    ...(url === '' ? [] : [new URL(url).hostname.replaceAll(/[[\]]/g, '')]),
    ...vips.flatMap(({ hostname }) => hostname ?? []),
    ...vips.map((one) => one.address),
  ];
  const regions = [...peers.flatMap((peer) => peer.address ?? []), address].filter((one) => one !== '');
  return [...new Set(names.length > 0 ? names : regions.toSorted())];
}

const HOW = 'a Juju secret with the keys certificate (PEM, with its chain) and key (PEM)';

/** The certificate of a user's secret, or what is wrong with it. */
export function parseCertificate(
  { certificate, key }: Readonly<Record<string, Redacted>>,
  now: number,
): Pick<Tls, 'certificate' | 'problem'> {
  if (!certificate || !key) return { problem: `certificate= needs to be ${HOW}` };
  const fits = belongTogether(certificate, key);
  if (fits === undefined) return { problem: `certificate= needs to be ${HOW}` };
  if (!fits) return { problem: 'certificate= has a key that is not of its certificate: juju update-secret' };
  const { validTo } = new X509Certificate(certificate.reveal());
  if (Date.parse(validTo) < now)
    return { problem: `certificate= has expired on ${validTo}: juju update-secret` };
  return { certificate: { ...split(certificate.reveal()), key } };
}

/** MAAS takes the first certificate of the file that it is given, and what leads from it in another one. */
function split(pem: string): Pick<Certificate, 'leaf' | 'chain'> {
  const [leaf = '', ...chain] =
    pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return { leaf: `${leaf}\n`, chain: chain.map((one) => `${one}\n`).join('') };
}
