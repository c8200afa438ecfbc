// Which MAAS begins on which PostgreSQL: what is in the way is said before anything is migrated, or mended by itself.
import { beforeEach, describe, expect, test } from '@jest/globals';
import { DEB } from '@maas-ha/maas';
import {
  migrateDatabase,
  serverFacts,
  type ServerFacts,
} from '../../../../charms/maas-region/src/database/database.ts';
import {
  extensionObstacle,
  extensionsToDrop,
} from '../../../../charms/maas-region/src/database/extensions.ts';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import { DoubleHost } from '../../maas-double/host.ts';
import { postgresqlServer } from '../../postgresql.ts';
import { programsOnPath } from '../../programs.ts';
import { fresh, MAAS_34, MAAS_37, machineOf, prepared, serving } from '../states.ts';

const extension = (name: string, isOurs: boolean) => ({ name, isOurs, isInPublic: name !== 'plpgsql' });
const charmed = { isCharmed: true, isEmpty: true, extensions: [], creatable: ['btree_gin', 'pgcrypto'] };
const both = [extension('btree_gin', false), extension('pgcrypto', false)];

describe('on a PostgreSQL that a charm looks after', () => {
  test.each([
    ['3.4.10', { extensions: both.slice(0, 1), postgresqlVersion: 14 }, 'plugin_btree_gin_enable=false'],
    ['3.4.10', { extensions: both.slice(0, 1) }, 'plugin-btree-gin-enable=false'],
    ['3.5.6', { extensions: both.slice(0, 1) }, 'plugin-btree-gin-enable=false'],
    ['3.6.0', { extensions: both.slice(0, 1) }, 'plugin-btree-gin-enable=false'],
    ['3.5.6', { extensions: [extension('pgaudit', false)] }, 'plugin-audit-enable=false'],
    ['3.5.10', {}, 'plugin-btree-gin-enable=true'],
    ['3.6.1', {}, 'plugin-btree-gin-enable=true'],
    ['3.7.3', {}, 'plugin-btree-gin-enable=true plugin-pgcrypto-enable=true'],
    ['3.7.3', { extensions: both.slice(0, 1) }, 'plugin-pgcrypto-enable=true'],
    ['3.7.3', { postgresqlVersion: 14 }, 'plugin_btree_gin_enable=true plugin_pgcrypto_enable=true'],
    // The upgrade from 3.4.
    ['3.7.3', { isEmpty: false }, 'plugin-btree-gin-enable=true plugin-pgcrypto-enable=true'],
    ['3.5.6', { isEmpty: false }, 'plugin-btree-gin-enable=true'],
    ['3.5.6', { creatable: [] }, 'before 3.5.7 cannot make its database here'],
  ])('MAAS %s with %j needs %s', (version, known, expected) => {
    const status = extensionObstacle(`1:${version}-1-g.a`, { ...charmed, app: 'pg', ...known });
    const isOption = expected.startsWith('plugin');
    expect(isOption ? status?.next : status?.message).toContain(
      isOption ? `juju config pg ${expected}` : expected,
    );
  });

  test.each([
    ['3.4.10', {}],
    ['3.4.10', { isEmpty: false, extensions: both }],
    ['3.5.6', {}],
    ['3.5.7', { extensions: both }],
    ['3.7.3', { extensions: both }],
  ])('MAAS %s with %j has nothing in its way', (version, known) => {
    expect(extensionObstacle(`1:${version}-1-g.a`, { ...charmed, ...known })).toBeUndefined();
  });

  test('nothing is migrated before the server was asked, as before the way to it is there', () => {
    const state = fresh({ database: { postgresqlVersion: undefined } });
    expect(machineOf(state)).not.toContain('step:migrate-database');
    expect(plan(state).status).toMatchObject([{ level: 'waiting', message: 'the database to answer' }]);
    expect(machineOf(fresh())).toContain('step:migrate-database');
  });

  test('nothing is migrated before the option is set, whether MAAS is new or to be upgraded', () => {
    const first = fresh({ database: { ...charmed, app: 'postgresql' } });
    expect(machineOf(first)).not.toContain('step:migrate-database');
    expect(plan(first).status[0]).toEqual({
      level: 'blocked',
      message: 'MAAS 3.7 needs btree_gin and pgcrypto in its database',
      next: 'juju config postgresql plugin-btree-gin-enable=true plugin-pgcrypto-enable=true',
      brief: 'MAAS 3.7 needs',
    });
    const old = serving({
      database: { ...charmed, isEmpty: false },
      region: { version: '3.4', packageVersion: MAAS_34, preparation: prepared('ppa:maas/3.7', MAAS_37) },
      cluster: { schema: { version: MAAS_34, relation: 4 }, peers: [] },
    });
    expect(machineOf(old).join()).not.toMatch(/hold-for-upgrade|migrate-database/);
    expect(plan(old).status[0]).toMatchObject({ level: 'blocked' });
  });
});

describe('on a PostgreSQL that leaves it to the user of the database', () => {
  const server = postgresqlServer();
  const programs = programsOnPath();
  beforeEach(async () => {
    await server.empty();
    await programs.program('systemd-cat', `shift; exec "$@" >>${programs.folder}/log 2>&1`);
  });

  async function migrated(version: string, packages: string): Promise<Partial<ServerFacts>> {
    await using host = await DoubleHost.make(version, 'region-0', '127.0.7.58');
    await host.configure(server.connection);
    await programs.program('maas-region', `exec ${await host.commands()}/maas-region "$@"`);
    const facts = await serverFacts(server.connection, packages);
    expect(extensionObstacle(packages, facts)).toBeUndefined();
    const dropped = extensionsToDrop(packages, facts);
    await migrateDatabase(DEB, server.connection, packages, 'maas-region/0', { dropped });
    return serverFacts(server.connection, packages);
  }

  test('an extension that is in the way goes, and comes back with the upgrade', async () => {
    await server.sql('SET ROLE maas; CREATE EXTENSION btree_gin');
    const old = await migrated('3.4', MAAS_34);
    expect(old).toMatchObject({ hasMigrated: true });
    expect(old.extensions?.map(({ name }) => name)).toEqual(['plpgsql']);
    const today = await migrated('3.7', MAAS_37);
    expect(today).toMatchObject({ hasMigrated: true });
    expect(today.extensions?.map(({ name }) => name)).toContain('btree_gin');
  });

  test("one of the server's own is named, because it cannot go", async () => {
    await server.sql('CREATE EXTENSION btree_gin');
    const facts = await serverFacts(server.connection, MAAS_34);
    expect(facts).toMatchObject({ isEmpty: true, isCharmed: false });
    expect(extensionObstacle(MAAS_34, facts)?.next).toContain('plugin_btree_gin_enable=false');
    expect(extensionsToDrop(MAAS_34, facts)).toEqual([]);
    expect(extensionObstacle(MAAS_37, facts)).toBeUndefined();
  });

  test('one that may not be made is named', async () => {
    await server.sql('ALTER DATABASE maasdb OWNER TO postgres');
    const facts = await serverFacts(server.connection, MAAS_37);
    await server.sql('ALTER DATABASE maasdb OWNER TO maas');
    expect(facts.creatable).toEqual([]);
    expect(extensionObstacle(MAAS_37, facts)?.next).toContain('plugin_btree_gin_enable=true');
  });

  test('a server that refuses says why, and so does the status of the leader', async () => {
    const { refusal } = await serverFacts({ ...server.connection, database: 'nowhere' }, MAAS_37);
    expect(refusal).toBe('database "nowhere" does not exist');
    const state = fresh({ database: { postgresqlVersion: undefined, refusal } });
    expect(plan(state).status).toMatchObject([{ message: `the database to answer: ${refusal}` }]);
    const silent = await serverFacts({ ...server.connection, port: 1 }, MAAS_37);
    expect(silent).toEqual({ refusal: 'Connection refused' });
  });

  test('a charm that looks after the server is known by its roles', async () => {
    await server.sql('CREATE ROLE operator');
    const facts = await serverFacts(server.connection, MAAS_37);
    await server.sql('DROP ROLE operator');
    expect(facts.isCharmed).toBe(true);
  });
});
