import { CharmBugError, isAtLeast, UserError } from 'juju-ts-ops';

/** The newest MAAS that is packaged for an Ubuntu base (MAAS 4.0 and later have no packages). */
const NEWEST: Readonly<Record<string, string>> = {
  '22.04': 'ppa:maas/3.5',
  '24.04': 'ppa:maas/3.7',
  '26.04': 'ppa:maas/3.8',
};

/**
 * Where the MAAS packages come from: the option `source` as it stands, or for `""` the newest MAAS for the base.
 * @throws {UserError} where nothing is known for this operating system.
 */
export function maasSource(option: string, os: { readonly id: string; readonly version: string }): string {
  const source = option === '' && os.id === 'ubuntu' ? NEWEST[os.version] : option;
  if (source === undefined || source === '') {
    throw new UserError(
      `no MAAS for ${os.id} ${os.version}: use Ubuntu 22.04, 24.04 or 26.04, or a deb line and its key in source=`,
    );
  }
  return source;
}

/** The MAAS version of a Debian package version: `1:3.4.10-14366-g.518bf2c-0ubuntu1` → `3.4`. */
export function majorMinor(packageVersion: string): string {
  const match = /^(?:\d+:)?(\d+\.\d+)/.exec(packageVersion);
  if (!match?.[1]) throw new CharmBugError(`not a version of MAAS: ${packageVersion}`);
  return match[1];
}

/** A Debian package version without its epoch: `1:3.7.3-…` → `3.7.3-…`. */
export function withoutEpoch(packageVersion: string): string {
  return packageVersion.replace(/^\d+:/, '');
}

/** The oldest MAAS that the charms know. Juju deploys no Ubuntu any more that has older packages. */
const OLDEST = '3.2';

/** Why this MAAS is none for the charms, in words for a status; nothing if it is. */
export function tooOld(version: string): string | undefined {
  return isAtLeast(version, OLDEST)
    ? undefined
    : `MAAS ${version} is older than ${OLDEST}, and is not known here: set source= to a newer one`;
}
