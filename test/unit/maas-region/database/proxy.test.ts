// Whom MAAS writes to, by what the servers say: the decision alone, and what of it the user sees.
import { describe, expect, test } from '@jest/globals';
import { Redacted } from 'juju-ts-ops';
import { z } from 'zod';
import {
  choose,
  type Answer,
  type Asked,
  type Followed,
} from '../../../../charms/maas-region/src/database/proxy/choose.ts';
import { readDatabasePath } from '../../../../charms/maas-region/src/database/proxy/read.ts';
import type { DatabaseProxy } from '../../../../charms/maas-region/src/database/proxy/state.ts';
import { plan } from '../../../../charms/maas-region/src/plan.ts';
import { fileOf, inTurnOf, machineOf, PASSWORD, REGIOND_CONF, serving, type Changes } from '../states.ts';

const [A, B, C] = [
  { host: '10.0.0.1', port: 5432 },
  { host: '10.0.0.2', port: 5432 },
  { host: '10.0.0.3', port: 5432 },
] as const;
const SYSTEM = '7713581837378088977';
const standby: Answer = { kind: 'standby', system: SYSTEM };
const silent: Answer = { kind: 'silent', reason: 'connect ECONNREFUSED' };
const primary = (timeline: number, more: Partial<Extract<Answer, { kind: 'primary' }>> = {}): Answer => ({
  kind: 'primary',
  timeline,
  system: SYSTEM,
  started: `${timeline}`,
  ...more,
});
const followed = ({ host, port }: { host: string; port: number }, timeline: number): Followed => ({
  host,
  port,
  timeline,
  system: SYSTEM,
  started: `${timeline}`,
});
/** Three servers that answer so, of which the relation names the first as the primary. */
const servers = (...answers: readonly Answer[]): readonly Asked[] =>
  [A, B, C].flatMap((server, index) => {
    const answer = answers[index];
    return answer ? [{ ...server, answer }] : [];
  });
const following = (server: { host: string; port: number }, timeline: number) => ({
  current: followed(server, timeline),
  last: followed(server, timeline),
});

describe('whom to follow', () => {
  test('at first whoever is not in recovery, whatever the relation says', () => {
    expect(choose(servers(standby, primary(3), standby), A, {})).toMatchObject({ current: B });
  });

  test('nobody, as long as nobody was the primary', () => {
    const choice = choose(servers(standby, silent), A, {});
    expect(choice.current).toBeUndefined();
    expect(choice.problem).toBe('no PostgreSQL is the primary (10.0.0.2: connect ECONNREFUSED)');
  });

  test('a standby that was promoted', () => {
    expect(choose(servers(silent, primary(2), standby), A, following(A, 1))).toEqual({
      current: followed(B, 2),
      last: followed(B, 2),
    });
  });

  test('the primary stays while it does not answer and nobody was promoted', () => {
    const choice = choose(servers(silent, standby, standby), A, following(A, 1));
    expect(choice.current).toMatchObject(A);
    expect(choice.problem).toContain('10.0.0.1 does not answer, and no other server is the primary');
  });

  test('one that says it is a standby now is left at once', () => {
    expect(choose(servers(standby, standby), A, following(A, 1)).current).toBeUndefined();
  });

  test('of two the one of the higher timeline; the other is named', () => {
    const choice = choose(servers(primary(1), primary(2)), A, following(A, 1));
    expect(choice).toMatchObject({ current: B });
    expect(choice.problem).toBe('10.0.0.1 says that it is the primary too, and is out of date: stop it');
  });

  test('nobody where two have the same timeline: what one is told is lost to the other', () => {
    const choice = choose(servers(primary(2), primary(2, { started: 'x' })), A, following(A, 2));
    expect(choice).toEqual({
      last: followed(A, 2),
      problem: '10.0.0.1 and 10.0.0.2 both say that they are the primary: stop the wrong one',
      isUndecided: true,
    });
  });

  test('two names of one server are one', () => {
    expect(choose(servers(primary(2), primary(2)), A, following(B, 2)).current).toMatchObject(B);
  });

  test('a primary of before, which comes back while the new one is away, has missed what was written since', () => {
    const choice = choose(servers(primary(1), silent), A, following(B, 2));
    expect(choice.current).toMatchObject(B);
    expect(choice.problem).toBe(
      '10.0.0.1 says it is the primary, but has not what 10.0.0.2 had written: start that one',
    );
    const afterBoot = choose(servers(primary(1), silent), A, { last: followed(B, 2) });
    expect(afterBoot.current).toBeUndefined();
    expect(afterBoot.isUndecided).toBe(true);
  });

  test('a copy on the same timeline is followed only where the relation names it', () => {
    const asked = servers(silent, primary(1, { started: 'copy' }));
    expect(choose(asked, A, following(A, 1)).current).toMatchObject(A);
    expect(choose(asked, B, following(A, 1)).current).toMatchObject(B);
  });

  test('another cluster is followed once the relation names it and nothing of the old one answers', () => {
    const other = primary(1, { system: 'other' });
    expect(choose(servers(other, standby), A, following(B, 4)).current).toMatchObject(B);
    expect(choose(servers(other, silent), A, following(B, 4)).current).toMatchObject(A);
    expect(choose(servers(silent, other), A, following(A, 4)).current).toMatchObject(A);
  });
});

const PROXY: DatabaseProxy = {
  direct: { ...A, database: 'maasdb', user: 'relation-4', password: new Redacted(PASSWORD) },
  standbys: [B],
  former: [C],
  relation: 4,
  program: '1 2',
  unitsByAddress: { [B.host]: 'postgresql/1' },
};
const REPORT = { relation: 4, since: '2026-11-29T12:03:11.000Z', switches: 1 };
const LOCAL_ADDRESS = { host: '127.54.32.1', port: 5432 };
const behind = (proxy: Partial<DatabaseProxy> = {}): Changes => ({
  database: {
    connection: { ...PROXY.direct, ...LOCAL_ADDRESS },
    standbys: [B],
    proxy: { ...PROXY, ...proxy },
  },
  region: { currentConf: { database_host: LOCAL_ADDRESS.host, database_port: LOCAL_ADDRESS.port } },
});
const statusOf = (more: Changes) => plan(serving(more)).status?.[0];

describe('a region that follows the primary', () => {
  const report = { ...REPORT, current: followed(B, 2), last: followed(B, 2) };

  test('has an address of its own machine in regiond.conf, whoever is the primary', () => {
    const conf = fileOf(serving(behind({ report })), REGIOND_CONF);
    expect(conf).toContain('database_host: "127.54.32.1"\n');
    const moved = behind({ report, direct: { ...PROXY.direct, ...B }, standbys: [A] });
    expect(fileOf(serving(moved), REGIOND_CONF)).toBe(conf);
    expect(inTurnOf(serving(moved))).toEqual(inTurnOf(serving(behind({ report }))));
  });

  test('says where it writes to, and since when', () => {
    expect(statusOf(behind({ report }))?.message).toContain('writes to postgresql/1 since 12:03');
  });

  test('says what is wrong while there is no primary, and waits; where only a person can decide, it is blocked', () => {
    expect(
      statusOf(behind({ report: { ...REPORT, problem: 'no PostgreSQL is the primary' } })),
    ).toMatchObject({
      level: 'waiting',
      message: expect.stringContaining('no PostgreSQL is the primary'),
    });
    const both = { [A.host]: 'postgresql/0', [B.host]: 'postgresql/1' };
    const problem = '10.0.0.1 and 10.0.0.2 both say that they are the primary: stop the wrong one';
    const report = { ...REPORT, problem, isUndecided: true };
    expect(statusOf(behind({ report, unitsByAddress: both }))).toMatchObject({
      level: 'blocked',
      message: 'postgresql/0 and postgresql/1 both say that they are the primary: stop the wrong one',
    });
  });

  test('keeps the password in a file for root alone', () => {
    const file = plan(serving(behind({ report }))).machine.find(
      (resource) => resource.kind === 'file' && resource.path.endsWith('config.json'),
    );
    expect(file).toMatchObject({ mode: 0o600, content: expect.any(Redacted) });
  });

  test('has the service watch the extensions that the leader is stopped by, and nothing once it goes on', () => {
    const stoppedBy = (names: readonly string[], isLeader: boolean): unknown => {
      const extensions = names.map((name) => ({ name, isOurs: false, isInPublic: true }));
      const { database, ...more } = behind({ report });
      const state = serving({
        ...more,
        isLeader,
        region: {
          version: '3.7',
          packageVersion: '1:3.7.3-1',
          preparation: { ...serving().region.preparation, version: '1:3.7.3-1' },
        },
        database: {
          ...database,
          extensions,
          isCharmed: true,
          isEmpty: true,
          hasMigrated: false,
          postgresqlVersion: 16,
        },
      });
      const text = fileOf(state, '/var/lib/maas-database-proxy/config.json') ?? '{}';
      return z.object({ stopped: z.unknown().optional() }).parse(JSON.parse(text)).stopped;
    };
    expect(stoppedBy(['btree_gin'], true)).toEqual({ unit: 'maas-region/0', extensions: ['btree_gin'] });
    expect(stoppedBy(['btree_gin'], false)).toBeUndefined();
    expect(stoppedBy(['btree_gin', 'pgcrypto'], true)).toBeUndefined();
  });

  test('comes to it region after region, and goes from it only when regiond has the other address', () => {
    const region = { currentConf: { database_host: A.host, database_port: 5432 } };
    expect(inTurnOf(serving({ ...behind(), region }))).toContain('step:restart-regiond');
    const back = serving({
      region: { currentConf: { database_host: LOCAL_ADDRESS.host, database_port: 5432 } },
      database: { isProxyLeft: true },
    });
    expect(inTurnOf(back)).toContain('step:restart-regiond');
    expect(
      plan(back).afterRolling?.map((resource) => ('id' in resource ? resource.id : resource.kind)),
    ).toContain('remove-database-proxy');
    expect(machineOf(serving()).join()).not.toContain('database-proxy');
  });
});

describe('a password', () => {
  const withPassword = (password: string, version: string) =>
    serving({
      region: { version },
      database: { connection: { ...PROXY.direct, password: new Redacted(password) } },
    });

  test.each([
    ['a"b', '3.5'],
    ['a\\b', '3.6'],
    ['a@b', '3.7'],
    ['a%b', '3.7'],
    ['a b', '3.7'],
  ])('%s is refused before MAAS %s breaks on it, and regiond.conf stays', (password, version) => {
    const state = withPassword(password, version);
    expect(fileOf(state, REGIOND_CONF)).toBeUndefined();
    const [status] = plan(state).status ?? [];
    expect(status?.level).toBe('blocked');
    expect(status?.message).toContain('have PostgreSQL make one of letters and digits');
    expect(status?.message).not.toContain(password);
  });

  test.each([
    ['a"b', '3.4'],
    ['a@b', '3.6'],
    ['dbPassw0rd-_.~', '3.7'],
  ])('%s is no problem of MAAS %s', (password, version) => {
    expect(fileOf(withPassword(password, version), REGIOND_CONF)).toBeDefined();
  });
});

test.each(['localhost', '127.0.0.1', 'fd00::21'])(
  'a PgBouncer or PostgreSQL at %s is reached directly',
  async (host) => {
    const connection = {
      host,
      port: 6432,
      database: 'maasdb',
      user: 'maas',
      password: new Redacted('dbPassw0rd'),
    };
    const path = await readDatabasePath(
      { kind: 'ready', connection, standbys: [] },
      { id: 4, units: [] },
      true,
    );
    expect(path).toMatchObject({ connection: { host, port: 6432 } });
    expect(path.proxy).toBeUndefined();
  },
);
