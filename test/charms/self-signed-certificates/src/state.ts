import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tlsCertificates, type Certificate } from 'juju-ts-interfaces/tls-certificates';
import { defineOptions, SecretLabel, type Juju, type Options, type Relation } from 'juju-ts-ops';
import { z } from 'zod';
import { describeRequest, makeAuthority, sign, type Authority } from './authority.ts';
import { charmcraft } from './charmcraft.ts';
import type { endpoints } from './endpoints.ts';

export const options = defineOptions(charmcraft, {
  'ca-common-name': z.string().min(1, 'a name for the CA'),
  'certificate-validity': z.int().min(1, 'at least a day'),
  'ip-sans': z.boolean(),
});

export type AuthorityJuju = Juju<typeof charmcraft, typeof options, typeof endpoints>;

export const AUTHORITY_SECRET = new SecretLabel('authority');
/** The keys of its content. */
export const AUTHORITY_KEYS = { certificate: 'ca-certificate', key: 'private-key' } as const;

/** What one application is told. */
export interface Client {
  readonly relation: number;
  readonly certificates: readonly Certificate[];
  /** Requests that are refused, because they ask for IP addresses. */
  readonly refused: readonly string[];
}

/** What Juju and the machine say. */
export interface State {
  readonly options: Options<typeof options>;
  /** Absent until openssl is here, and on units that do not lead. */
  readonly authority?: Authority;
  readonly clients: readonly Client[];
}

export async function read(juju: AuthorityJuju): Promise<State> {
  const values = await juju.options();
  if (!existsSync('/usr/bin/openssl') || !(await juju.isLeader())) return { options: values, clients: [] };
  const authority = await readAuthority(juju, values['ca-common-name']);
  const relations = await juju.relations('certificates');
  return {
    options: values,
    authority,
    clients: await Promise.all(relations.map((relation) => answer(juju, relation, authority, values))),
  };
}

async function readAuthority(juju: AuthorityJuju, name: string): Promise<Authority> {
  const secret = await juju.ownSecret(AUTHORITY_SECRET);
  const certificate = secret?.[AUTHORITY_KEYS.certificate]?.reveal();
  const key = secret?.[AUTHORITY_KEYS.key];
  if (!certificate || !key) return makeAuthority(name);
  return new X509Certificate(certificate).subject === `CN=${name}`
    ? { certificate, key }
    : makeAuthority(name);
}

/** What was signed before stays, as long as it is asked for and the CA is the same. */
async function answer(
  juju: AuthorityJuju,
  { id, appData, units }: Relation<typeof tlsCertificates.requirer>,
  authority: Authority,
  values: State['options'],
): Promise<Client> {
  const written = (await juju.databag(id, juju.context.app))['certificates'];
  const before = written === undefined ? [] : tlsCertificates.provider.app.certificates.decode(written);
  const requests = [appData, ...units.map(({ data }) => data)]
    .flatMap((data) => data.certificate_signing_requests ?? [])
    .map((item) => item.certificate_signing_request);
  const certificates: Certificate[] = [];
  const refused: string[] = [];
  for (const request of requests) {
    const known = before.find(
      (item) => item.certificate_signing_request === request && item.ca === authority.certificate,
    );
    const text = known ? '' : await describeRequest(request);
    if (known) certificates.push(known);
    else if (text === undefined) continue;
    else if (!values['ip-sans'] && text.includes('IP Address:')) refused.push(request);
    else {
      const certificate = await sign(authority, request, values['certificate-validity']);
      const chain = [certificate, authority.certificate];
      certificates.push({
        certificate,
        ca: authority.certificate,
        chain,
        certificate_signing_request: request,
      });
    }
  }
  return { relation: id, certificates, refused };
}
