import { afterEach, beforeEach } from '@jest/globals';
import { postgresqlServer, type PostgresqlServer } from '../postgresql.ts';
import { DoubleHost } from './host.ts';

/** A PostgreSQL whose database is empty before each test, and hosts that are gone after it. */
export interface DoubleHosts {
  readonly server: PostgresqlServer;
  make: typeof DoubleHost.make;
}

export function doubleHosts(): DoubleHosts {
  const server = postgresqlServer();
  let hosts: DoubleHost[];

  beforeEach(async () => {
    hosts = [];
    await server.empty();
  });

  afterEach(async () => {
    for (const host of hosts) await host[Symbol.asyncDispose]();
  });

  return {
    server,
    async make(...args) {
      const host = await DoubleHost.make(...args);
      hosts.push(host);
      return host;
    },
  };
}
