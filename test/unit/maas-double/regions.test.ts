// The stand-in’s regiond does what that of the real MAAS 3.4 was seen to do: it exists to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { until } from './host.ts';
import { apiOf, doubleHosts } from './hosts.ts';

const doubles = doubleHosts();

describe('regions', () => {
  test('while the database is slow requests wait, and a region takes no more than fifty connections', async () => {
    const host = await doubles.serving('3.7');
    const unlock = await doubles.server.lock('maasserver_regionprocess');
    const answers = Promise.all(Array.from({ length: 90 }, () => host.get('/MAAS/rpc/')));
    const connections = (): Promise<string> =>
      doubles.server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'maas-regiond'");
    const most = await until(connections, (count) => Number(count) >= 40);
    await unlock();
    expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([200]));
    expect(Math.max(Number(most), Number(await connections()))).toBeLessThanOrEqual(50);
  });

  test('a busy web server keeps clients waiting, as nginx does, and loses none', async () => {
    const host = await doubles.make('3.7', 'region-1', '127.0.7.1');
    await host.write('var/lib/maas/http/regiond.nginx.conf', '{}');
    const web = host.startWeb();
    await until(
      () => host.get('/MAAS/'),
      ({ status }) => status === 301,
    );
    web.kill('SIGSTOP');
    const clients = Array.from({ length: 50 }, () => createConnection(5240, host.address));
    await until(
      () => clients.filter(({ connecting }) => connecting).length,
      (waiting) => waiting === 0,
    );
    for (const client of clients) client.destroy();
    web.kill('SIGCONT');
  });

  test('one that waits for a schema is alive, and serves once it is there', async () => {
    const host = await doubles.configured(1);
    const regiond = host.startRegion();
    await until(
      () => host.log,
      (log) => log.includes('Database error during start-up'),
    );
    expect(await host.get('/MAAS/r/')).toMatchObject({ status: 0 });
    await host.region(['dbupgrade']);
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-1'),
    );
    expect(regiond.exitCode).toBeNull();
    regiond.kill('SIGKILL');
    await until(
      () => host.get('/MAAS/rpc/'),
      ({ status }) => status === 502,
    );
    expect(await host.get('/MAAS/r/')).toMatchObject({ status: 200 });
  });

  test('answer at the addresses of MAAS, and at no others', async () => {
    const host = await doubles.serving();
    const statuses: Record<string, number> = {};
    for (const path of ['/', '/MAAS', '/MAAS/', '/MAAS/rpc', '/MAAS//rpc/', '/rpc/', '/MAAS/metrics'])
      statuses[path] = (await host.get(path)).status;
    expect(statuses).toEqual({
      '/': 301,
      '/MAAS': 301,
      '/MAAS/': 301,
      '/MAAS/rpc': 301,
      '/MAAS//rpc/': 200,
      '/rpc/': 404,
      '/MAAS/metrics': 404,
    });
    expect(await host.get('/MAAS/api/2.0/version')).toEqual({
      status: 404,
      text: 'Unknown API endpoint: /MAAS/api/2.0/version.',
    });
    expect(JSON.parse((await host.get('/MAAS/accounts/login/')).text)).toMatchObject({ no_users: true });
    await doubles.server.sql("INSERT INTO maasserver_config VALUES ('prometheus_enabled', 'true')");
    expect(await host.get('/MAAS/metrics')).toMatchObject({ status: 200 });
  });

  test('wait for the database, for ever and alive', async () => {
    const host = await doubles.configured(1);
    await host.configure({ ...doubles.server.connection, port: 1 });
    const regiond = host.startRegion();
    await until(
      () => host.log.match(/Connection to database cannot be established/g)?.length ?? 0,
      (times) => times > 1,
    );
    expect(regiond.exitCode).toBeNull();
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 0 });
  });

  test('one that was deleted and starts again gets another identity', async () => {
    const one = await doubles.serving();
    const two = await doubles.configured(2);
    const regiond = await two.serve('region-2');
    expect(await one.regions()).toHaveLength(2);
    const before = await two.read('var/lib/maas/maas_id');
    expect(before).toMatch(/^[a-z0-9]{6}$/);
    regiond.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
    await doubles.server.sql(`DELETE FROM maasserver_node WHERE system_id = '${before}'`);
    two.startRegion();
    await until(
      () => one.regions(),
      (regions) => regions.length === 2,
    );
    expect(await two.read('var/lib/maas/maas_id')).not.toBe(before);
  });

  test('have one secret: of 3.3 and later the database wins over a file', async () => {
    const one = await doubles.serving();
    const two = await doubles.configured(2);
    await two.write('var/lib/maas/secret', 'f'.repeat(32));
    await two.serve('region-2');
    const secret = await one.read('var/lib/maas/secret');
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    expect(await two.read('var/lib/maas/secret')).toBe(secret);
    expect(await one.regions()).toEqual(['region-1', 'region-2']);
  });

  test('have one secret: until 3.2 the first takes its file, and another one with another file never starts', async () => {
    const one = await doubles.migrated(1, '3.2');
    await one.write('var/lib/maas/secret', 'a'.repeat(32));
    await one.serve('region-1');
    expect(await one.read('var/lib/maas/secret')).toBe('a'.repeat(32));
    const two = await doubles.configured(2, '3.2');
    await two.write('var/lib/maas/secret', 'b'.repeat(32));
    two.startRegion();
    await until(
      () => two.log,
      (log) => log.includes('does not match'),
    );
    expect(await one.regions()).toEqual(['region-1']);
  });

  test('one that is asked to stop is gone at once; one that is killed only after a while', async () => {
    const one = await doubles.serving();
    const [polite, killed] = [await doubles.configured(2), await doubles.configured(3)];
    const daemons = [polite.startRegion(), killed.startRegion()];
    await until(
      () => one.regions(),
      (regions) => regions.length === 3,
    );
    daemons[0]?.kill('SIGTERM');
    await until(
      () => one.regions(),
      (regions) => !regions.includes('region-2'),
    );
    // It is listed a moment before its web server is there.
    await until(
      () => killed.get('/MAAS/rpc/'),
      ({ status }) => status === 200,
    );
    daemons[1]?.kill('SIGKILL');
    await until(
      () => killed.get('/MAAS/rpc/'),
      ({ status }) => status === 502,
    );
    expect(await one.regions()).toContain('region-3');
    await until(
      () => one.regions(),
      (regions) => regions.length === 1,
    );
  });

  test('one with a copied maas_id answers and never lists itself', async () => {
    const one = await doubles.serving();
    const two = await doubles.configured(2);
    await two.write('var/lib/maas/maas_id', await one.read('var/lib/maas/maas_id'));
    two.startRegion();
    await until(
      () => two.get('/MAAS/rpc/'),
      ({ status }) => status === 200,
    );
    expect(await two.regions()).not.toContain('region-2');
    await until(
      () => two.log,
      (log) => log.includes("record's may be out of date"),
    );
  });

  test('without the database answer 500, and at once again when it is back', async () => {
    const host = await doubles.serving();
    await doubles.server.stop();
    try {
      // What PostgreSQL's client says, as it stands.
      expect(await host.get('/MAAS/rpc/')).toMatchObject({
        status: 500,
        text: expect.stringMatching(/connection/),
      });
      expect(await host.get('/MAAS/api/2.0/version/')).toMatchObject({ status: 500 });
    } finally {
      await doubles.server.run();
    }
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
  });

  test('read their file when they start, and never again', async () => {
    const host = await doubles.migrated();
    const regiond = await host.serve('region-1');
    await host.region(['local_config_set', '--database-port', '1']);
    await new Promise((done) => setTimeout(done, 2000));
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
    regiond.kill('SIGKILL');
    await once(regiond, 'exit');
    host.startRegion();
    await until(
      () => host.log,
      (log) => log.includes('Connection to database cannot be established'),
    );
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 502 });
  });

  test('whose connection to the database has died in between answer one isolated 500', async () => {
    const host = await doubles.serving();
    // The region asks itself as well, until it has told of its networks.
    await until(
      () => doubles.server.sql('SELECT reported FROM maasserver_node'),
      (reported) => reported === 't',
    );
    expect(await host.get('/MAAS/rpc/')).toMatchObject({ status: 200 });
    await doubles.server.sql(
      'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    );
    const statuses: number[] = [];
    while (statuses.length < 10) statuses.push((await host.get('/MAAS/rpc/')).status);
    expect(statuses).toContain(500);
    expect(statuses.slice(-6)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  test('whose URL nobody answers serve, and MAAS does not learn of their networks until somebody does', async () => {
    const host = await doubles.migrated();
    await host.configure(doubles.server.connection, { maas_url: 'http://127.0.7.99:5240/MAAS' });
    await host.serve('region-1');
    await until(
      () => host.log,
      (log) => log.includes("Couldn't report test results: URL error ["),
    );
    const maas = await apiOf(host);
    const networks = async () => (await maas.regionControllers()).map((one) => one.interface_set.length);
    expect(await networks()).toEqual([0]);
    const other = await doubles.make('3.4', 'region-2', '127.0.7.99');
    await other.configure(doubles.server.connection);
    await other.serve('region-2');
    await until(networks, (found) => found.join() === '1,1');
  });
});
