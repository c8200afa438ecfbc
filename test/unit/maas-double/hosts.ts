import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { PostgresqlServer } from '../postgresql.ts';
import { DoubleHost } from './host.ts';

/** A PostgreSQL whose database is empty before each test, and hosts that are gone after it. */
export interface DoubleHosts {
  readonly server: PostgresqlServer;
  make: typeof DoubleHost.make;
}

export function doubleHosts(): DoubleHosts {
  let server: PostgresqlServer;
  let hosts: DoubleHost[];

  beforeAll(async () => {
    server = await PostgresqlServer.start();
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    hosts = [];
    await server.empty();
  });

  afterEach(async () => {
    for (const host of hosts) await host[Symbol.asyncDispose]();
  });

  return {
    get server() {
      return server;
    },
    async make(...args) {
      const host = await DoubleHost.make(...args);
      hosts.push(host);
      return host;
    },
  };
}
