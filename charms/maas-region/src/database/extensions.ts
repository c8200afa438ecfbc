import { blocked, isAtLeast, type Status } from 'juju-ts-ops';
import { majorMinor, withoutEpoch } from '@maas-ha/maas';
import type { Database } from './state.ts';

/** What is asked of the database about its extensions. */
type Known = Pick<
  Database,
  'extensions' | 'creatable' | 'isEmpty' | 'isCharmed' | 'postgresqlVersion' | 'app'
>;

/**
 * Why a MAAS cannot migrate the database because of its extensions: a status that names the option of the PostgreSQL charm;
 * nothing if it can. What the user of the database may mend itself is no reason, unless a charm decides
 * which extensions there are: it would take back what is made behind its back.
 * @param version of MAAS' packages
 */
export function extensionObstacle(version: string, known: Known): Status | undefined {
  const { extensions, creatable = [], isEmpty = false, isCharmed = false } = known;
  if (!extensions) return undefined;
  const maas = `MAAS ${majorMinor(version)}`;
  const isCleared = isEmpty && dropsFunctions(version);
  const inWay = isCleared ? extensions.filter(({ isOurs, isInPublic }) => isInPublic && !isOurs) : [];
  if (inWay.length > 0) return obstacle(maas, 'cannot begin with', inWay, known);
  // One that clears the schema and needs the extension makes it itself in between, or never gets there.
  const isDecided = isCharmed && !isCleared;
  const missing = needed(version)
    .filter((name) => extensions.every((extension) => extension.name !== name))
    .filter((name) => isDecided || !creatable.includes(name))
    .map((name) => ({ name }));
  if (missing.length === 0) return undefined;
  return isCleared
    ? blocked(
        `${maas} before ${majorMinor(version) === '3.6' ? '3.6.1' : '3.5.7'} cannot make its database here: set source= to a newer one`,
      )
    : obstacle(maas, 'needs', missing, known);
}

/** The extensions that are dropped before a MAAS begins, because its migrations would fail of them. */
export function extensionsToDrop(version: string, { extensions = [], isEmpty }: Known): readonly string[] {
  if (!isEmpty || !dropsFunctions(version)) return [];
  return extensions.filter(({ isOurs, isInPublic }) => isOurs && isInPublic).map(({ name }) => name);
}

/**
 * Whether the migrations from an empty database drop every function of the schema `public`, those of extensions too, which
 * PostgreSQL refuses. https://bugs.launchpad.net/maas/+bug/2097079
 */
function dropsFunctions(packageVersion: string): boolean {
  const version = withoutEpoch(packageVersion);
  return majorMinor(packageVersion) === '3.6' ? !isAtLeast(version, '3.6.1') : !isAtLeast(version, '3.5.7');
}

/** Temporal needs the first, and MAAS itself from 3.7 on the second. */
function needed(packageVersion: string): readonly string[] {
  const version = majorMinor(packageVersion);
  return [
    ...(isAtLeast(version, '3.5') ? ['btree_gin'] : []),
    ...(isAtLeast(version, '3.7') ? ['pgcrypto'] : []),
  ];
}

type Named = readonly { readonly name: string }[];

/** One command for all of them: the table of `juju status` has room for that, and not for why. */
function obstacle(maas: string, why: 'needs' | 'cannot begin with', extensions: Named, known: Known): Status {
  const isNeeded = why === 'needs';
  const names = extensions.map(({ name }) => name).join(' and ');
  const whole = blocked(
    `${maas} ${why} ${names} in its database${isNeeded ? '' : ', until it serves'}`,
    options(extensions, isNeeded, known),
  );
  return { ...whole, brief: extensions.length > 1 ? `${maas} needs` : `${maas} ${why} ${names}` };
}

/** `juju config postgresql plugin-btree-gin-enable=true`; the charm of PostgreSQL 14 has underscores. */
function options(extensions: Named, value: boolean, { postgresqlVersion = 16, app }: Known): string {
  const settings = extensions.map(({ name }) => {
    const option = `plugin_${name === 'pgaudit' ? 'audit' : name}_enable`;
    return `${postgresqlVersion >= 16 ? option.replaceAll('_', '-') : option}=${value}`;
  });
  return `juju config ${app ?? 'postgresql'} ${settings.join(' ')}`;
}
