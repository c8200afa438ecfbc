// What Juju has of a region's databases, for tests of whole hooks.
export const PASSWORD = 'dbPassw0rd';

/** Today's PostgreSQL; its user and password are in the secret that it names. */
export const database = {
  id: 4,
  endpoint: 'database',
  app: 'postgresql',
  appData: { database: 'maasdb', endpoints: '10.0.0.5:5432', 'secret-user': 'secret:9m4e2mr0ui3e8a215n4g' },
  units: { 'postgresql/0': {} },
} as const;

/** PostgreSQL as in the HA guide. */
export const old = { id: 5, endpoint: 'db', app: 'pg14', units: { 'pg14/0': {} } } as const;
