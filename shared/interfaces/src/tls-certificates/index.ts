import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { defineInterface, json, SecretLabel, Redacted, type Relation, type SecretPlan } from 'juju-ts-ops';
import { z } from 'zod';
import { signingRequest } from './csr.ts';

/** PEM; some charms write it in base64 once more. */
const pem = z
  .string()
  .transform((text) => (text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString()).trim());

/** A list whose items are read each for itself: what a CA answers to others does not keep us from our answer. */
function listOf<T>(item: z.ZodType<T>) {
  return json(
    z.array(z.unknown()).transform((list): readonly T[] =>
      list.flatMap((value) => {
        const parsed = item.safeParse(value);
        return parsed.success ? [parsed.data] : [];
      }),
    ),
  );
}

const SigningRequest = z.object({ certificate_signing_request: pem, ca: z.boolean().default(false) });

const Certificate = z.looseObject({
  certificate: pem,
  ca: pem,
  chain: z.array(pem).readonly().default([]),
  certificate_signing_request: pem,
  /** When the CA recommends a renewal. */
  recommended_expiry_notification_time: z.string().optional(),
  revoked: z.boolean().nullish(),
});
/** A certificate that a CA has signed. */
export type Certificate = z.infer<typeof Certificate>;

const RequestError = z.looseObject({
  certificate_signing_request: pem,
  error: z.looseObject({ code: z.int(), name: z.string().default(''), message: z.string().default('') }),
});

const requests = { certificate_signing_requests: listOf(SigningRequest) };

/** The contract between a CA and a charm that serves TLS, version 1. See README.md. */
export const tlsCertificates = defineInterface({
  name: 'tls-certificates',
  requirer: { app: requests, unit: requests },
  provider: {
    app: {
      certificates: listOf(Certificate),
      request_errors: listOf(RequestError),
      capabilities: json(z.looseObject({ supports_ip_sans: z.boolean().nullish() })),
    },
    unit: {},
  },
});

/** A CA's answer to a request. */
export type TlsAnswer =
  | {
      readonly kind: 'issued';
      /** PEM: the certificate, and the chain from its issuer up, without the root. */
      readonly certificate: string;
      /** PEM: the CA to trust. */
      readonly ca: string;
      /** PEM */
      readonly key: Redacted;
    }
  /** No answer yet, as text for a status. An earlier certificate stays in use. */
  | { readonly kind: 'waiting'; readonly reason: string }
  /** The CA refuses, as text for a status. */
  | { readonly kind: 'refused'; readonly reason: string };

/** A request for a certificate, for a plan, with its answer. */
export interface TlsRequest {
  readonly relation: number;
  readonly answer: TlsAnswer;
  /** Holds the key, which is in no other place. */
  readonly secret: SecretPlan;
  /** For the databag of the secret's owner. */
  readonly bag: {
    readonly certificate_signing_requests: readonly {
      readonly certificate_signing_request: string;
      readonly ca: false;
    }[];
  };
}

/** The secret of a unit or an application that asks for a certificate. */
export const TLS_SECRET = new SecretLabel('tls-certificates');
/** The keys of its content: the key, when it was made, in milliseconds since 1970, and why. */
const [KEY, SINCE, REASON] = ['private-key', 'requested-at', 'reason'] as const;
/** Why there is a key, and what the CA is to do with it. */
const REASONS = {
  first: 'to sign the certificate',
  worn: 'to renew the certificate',
  revoked: 'to replace the certificate it revoked',
} as const;
const Reason = z.enum(['first', 'worn', 'revoked']).catch('first');
type Reason = z.infer<typeof Reason>;

/** A key, when it was made, and why. */
interface Asked {
  readonly key: Redacted;
  readonly since: number;
  readonly reason: Reason;
}

/** The input for a certificate request. */
export interface TlsWish {
  /** The owner of the certificate: each unit has its own key, or all units of the application share one. */
  readonly owner: 'unit' | 'application';
  /** DNS names and IP addresses that clients use, in a stable order. */
  readonly names: readonly string[];
  /** The result of `ownSecret(TLS_SECRET)`. */
  readonly secret?: Readonly<Record<string, Redacted>> | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whether a user's certificate and key, both PEM, match; `undefined` if one of them cannot be parsed. */
export function belongTogether(certificate: Redacted, key: Redacted): boolean | undefined {
  try {
    return new X509Certificate(certificate.reveal()).checkPrivateKey(createPrivateKey(key.reveal()));
  } catch {
    return undefined;
  }
}

/** The share of its time after which a certificate is replaced, unless the CA says when. */
const WORN = 0.9;
/** A CA that signs what is worn already is not asked again in every hook. */
const TIMEOUT = 5 * 60_000;

/**
 * Requests a certificate. The first call makes a key. It makes a new key, and so a new request, when the certificate
 * is due for renewal or was revoked; the old certificate stays in use until the CA answers. For an application, only
 * the leader may call it without a secret.
 */
export function requestCertificate(
  relation: Relation<typeof tlsCertificates.provider>,
  { owner, names, secret, now }: TlsWish,
): TlsRequest {
  const { app, appData } = relation;
  const asked =
    appData.capabilities?.supports_ip_sans === false ? names.filter((name) => isIP(name) === 0) : names;
  const key = secret?.[KEY];
  const since = Number(secret?.[SINCE]?.reveal() ?? NaN);
  const reason = Reason.parse(secret?.[REASON]?.reveal());
  const request = key && signingRequest(key.reveal(), asked);
  const found = appData.certificates?.find((item) => item.certificate_signing_request === request);
  const mayAskAgain = !(now - since < TIMEOUT);
  const nameless: TlsAnswer | undefined =
    asked.length === 0
      ? { kind: 'refused', reason: `${app} signs no IP addresses, and no host name is known` }
      : undefined;
  if (!key || request === undefined || (found && mayAskAgain && (found.revoked || isWorn(found, now)))) {
    const fresh = new Redacted(makeKey());
    const why = found?.revoked ? 'revoked' : found ? 'worn' : 'first';
    return {
      ...asking(relation, owner, { key: fresh, since: now, reason: why }, asked),
      answer: nameless ?? { kind: 'waiting', reason: `${app} ${REASONS[why]}` },
    };
  }
  return {
    ...asking(relation, owner, { key, since, reason }, asked),
    answer: nameless ?? answerOf(relation, request, asked, found, { key, reason }),
  };
}

function asking(
  { id, app }: Relation<typeof tlsCertificates.provider>,
  owner: TlsWish['owner'],
  { key, since, reason }: Asked,
  names: readonly string[],
): Omit<TlsRequest, 'answer'> {
  return {
    relation: id,
    secret: {
      secret: TLS_SECRET,
      owner,
      content: {
        [KEY]: key,
        [SINCE]: new Redacted(String(since)),
        ...(reason !== 'first' && { [REASON]: new Redacted(reason) }),
      },
      grants: [],
      description: `Key of the certificate that ${app} signs`,
    },
    bag: {
      certificate_signing_requests:
        names.length === 0
          ? []
          : [{ certificate_signing_request: signingRequest(key.reveal(), names), ca: false }],
    },
  };
}

function answerOf(
  { app, appData }: Relation<typeof tlsCertificates.provider>,
  request: string,
  names: readonly string[],
  found: Certificate | undefined,
  { key, reason }: Pick<Asked, 'key' | 'reason'>,
): TlsAnswer {
  const refusal = appData.request_errors?.find((item) => item.certificate_signing_request === request)?.error;
  if (found?.revoked) return { kind: 'waiting', reason: `${app} ${REASONS.revoked}` };
  if (!found) {
    return refusal
      ? {
          kind: 'refused',
          reason: `${app} refuses ${named(names)}: ${refusal.message || refusal.name} (${refusal.code})`,
        }
      : { kind: 'waiting', reason: `${app} ${REASONS[reason]}` };
  }
  const leaf = parse(found.certificate);
  if (!leaf?.checkPrivateKey(createPrivateKey(key.reveal())))
    return { kind: 'refused', reason: `${app} gave a certificate that is not for the key it was asked for` };
  return { kind: 'issued', certificate: withChain(leaf, found), ca: found.ca, key };
}

/** Charms give the chain in every order, with and without the certificate itself and the root. */
function withChain(leaf: X509Certificate, { ca, chain }: Certificate): string {
  const pool = [...chain, ca].flatMap((text) => parse(text) ?? []);
  const path = [leaf];
  for (let last = leaf; path.length <= pool.length;) {
    const issuer = pool.find((one) => last.checkIssued(one) && !one.checkIssued(one));
    if (!issuer || path.some(({ fingerprint256 }) => fingerprint256 === issuer.fingerprint256)) break;
    path.push(issuer);
    last = issuer;
  }
  return path.map((one) => one.toString().trim()).join('\n');
}

function isWorn({ certificate, recommended_expiry_notification_time: wished }: Certificate, now: number) {
  const leaf = parse(certificate);
  if (!leaf) return false;
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const recommended = Date.parse(wished ?? '');
  return now >= Math.min(Number.isNaN(recommended) ? Infinity : recommended, from + WORN * (to - from));
}

function parse(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function makeKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/** `a.example and 2 more` */
function named([first = '', ...more]: readonly string[]): string {
  return more.length > 0 ? `${first} and ${more.length} more` : first;
}
