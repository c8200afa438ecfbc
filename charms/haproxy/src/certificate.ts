import { X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { dirname, join } from 'node:path';
import { ownAddress, readFileIfExists, type VirtualAddresses } from 'juju-ts-host';
import {
  belongTogether,
  requestCertificate,
  TLS_SECRET,
  type TlsRequest,
} from 'juju-ts-interfaces/tls-certificates';
import { Redacted, UserError, type NetworkInfo } from 'juju-ts-ops';
import type { HaproxyJuju } from './juju.ts';
import { CERTIFICATE_NAME, certificateOf, CONFIG } from './render/haproxy-cfg.ts';

/** What HTTPS is served with. */
export interface Certificate {
  /** PEM: the certificate, its chain and its key. */
  readonly pem: Redacted;
  /** When it stopped being valid, where it has: `2026-11-29`. */
  readonly expired?: string;
}

/** Where HTTPS stands. */
export interface Tls {
  /** What is to be served; absent: no HTTPS. */
  readonly certificate?: Certificate;
  /** Why the option's is not, in words for a status. */
  readonly problem?: string;
  /** What the CA of the relation is asked for; absent without one, and while the option counts. */
  readonly request?: TlsRequest;
  /** The CA that is related while the option is set as well, which counts. */
  readonly unused?: { readonly relation: number; readonly app: string };
  /** Whether the CA is gone with this hook, and the key with it. */
  readonly isForgotten: boolean;
}

/** What clients may call this machine. */
export interface Names {
  /** As the option says; empty for the others. */
  readonly wanted: readonly string[];
  readonly network: NetworkInfo;
  readonly virtual: VirtualAddresses;
  /** Host names of the virtual addresses. */
  readonly hostnames: readonly string[];
}

/** @param served what HAProxy serves now, which it does until there is another */
export async function readTls(
  juju: HaproxyJuju,
  names: Names,
  served: Certificate | undefined,
): Promise<Tls> {
  const [option, [relation], broken] = await Promise.all([
    certificateOption(juju),
    juju.relations('certificates'),
    juju.brokenRelation('certificates'),
  ]);
  const isForgotten = broken !== undefined;
  if (option) {
    const certificate = option.certificate ?? served;
    return {
      ...(certificate && { certificate }),
      ...(option.problem !== undefined && { problem: option.problem }),
      ...(relation && { unused: { relation: relation.id, app: relation.app } }),
      isForgotten,
    };
  }
  if (!relation) return { isForgotten };
  const secret = await juju.ownSecret(TLS_SECRET);
  const request = requestCertificate(relation, {
    owner: 'unit',
    names: namesOf(names),
    secret,
    now: Date.now(),
  });
  const { answer } = request;
  const certificate =
    answer.kind === 'issued' ? certificateFrom(withKey(answer.certificate, answer.key)) : served;
  return { request, ...(certificate && { certificate }), isForgotten };
}

/** What the option gives; `undefined` where it is not set. What is wrong with it holds up nothing else. */
async function certificateOption(
  juju: HaproxyJuju,
): Promise<{ readonly certificate?: Certificate; readonly problem?: string } | undefined> {
  try {
    const given = await juju.secretOption('certificate');
    if (!given) return undefined;
    const { certificate, key } = given;
    if (!certificate || !key) throw new UserError(`certificate= needs to be ${HOW}`);
    return { certificate: parseCertificate(certificate, key) };
  } catch (error) {
    if (error instanceof UserError) return { problem: error.message };
    throw error;
  }
}

/** The certificate that a configuration of this charm names. */
export async function servedCertificate(cfg: string): Promise<Certificate | undefined> {
  const path = certificateOf(cfg);
  const pem = path === undefined ? undefined : await readFileIfExists(path);
  return pem === undefined ? undefined : certificateFrom(new Redacted(pem));
}

/** Paths of all certificates that are on this machine, also of those that are not served any more. */
export async function certificateFiles(): Promise<readonly string[]> {
  const folder = dirname(CONFIG);
  const names = await readdir(folder).catch(() => []);
  return [...new Set(names.flatMap((name) => CERTIFICATE_NAME.exec(name)?.[1] ?? []))].map((name) =>
    join(folder, name),
  );
}

/** The virtual addresses, and the one of this machine that stays, of either family. */
function namesOf({ wanted, network, virtual, hostnames }: Names): readonly string[] {
  if (wanted.length > 0) return wanted;
  const own = [true, false].flatMap((is6) => {
    const isOf = (address: string): boolean => isIPv6(address) === is6;
    const offered = {
      ingressAddresses: network.ingressAddresses.filter(isOf),
      interfaces: network.interfaces.map(({ addresses }) => ({
        addresses: addresses.filter(({ address }) => isOf(address)),
      })),
    };
    return ownAddress(offered, virtual) ?? [];
  });
  const order = network.bindAddresses;
  return [
    ...new Set([
      ...hostnames,
      ...virtual.known,
      ...own.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)),
    ]),
  ];
}

const HOW = 'a Juju secret with the keys certificate and key, both PEM';

/** @throws {UserError} when they are not PEM, or do not belong together */
export function parseCertificate(certificate: Redacted, key: Redacted): Certificate {
  const fits = belongTogether(certificate, key);
  if (fits === undefined) throw new UserError(`certificate= needs to be ${HOW}`);
  if (!fits) throw new UserError('certificate= has a key that is not of its certificate: juju update-secret');
  return certificateFrom(withKey(certificate.reveal(), key));
}

function certificateFrom(pem: Redacted): Certificate {
  const until = validTo(pem);
  return { pem, ...(until && until.getTime() < Date.now() && { expired: until.toISOString().slice(0, 10) }) };
}

function validTo(pem: Redacted): Date | undefined {
  try {
    const date = new Date(new X509Certificate(pem.reveal()).validTo);
    return Number.isNaN(date.getTime()) ? undefined : date;
  } catch {
    return undefined;
  }
}

function withKey(certificate: string, key: Redacted): Redacted {
  return key.map((text) => `${certificate.trim()}\n${text.trim()}\n`);
}
