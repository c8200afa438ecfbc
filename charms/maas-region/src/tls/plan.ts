import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, tryRun, type Resource } from 'juju-ts-host';
import { TLS_SECRET } from 'juju-ts-interfaces/tls-certificates';
import type { Installation } from '@maas-ha/maas';
import { blocked, isAtLeast, UserError, waiting, type SecretPlan, type Status } from 'juju-ts-ops';
import { databag, type RegionDatabag, type TlsServed } from '../endpoints.ts';
import type { Region } from '../region/state.ts';
import type { State } from '../state.ts';
import type { Certificate, Tls } from './state.ts';

/** Where MAAS serves HTTPS; its plain port sends browsers there. */
export const MAAS_TLS_PORT = 5443;
/** Where balancers pass it through: the port that HTTPS implies. */
const HTTPS_PORT = 443;
const COMMAND_TIMEOUT = 60_000;

/** What MAAS serves once this plan is done, as far as the charm has had it do so. */
export function servedTls(state: State, relation: number | undefined): TlsServed | undefined {
  const { options, isLeader, region, cluster, tls } = state;
  const before = cluster.tls?.relation === relation ? cluster.tls : undefined;
  if (relation === undefined) return cluster.tls;
  if (!isLeader || !region.isServing) return before;
  if (options['tls-mode'] !== 'passthrough') return undefined;
  if (!tls.certificate || isTooOld(region)) return before;
  return { relation, fingerprint: fingerprintOf(tls.certificate) };
}

/** What tells whether MAAS has this very certificate; the key follows from it. */
function fingerprintOf({ leaf, chain }: Certificate): string {
  return createHash('sha256').update(leaf).update(chain).digest('hex');
}

/** The leader has MAAS serve HTTPS with a new certificate, or no more. What is set in MAAS by hand stays. */
export function tlsSteps(state: State, relation: number): readonly Resource[] {
  const before = state.cluster.tls?.relation === relation ? state.cluster.tls : undefined;
  const after = servedTls(state, relation);
  const { hook, region } = state;
  const { maas } = region;
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

/** What the CA is asked for. */
export function certificateRequests({ request }: Tls): readonly RegionDatabag[] {
  return request ? [databag('certificates', request.relation, { app: request.bag })] : [];
}

/** What keeps HTTPS from being as the user wants it; nothing where it is. */
export function tlsStatus(state: State): Status | undefined {
  const { options, tls, app, isLeader, network, cluster, region } = state;
  const { balancer } = network;
  switch (options['tls-mode']) {
    case 'disabled':
      return undefined;
    case 'termination':
      if (!balancer)
        return blocked(
          `tls-mode=termination needs a balancer: juju integrate ${app}:api haproxy:reverseproxy`,
        );
      if (!balancer.frontend) return waiting(`${balancer.app} to say where it listens`);
      return balancer.frontend.scheme === 'https'
        ? undefined
        : blocked(
            `tls-mode=termination, and ${balancer.app} serves no HTTPS: juju integrate ${balancer.app}:certificates <CA>`,
          );
    case 'passthrough':
      break;
  }
  if (isTooOld(region))
    return blocked(
      `tls-mode=passthrough needs MAAS 3.3 or later, and this is ${region.version}: use termination`,
    );
  if (tls.problem !== undefined) return blocked(tls.problem);
  if (!isLeader || tls.certificate) return undefined;
  const answer = tls.request?.answer;
  if (answer?.kind === 'refused') return blocked(answer.reason);
  if (answer?.kind === 'waiting') return cluster.tls ? undefined : waiting(answer.reason);
  return blocked(`tls-mode=passthrough needs a certificate: relate ${app}:certificates, or set certificate=`);
}

/** Until 3.2 it is not the same everywhere, and in 3.2 only begins. */
function isTooOld({ version }: Region): boolean {
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
