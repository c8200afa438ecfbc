import { isIP } from 'node:net';
import { readFileIfExists } from '@maas-ha/host';
import {
  belongTogether,
  requestCertificate,
  TLS_SECRET,
  type TlsRequest,
} from '@maas-ha/interfaces/tls-certificates';
import { Redacted, UserError } from 'juju-ts-ops';
import { z } from 'zod';
import { CERTIFICATE } from './render/haproxy-cfg.ts';
import type { HaproxyJuju } from './state.ts';

/** What HTTPS is served with. */
export interface Certificate {
  /** PEM: the certificate, its chain and its key. */
  readonly pem: Redacted;
}

/** Where HTTPS stands. */
export interface Tls {
  /** What is served; absent: no HTTPS. */
  readonly certificate?: Certificate;
  /** What the CA of the relation is asked for; absent without one, and while the option counts. */
  readonly request?: TlsRequest;
  /** The CA that is related while the option is set as well, which counts. */
  readonly unused?: { readonly relation: number; readonly app: string };
  /** Whether the CA is gone with this hook, and the key with it. */
  readonly isForgotten: boolean;
}

const DNS_NAME = /^(\*\.)?(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** DNS names and separated by commas or blanks. */
export const tlsNames = z.string().transform((text, context): readonly string[] => {
  const names = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
  const wrong = names.find((name) => isIP(name) === 0 && !DNS_NAME.test(name));
  if (wrong !== undefined)
    context.addIssue({ code: 'custom', message: `${wrong} is neither a host name nor an address` });
  return names;
});

export async function readTls(juju: HaproxyJuju): Promise<Tls> {
  const [given, [relation], broken] = await Promise.all([
    juju.secretOption('certificate'),
    juju.relations('certificates'),
    juju.brokenRelation('certificates'),
  ]);
  const isForgotten = broken !== undefined;
  if (given) {
    const { certificate, key } = given;
    if (!certificate || !key) throw new UserError(`certificate= needs to be ${HOW}`);
    return {
      certificate: parseCertificate(certificate, key),
      ...(relation && { unused: { relation: relation.id, app: relation.app } }),
      isForgotten,
    };
  }
  if (!relation) return { isForgotten };
  const [secret, names, served] = await Promise.all([
    juju.ownSecret(TLS_SECRET),
    namesOf(juju),
    readFileIfExists(CERTIFICATE),
  ]);
  const request = requestCertificate(relation, { owner: 'unit', names, secret, now: Date.now() });
  const { answer } = request;
  const pem =
    answer.kind === 'issued' ? join(answer.certificate, answer.key) : served && new Redacted(served);
  return { request, ...(pem && { certificate: { pem } }), isForgotten };
}

/** What clients may call this machine: as the option says, or else the virtual addresses and its own. */
async function namesOf(juju: HaproxyJuju): Promise<readonly string[]> {
  const [{ 'tls-names': names }, relations, network] = await Promise.all([
    juju.options(),
    juju.relations('vip'),
    juju.network('juju-info'),
  ]);
  if (names.length > 0) return names;
  const vips = relations.flatMap(({ appData }) => appData.vips ?? []);
  return [
    ...new Set([
      ...vips.flatMap(({ hostname }) => hostname ?? []),
      ...vips.map(({ address }) => address),
      ...network.bindAddresses,
    ]),
  ];
}

const HOW = 'a Juju secret with the keys certificate and key, both PEM';

/** @throws {UserError} when they are not PEM, or do not belong together */
export function parseCertificate(certificate: Redacted, key: Redacted): Certificate {
  const fits = belongTogether(certificate, key);
  if (fits === undefined) throw new UserError(`certificate= needs to be ${HOW}`);
  if (!fits) throw new UserError('certificate= has a key that is not of its certificate: juju update-secret');
  return { pem: join(certificate.reveal(), key) };
}

function join(certificate: string, key: Redacted): Redacted {
  return key.map((text) => `${certificate.trim()}\n${text.trim()}\n`);
}
