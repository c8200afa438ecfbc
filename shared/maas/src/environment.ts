import type { Argv } from 'juju-ts-host';

/**
 * A program of MAAS, in an environment made of what it needs and nothing else. MAAS' programs take settings from theirs
 * (`MAAS_*`, `PG*`, `DJANGO_*`), and what they start refuses some: Temporal's tool panics on `PGSYSCONFDIR`, which psql
 * sets. What psql or a shell starts needs this as much as what a charm starts itself, so it is part of the arguments.
 * @param more variables, which everybody on the machine can read
 */
export function inOwnEnvironment(argv: Argv, more: Readonly<Record<string, string>> = {}): Argv {
  const variables = {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    ...more,
  };
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return ['env', '--ignore-environment', ...words, ...argv];
}
