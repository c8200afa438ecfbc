import { adopt, wantedInstallation } from '@maas-ha/maas';
import { UserError } from 'juju-ts-ops';
import type { RegionJuju } from '../juju.ts';

/** Takes over the MAAS that a person has installed on this machine; the hooks have it use the database of the relation. */
export async function adoptRegion(juju: RegionJuju): Promise<Readonly<Record<string, string>>> {
  const [{ source }, db, database] = await Promise.all([
    juju.options(),
    juju.relations('db'),
    juju.relations('database'),
  ]);
  // A region without a database is stopped.
  if (db.length + database.length === 0)
    throw new UserError(
      `no database: put MAAS' own into PostgreSQL's charm, and juju integrate ${juju.context.app}:database postgresql:database`,
    );
  const { maas } = await wantedInstallation(source);
  await adopt('region', maas, juju.context);
  return { adopted: 'true' };
}
