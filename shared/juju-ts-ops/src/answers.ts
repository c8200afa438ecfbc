// What Juju's hook tools answer: as they print it, and as charms get it.
import { z } from 'zod';
import type { Redacted } from './redacted.ts';

export const Strings = z
  .array(z.string())
  .nullable()
  .transform((list) => list ?? []);
export const Texts = z
  .record(z.string(), z.string())
  .nullable()
  .transform((map) => map ?? {});
export const Config = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullable();
export const Network = z.object({
  'bind-addresses': z
    .array(
      z.object({
        'interface-name': z.string().optional(),
        'mac-address': z.string().optional(),
        addresses: z
          .array(
            z.object({ value: z.string(), cidr: z.string().optional(), hostname: z.string().optional() }),
          )
          .nullish(),
      }),
    )
    .nullish(),
  'egress-subnets': z.array(z.string()).nullish(),
  'ingress-addresses': z.array(z.string()).nullish(),
});
export const StatusAnswer = z.object({ status: z.string(), message: z.string().default('') });
export const SecretInfo = z.record(
  z.string(),
  z.object({
    revision: z.int(),
    label: z.string().optional(),
    description: z.string().optional(),
    rotation: z.string().optional(),
    expiry: z.string().optional(),
    rotates: z.string().optional(),
    access: z.array(z.object({ target: z.string() })).nullish(),
  }),
);
const GoalEntries = z.record(z.string(), z.object({ status: z.string(), since: z.string().default('') }));
export const GoalAnswer = z.object({
  units: GoalEntries.nullish(),
  relations: z.record(z.string(), GoalEntries).nullish(),
});
export const AppStatusAnswer = z.object({
  'application-status': StatusAnswer.extend({ units: z.record(z.string(), StatusAnswer).nullish() }),
});
export const CloudAnswer = z.object({
  type: z.string(),
  name: z.string(),
  region: z.string().optional(),
  endpoint: z.string().optional(),
  'identity-endpoint': z.string().optional(),
  'storage-endpoint': z.string().optional(),
  cacertificates: z.array(z.string()).nullish(),
  'skip-tls-verify': z.boolean().default(false),
  'is-controller-cloud': z.boolean().default(false),
  credential: z
    .object({
      'auth-type': z.string().optional(),
      attrs: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});

/** What Juju says about a network. Addresses are in Juju's order, best first, IPv4 and IPv6 alike. */
export interface NetworkInfo {
  readonly bindAddresses: readonly string[];
  readonly ingressAddresses: readonly string[];
  /** Where this unit's connections come from, `10.0.0.4/32`. */
  readonly egressSubnets: readonly string[];
  /** The bind addresses again, by interface. */
  readonly interfaces: readonly NetworkInterface[];
}

/** A network interface with its addresses. */
export interface NetworkInterface {
  readonly name: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly cidr?: string;
    readonly hostname?: string;
  }[];
}

/** What the owner may know about a secret, without its content. */
export interface SecretMetadata {
  /** With its scheme, as it goes into a databag: `secret:9m4e2mr0ui3e8a215n4g`. */
  readonly uri: string;
  readonly revision: number;
  readonly label?: string;
  readonly description?: string;
  readonly rotation?: string;
  /** When `secret-expired` runs, in RFC 3339. */
  readonly expiry?: string;
  /** When `secret-rotate` runs next, in RFC 3339. */
  readonly rotates?: string;
  /** The applications (`mysql`) and units (`mysql/0`) that may read it. */
  readonly grantedTo: readonly string[];
}

/** The units and relations that the model is going to have, whether they exist already or not. */
export interface GoalState {
  readonly units: Readonly<Record<string, { readonly status: string; readonly since: string }>>;
  /** By endpoint: the applications and units at the other end. Peers are not listed. */
  readonly relations: Readonly<
    Record<string, Readonly<Record<string, { readonly status: string; readonly since: string }>>>
  >;
}

/** The cloud that the model is on, with its credential. */
export interface CloudSpec {
  readonly type: string;
  readonly name: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly identityEndpoint?: string;
  readonly storageEndpoint?: string;
  /** The certificates, in PEM, of the authorities that signed those of the endpoints. */
  readonly caCertificates: readonly string[];
  readonly skipsTlsVerify: boolean;
  /** Whether the controller is on it too. */
  readonly isControllerCloud: boolean;
  readonly authType?: string;
  readonly attributes: Readonly<Record<string, Redacted>>;
}

/** A status as Juju shows it. */
export interface ShownStatus {
  readonly level: string;
  readonly message: string;
}
