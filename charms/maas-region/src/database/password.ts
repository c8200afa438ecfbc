import { isAtLeast, type Redacted } from 'juju-ts-ops';

/** What breaks where MAAS puts a password between quotes, in Temporal's configuration: from 3.5 on. */
const IN_QUOTES = /["\\\p{Cc}]/u;
/** What breaks where MAAS puts it into a URL as it is, for its migrations: from 3.7 on. */
const IN_URLS = /[@:/?#%[\]\s]/u;

/**
 * Why MAAS cannot carry a password, in words for a status; nothing if it can.
 * @param version of MAAS: `3.7`
 */
export function passwordProblem(password: Redacted, version: string): string | undefined {
  const text = password.reveal();
  const isBroken =
    (isAtLeast(version, '3.5') && IN_QUOTES.test(text)) || (isAtLeast(version, '3.7') && IN_URLS.test(text));
  return isBroken
    ? `MAAS ${version} cannot use the database password: have PostgreSQL make one of letters and digits`
    : undefined;
}
