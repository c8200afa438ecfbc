import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, tryRun, type Resource } from '@maas-ha/host';
import {
  belongTogether,
  requestCertificate,
  TLS_SECRET,
  type TlsRequest,
} from '@maas-ha/interfaces/tls-certificates';
import type { Installation } from '@maas-ha/maas';
import {
  blocked,
  isAtLeast,
  UserError,
  waiting,
  type Redacted,
  type SecretPlan,
  type Status,
} from 'juju-ts-ops';
import { z } from 'zod';
import type { TlsServed } from './endpoints.ts';
import type { RegionJuju, State } from './state.ts';

/** Where MAAS serves HTTPS; its plain port sends browsers there. */
export const MAAS_TLS_PORT = 5443;
/** Where balancers pass it through: the port that HTTPS implies. */
const HTTPS_PORT = 443;
const COMMAND_TIMEOUT = 60_000;

const MODES = ['disabled', 'termination', 'passthrough'] as const;

/** The options that HTTPS follows from. */
export const tlsOptions = {
  'tls-mode': z.enum(MODES, `one of ${MODES.join(', ')}`),
  certificate: z.string().optional(),
};

/** What MAAS serves HTTPS with. */
export interface Certificate {
  /** PEM: the certificate alone. */
  readonly leaf: string;
  /** PEM: those that lead from it to whom clients trust; empty where they trust it itself. */
  readonly chain: string;
  readonly key: Redacted;
}

/** Where HTTPS of MAAS itself stands. */
export interface Tls {
  /** Absent: none has been given or signed yet. */
  readonly certificate?: Certificate;
  /** What is wrong with the one that was given, in words for a status. */
  readonly problem?: string;
  /** What the leader asks the CA of the relation for. */
  readonly request?: TlsRequest;
  /** Whether the CA is gone with this hook, and the key with it. */
  readonly isForgotten: boolean;
}

/** @param names what clients call MAAS */
export async function readTls(juju: RegionJuju, names: readonly string[]): Promise<Tls> {
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
  if (!relation || !isLeader || names.length === 0) return { isForgotten };
  const secret = await juju.ownSecret(TLS_SECRET);
  const request = requestCertificate(relation, { owner: 'application', names, secret, now: Date.now() });
  const { answer } = request;
  return {
    isForgotten,
    request,
    ...(answer.kind === 'issued' && { certificate: { ...split(answer.certificate), key: answer.key } }),
  };
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

/** What MAAS serves once this plan is done, as far as the charm has had it do so. */
export function servedTls(state: State, relation: number | undefined): TlsServed | undefined {
  const { options, isLeader, isServing, cluster, tls } = state;
  const before = cluster?.tls?.relation === relation ? cluster?.tls : undefined;
  if (relation === undefined) return cluster?.tls;
  if (!isLeader || !isServing) return before;
  if (options['tls-mode'] !== 'passthrough') return undefined;
  if (!tls.certificate || isTooOld(state)) return before;
  return { relation, fingerprint: fingerprintOf(tls.certificate) };
}

/** What tells whether MAAS has this very certificate; the key follows from it. */
function fingerprintOf({ leaf, chain }: Certificate): string {
  return createHash('sha256').update(leaf).update(chain).digest('hex');
}

/** The leader has MAAS serve HTTPS with a new certificate, or no more. What is set in MAAS by hand stays. */
export function tlsSteps(state: State, relation: number): readonly Resource[] {
  const before = state.cluster?.tls?.relation === relation ? state.cluster.tls : undefined;
  const after = servedTls(state, relation);
  const { maas, hook } = state;
  const { certificate } = state.tls;
  const inputs = { hook };
  if (after && certificate && after.fingerprint !== before?.fingerprint)
    return [{ kind: 'step', id: 'enable-tls', inputs, run: () => enableTls(maas, certificate) }];
  return before && !after
    ? [{ kind: 'step', id: 'disable-tls', inputs, run: () => configTls(maas, ['disable']) }]
    : [];
}

/** The ports beside the web server's own that clients use, for balancers and the firewall. */
export function tlsPorts(served: TlsServed | undefined): readonly (number | readonly [number, number])[] {
  return served ? [MAAS_TLS_PORT, [HTTPS_PORT, MAAS_TLS_PORT]] : [];
}

export function tlsSecrets({ tls, isLeader }: State): readonly SecretPlan[] {
  if (!isLeader) return [];
  if (tls.request) return [tls.request.secret];
  return tls.isForgotten ? [{ secret: TLS_SECRET, owner: 'application', content: 'absent', grants: [] }] : [];
}

/** What keeps HTTPS from being as the user wants it; nothing where it is. */
export function tlsStatus(state: State): Status | undefined {
  const { options, tls, app, isLeader, balancer, cluster, version } = state;
  switch (options['tls-mode']) {
    case 'disabled':
      return undefined;
    case 'termination':
      if (!balancer)
        return blocked(
          `tls-mode=termination needs a balancer: juju integrate ${app}:api haproxy:reverseproxy`,
        );
      return balancer.frontend?.scheme === 'https'
        ? undefined
        : blocked(
            `tls-mode=termination, and ${balancer.app} serves no HTTPS: juju integrate ${balancer.app}:certificates <CA>`,
          );
    case 'passthrough':
      break;
  }
  if (isTooOld(state))
    return blocked(`tls-mode=passthrough needs MAAS 3.3 or later, and this is ${version}: use termination`);
  if (tls.problem !== undefined) return blocked(tls.problem);
  if (!isLeader || tls.certificate) return undefined;
  const answer = tls.request?.answer;
  if (answer?.kind === 'refused') return blocked(answer.reason);
  if (answer?.kind === 'waiting') return cluster?.tls ? undefined : waiting(answer.reason);
  return blocked(
    `tls-mode=passthrough needs a certificate: juju integrate ${app}:certificates <CA>, or juju config ${app} certificate=<secret>`,
  );
}

/** Until 3.2 it is not the same everywhere, and in 3.2 only begins. */
function isTooOld({ version }: State): boolean {
  return version !== undefined && !isAtLeast(version, '3.3');
}

/**
 * Has every region serve HTTPS. MAAS keeps key and certificates in its database and tells the others itself; on the
 * plain port it goes on answering what racks and machines ask, and sends all others to HTTPS.
 * @throws {UserError} with MAAS' words
 */
async function enableTls(maas: Installation, { leaf, chain, key }: Certificate): Promise<void> {
  // Has the key for as long as MAAS takes to read it.
  const folder = join(maas.scratch, 'tls');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const file = async (name: string, content: string): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, content, { mode: 0o600 });
      return path;
    };
    const [keyFile, certFile] = [await file('key.pem', key.reveal()), await file('cert.pem', leaf)];
    const caFile = chain === '' ? [] : ['--cacert', await file('chain.pem', chain)];
    await configTls(maas, ['enable', keyFile, certFile, ...caFile, '--port', String(MAAS_TLS_PORT), '--yes']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function configTls(maas: Installation, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await tryRun(maas.region('config_tls', ...args), {
    timeout: COMMAND_TIMEOUT,
  });
  if (exitCode !== 0) throw new UserError(`MAAS does not take the certificate: ${lastLines(stderr, 1)}`);
}
