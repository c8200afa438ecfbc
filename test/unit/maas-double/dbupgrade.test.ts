// The stand-in’s migration does what that of the real MAAS was seen to do: it exists to fail where MAAS would fail.
import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { Redacted } from 'juju-ts-ops';
import { until } from './host.ts';
import { doubleHosts } from './hosts.ts';

const doubles = doubleHosts();

describe('dbupgrade', () => {
  test('two at once: exactly one fails, on an empty database and on a migrated one', async () => {
    const regions = [await doubles.configured(1), await doubles.configured(2)];
    for (const state of ['empty', 'migrated']) {
      // The one that comes first waits, in what it does next, until the other one has come as well.
      const next = state === 'empty' ? 'pg_class IN SHARE MODE' : 'double_migration';
      const unlock = await doubles.server.lock(next);
      const runs = regions.map((host) => host.region(['dbupgrade']));
      await Promise.race(runs);
      await unlock();
      const ends = await Promise.all(runs);
      expect(new Set(ends.map(({ exitCode }) => exitCode))).toEqual(new Set([0, 1]));
      expect(ends.find(({ exitCode }) => exitCode === 1)?.stderr).toContain('tuple concurrently updated');
      expect(ends.find(({ exitCode }) => exitCode === 0)?.stdout).toContain(
        state === 'empty' ? '0001_initial' : 'No migrations to apply.',
      );
    }
  });

  test('a second run applies nothing; an older MAAS refuses', async () => {
    const host = await doubles.migrated();
    expect((await host.region(['dbupgrade'])).stdout).toContain('No migrations to apply.');
    const old = await doubles.configured(2, '3.2');
    expect(await old.region(['dbupgrade'])).toMatchObject({ exitCode: 1 });
  });

  test('to another version deadlocks with a region that serves, and not with one that has stopped', async () => {
    const old = await doubles.migrated();
    const regiond = old.startRegion();
    const serving = (): Promise<string> =>
      doubles.server.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'");
    await until(serving, (count) => count === '1');
    const newer = await doubles.configured(2, '3.7');
    expect(await newer.region(['dbupgrade'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('deadlock detected'),
    });
    regiond.kill('SIGKILL');
    await once(regiond, 'exit');
    await until(serving, (count) => count === '0');
    expect(await newer.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
  });

  test('with nothing to migrate disturbs nobody', async () => {
    const host = await doubles.serving();
    expect(await host.region(['dbupgrade'])).toMatchObject({ exitCode: 0 });
    expect(await host.regions()).toEqual(['region-1']);
  });

  test('what needs the schema fails before it', async () => {
    const host = await doubles.configured(1);
    const admin = ['createadmin', '--username', 'admin', '--password', 'p', '--email', 'a@example.com'];
    for (const command of [admin, ['apikey', '--username', 'admin']])
      expect(await host.region(command)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('relation "auth_user" does not exist'),
      });
  });

  test('fails at once, with what PostgreSQL says', async () => {
    const host = await doubles.configured(1);
    await host.configure({ ...doubles.server.connection, password: new Redacted('wrong') });
    const { exitCode, stderr } = await host.region(['dbupgrade']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('password authentication failed');
    await host.configure({ ...doubles.server.connection, database: 'nosuch' });
    expect((await host.region(['dbupgrade'])).stderr).toContain('database "nosuch" does not exist');
    await host.configure({ ...doubles.server.connection, port: 1 });
    expect((await host.region(['dbupgrade'])).stderr).toContain('Connection refused');
    // A wrong file is not what it speaks of.
    await host.configure(doubles.server.connection, { database_pass: 12345 });
    expect((await host.region(['dbupgrade'])).stderr).toContain('Please supply the ENGINE value');
    expect((await host.region(['local_config_get'])).stderr).toContain(
      'The input must be a Unicode string (not a int: 12345)',
    );
  });

  test('and regions on a database that only reads: it fails, they wait and start once it does not', async () => {
    const host = await doubles.migrated();
    const only = (reads: 'on' | 'off') =>
      doubles.server.sql(`ALTER ROLE maas SET default_transaction_read_only = ${reads}`);
    await only('on');
    try {
      expect(await host.region(['dbupgrade'])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('cannot execute DROP VIEW in a read-only transaction'),
      });
      const regiond = host.startRegion();
      await until(
        () => host.log,
        (log) => /Database error during start-up\n.*in a read-only transaction/.test(log),
      );
      expect(regiond.exitCode).toBeNull();
    } finally {
      await only('off');
    }
    await until(
      () => host.regions(),
      (regions) => regions.includes('region-1'),
    );
  });
});
