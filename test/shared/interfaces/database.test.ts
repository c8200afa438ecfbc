// What the two relations with PostgreSQL say, as its charms write it.
import { describe, expect, test } from '@jest/globals';
import { pgsql, pgsqlConnection } from 'juju-ts-interfaces/pgsql';
import { postgresqlClient, postgresqlConnection } from 'juju-ts-interfaces/postgresql_client';
import { Redacted, type Relation } from 'juju-ts-ops';

const conninfo = (host: string): string => `dbname=maasdb host=${host} password=s3 port=5432 user=relation-7`;

describe('pgsql', () => {
  /** @param bags what units of PostgreSQL say, as text */
  function relation(...bags: readonly Record<string, string>[]): Relation<typeof pgsql.provider> {
    const { master, standbys, 'allowed-subnets': subnets } = pgsql.provider.unit;
    return {
      id: 7,
      endpoint: 'db',
      phase: 'active',
      problems: [],
      app: 'postgresql',
      appData: {},
      units: bags.map((bag, index) => ({
        name: `postgresql/${index}`,
        egressSubnets: [],
        data: {
          ...(bag['master'] !== undefined && { master: master.decode(bag['master']) }),
          ...(bag['standbys'] !== undefined && { standbys: standbys.decode(bag['standbys']) }),
          'allowed-subnets': subnets.decode('10.0.0.9/32'),
          database: 'maasdb',
        },
      })),
    };
  }
  const standbysOf = (...bags: readonly Record<string, string>[]) => {
    const found = pgsqlConnection(relation(...bags), 'maasdb', ['10.0.0.9/32']);
    return found.kind === 'ready' ? found.standbys.map(({ host, port }) => `${host}:${port}`) : found;
  };

  test.each([
    ['a comma, as PostgreSQL 14', ','],
    ['a newline, as the reactive charm', '\n'],
    ['a comma and a blank', ', '],
  ])('standbys separated by %s', (_who, separator) => {
    const standbys = [conninfo('10.0.0.22'), conninfo('10.0.0.23')].join(separator);
    expect(standbysOf({ master: conninfo('10.0.0.21'), standbys })).toEqual([
      '10.0.0.22:5432',
      '10.0.0.23:5432',
    ]);
  });

  test('a value may be in quotes, with a comma in it; a standby that cannot be read is left out', () => {
    const quoted = "dbname=maasdb host=10.0.0.22 password='a, b' port=6432 user=relation-7";
    expect(standbysOf({ master: conninfo('10.0.0.21'), standbys: `${quoted},host=` })).toEqual([
      '10.0.0.22:6432',
    ]);
  });

  test('every server that some unit names, once: after a failover one says what another does not know', () => {
    expect(
      standbysOf(
        { master: conninfo('10.0.0.21'), standbys: conninfo('10.0.0.22') },
        { master: conninfo('10.0.0.22'), standbys: conninfo('10.0.0.21') },
        { master: conninfo('10.0.0.23') },
      ),
    ).toEqual(['10.0.0.22:5432', '10.0.0.23:5432']);
  });
});

describe('postgresql_client', () => {
  const CA = '-----BEGIN CERTIFICATE-----';
  const ask = (bag: Record<string, string>, tls: Record<string, string> = {}) => {
    const { endpoints, 'read-only-endpoints': readOnly } = postgresqlClient.provider.app;
    const secrets: Record<string, Record<string, string>> = {
      'secret:user': { username: 'relation-7', password: 's3' },
      'secret:tls': tls,
    };
    const relation: Relation<typeof postgresqlClient.provider> = {
      id: 7,
      endpoint: 'db',
      phase: 'active',
      problems: [],
      app: 'postgresql',
      units: [],
      appData: {
        database: 'maasdb',
        endpoints: endpoints.decode(bag['endpoints'] ?? ''),
        'read-only-endpoints': readOnly.decode(bag['read-only-endpoints'] ?? ''),
        'secret-user': 'secret:user',
        ...(Object.keys(tls).length > 0 && { 'secret-tls': 'secret:tls' }),
      },
    };
    return postgresqlConnection(relation, (uri) =>
      Promise.resolve(
        Object.fromEntries(
          Object.entries(secrets[uri] ?? {}).map(([key, text]) => [key, new Redacted(text)]),
        ),
      ),
    );
  };

  test('the standbys are the servers to read from, without the primary, which stands there while it is alone', async () => {
    const endpoints = '10.0.0.21:5432';
    expect(await ask({ endpoints, 'read-only-endpoints': endpoints })).toMatchObject({
      connection: { host: '10.0.0.21' },
      standbys: [],
    });
    expect(await ask({ endpoints, 'read-only-endpoints': '10.0.0.22:5432,[fd00::23]:5432' })).toMatchObject({
      standbys: [
        { host: '10.0.0.22', port: 5432 },
        { host: 'fd00::23', port: 5432 },
      ],
    });
  });

  test.each([
    ['True', CA],
    ['true', CA],
    ['False', undefined],
  ])('tls=%s: the CA is %s', async (tls, authority) => {
    const found = await ask({ endpoints: '10.0.0.21:5432' }, { tls, 'tls-ca': CA });
    expect(found).toMatchObject({ kind: 'ready' });
    expect(found.kind === 'ready' ? found.authority : found).toBe(authority);
  });

  test('without a primary it is waited for', async () => {
    expect(await ask({ endpoints: '' })).toMatchObject({ kind: 'waiting' });
  });
});
