import { SecretLabel } from 'juju-ts-ops';

/** What all units share. */
export const SHARED = new SecretLabel('cluster');

/** The login of a client. */
export function userSecret(relation: number): SecretLabel {
  return new SecretLabel(`user-${relation}`);
}

/** The certificate that a client checks. */
export function tlsSecret(relation: number): SecretLabel {
  return new SecretLabel(`tls-${relation}`);
}
