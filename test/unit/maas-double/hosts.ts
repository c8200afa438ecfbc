import { afterEach, beforeEach, expect } from '@jest/globals';
import { MaasApi } from '@maas-ha/maas';
import { Redacted } from 'juju-ts-ops';
import { postgresqlServer, type PostgresqlServer } from '../postgresql.ts';
import { DoubleHost } from './host.ts';

/** A PostgreSQL whose database is empty before each test, and hosts that are gone after it. */
export interface DoubleHosts {
  readonly server: PostgresqlServer;
  make: typeof DoubleHost.make;
  /** The host `region-<number>` at 127.0.7.<number>, which knows the database. */
  configured: (number: number, version?: string) => Promise<DoubleHost>;
  /** Such a host, with the database migrated from it. */
  migrated: (number?: number, version?: string) => Promise<DoubleHost>;
  /** The host `region-1`, with the database migrated from it, once MAAS lists it. */
  serving: (version?: string) => Promise<DoubleHost>;
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

  const make: typeof DoubleHost.make = async (...args) => {
    const host = await DoubleHost.make(...args);
    hosts.push(host);
    return host;
  };
  const configured = async (number: number, version = '3.4'): Promise<DoubleHost> => {
    const host = await make(version, `region-${number}`, `127.0.7.${number}`);
    await host.configure(server.connection);
    return host;
  };
  const migrated = async (number = 1, version = '3.4'): Promise<DoubleHost> => {
    const host = await configured(number, version);
    expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    return host;
  };
  const serving = async (version?: string): Promise<DoubleHost> => {
    const host = await migrated(1, version);
    await host.serve('region-1');
    return host;
  };
  return { server, make, configured, migrated, serving };
}

/** MAAS as an administrator asks it, whom this makes. */
export async function apiOf(host: DoubleHost): Promise<MaasApi> {
  await host.region(['createadmin', '--username', 'admin', '--email', 'a@example.com'], {
    input: 'p\np\n\n',
  });
  return new MaasApi({ host: host.address, port: 5240 }, await keyOf(host));
}

export async function keyOf(host: DoubleHost): Promise<Redacted> {
  return new Redacted((await host.region(['apikey', '--username', 'admin'])).stdout);
}
