import type { TlsRequest } from 'juju-ts-interfaces/tls-certificates';
import type { Redacted } from 'juju-ts-ops';
import { z } from 'zod';

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
