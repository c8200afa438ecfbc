import {
  commaList,
  conninfo,
  defineInterface,
  integer,
  raw,
  Redacted,
  spaceList,
  type Codec,
  type Relation,
} from 'juju-ts-ops';
import { othersOf, type DatabaseConnection, type DatabaseState } from '../database.ts';

/** A libpq connection string whose password stays hidden. */
const connection: Codec<DatabaseConnection> = {
  decode: (text) => {
    const { host, port = '5432', dbname, user, password } = conninfo.decode(text);
    if (host === undefined || dbname === undefined || user === undefined || password === undefined) {
      throw new Error('host, dbname, user or password is missing');
    }
    return { host, port: integer.decode(port), database: dbname, user, password: new Redacted(password) };
  },
  encode: ({ host, port, database, user, password }) =>
    conninfo.encode({ dbname: database, host, password: password.reveal(), port: String(port), user }),
};

/**
 * Several connection strings, which a comma or a newline separates, depending on the server's charm. One that cannot be
 * read is left out: there is no harm in not knowing a standby.
 */
const connections: Codec<readonly DatabaseConnection[]> = {
  decode: (text) =>
    text.split(/[\n,](?=\s*[a-z_]+\s*=)/).flatMap((one) => {
      try {
        return [connection.decode(one.trim())];
      } catch {
        return [];
      }
    }),
  encode: (list) => list.map((one) => connection.encode(one)).join(','),
};

/** What the client asks for. Old servers look at each unit's databag, newer ones at the application's. */
const request = { database: raw, extensions: commaList, roles: commaList };

/** The contract of `postgresql:db`: charmed PostgreSQL 14 and the older reactive charm. See README.md. */
export const pgsql = defineInterface({
  name: 'pgsql',
  requirer: { app: request, unit: request },
  provider: {
    app: {},
    unit: {
      ...request,
      master: connection,
      standbys: connections,
      state: raw,
      version: raw,
      'allowed-units': spaceList,
      'allowed-subnets': commaList,
    },
  },
});

/**
 * The primary that a relation offers: the first server unit, by number, that provides the requested database and
 * allows this unit's subnets. It ignores `allowed-units`, where PostgreSQL 14 leaves stale names.
 */
export function pgsqlConnection(
  relation: Relation<typeof pgsql.provider>,
  database: string,
  egressSubnets: readonly string[],
): DatabaseState {
  for (const { data } of relation.units) {
    if (!data.master || (data.database ?? data.master.database) !== database) continue;
    const allowed = data['allowed-subnets'] ?? [];
    if (!egressSubnets.every((subnet) => allowed.includes(subnet))) continue;
    const { master } = data;
    // Each unit names those that it knows, and what one says may be out of date.
    const named = relation.units.flatMap(({ data: bag }) => [
      ...(bag.master ? [bag.master] : []),
      ...(bag.standbys ?? []),
    ]);
    return { kind: 'ready', connection: master, standbys: othersOf(named, master) };
  }
  return { kind: 'waiting', reason: `${relation.app} to give the database ${database}` };
}
