import { describe, expect, test } from '@jest/globals';
import { describeEvent, hookContext, relationNumber } from '../../../shared/juju-ts-ops/src/context.ts';

const UNIT = {
  JUJU_CONTEXT_ID: 'my-web/12-hook-1',
  JUJU_UNIT_NAME: 'my-web/12',
  JUJU_CHARM_DIR: '/charm',
  JUJU_VERSION: '3.6.28',
};
const hook = (path: string, more: Record<string, string> = {}) =>
  hookContext({ ...UNIT, JUJU_DISPATCH_PATH: path, ...more });

test('a hook knows its unit, its application and where it keeps things', () => {
  expect(hook('hooks/install', { JUJU_PRINCIPAL_UNIT: '', JUJU_MACHINE_ID: '0/lxd/1' })).toEqual({
    id: 'my-web/12-hook-1',
    event: { kind: 'lifecycle', name: 'install' },
    unit: 'my-web/12',
    app: 'my-web',
    model: { name: '', uuid: '' },
    charmDirectory: '/charm',
    stateDirectory: '/charm/.state',
    jujuVersion: '3.6.28',
    machineId: '0/lxd/1',
    proxy: {},
  });
  expect(hook('hooks/start', { JUJU_PRINCIPAL_UNIT: 'db/0' }).principalUnit).toBe('db/0');
  const where = { JUJU_AVAILABILITY_ZONE: 'zone-1', JUJU_CHARM_HTTPS_PROXY: 'http://proxy:3128' };
  expect(hook('hooks/start', { ...where, JUJU_CHARM_HTTP_PROXY: '' })).toMatchObject({
    availabilityZone: 'zone-1',
    proxy: { https: 'http://proxy:3128' },
  });
});

describe('events', () => {
  const relation = { JUJU_RELATION: 'my-db', JUJU_RELATION_ID: 'my-db:7', JUJU_REMOTE_APP: 'mysql' };

  test.each([
    [
      'a unit changed its databag',
      hook('hooks/my-db-relation-changed', { ...relation, JUJU_REMOTE_UNIT: 'mysql/0' }),
      { name: 'changed', remoteUnit: 'mysql/0' },
      'my-db-relation-changed (my-db:7, mysql/0)',
    ],
    [
      'an application did, so that Juju names no unit',
      hook('hooks/my-db-relation-changed', { ...relation, JUJU_REMOTE_UNIT: '' }),
      { name: 'changed' },
      'my-db-relation-changed (my-db:7, mysql)',
    ],
    [
      'this very unit goes',
      hook('hooks/my-db-relation-departed', {
        ...relation,
        JUJU_REMOTE_UNIT: 'mysql/0',
        JUJU_DEPARTING_UNIT: 'my-web/12',
      }),
      { name: 'departed', remoteUnit: 'mysql/0', departingUnit: 'my-web/12' },
      'my-db-relation-departed (my-db:7, mysql/0)',
    ],
    [
      'a unit goes, and Juju names it once only',
      hook('hooks/my-db-relation-departed', { ...relation, JUJU_REMOTE_UNIT: 'mysql/0' }),
      { name: 'departed', remoteUnit: 'mysql/0', departingUnit: 'mysql/0' },
      'my-db-relation-departed (my-db:7, mysql/0)',
    ],
  ])('a relation: %s', (_what, { event }, expected, words) => {
    expect(event).toEqual({
      kind: 'relation',
      relation: { endpoint: 'my-db', id: 7 },
      remoteApp: 'mysql',
      ...expected,
    });
    expect(describeEvent(event)).toBe(words);
  });

  test('a secret has a label and a revision only where Juju says one', () => {
    expect(
      hook('hooks/secret-changed', { JUJU_SECRET_ID: 'secret:9m4e', JUJU_SECRET_LABEL: '' }).event,
    ).toEqual({
      kind: 'secret',
      name: 'secret-changed',
      uri: 'secret:9m4e',
    });
    expect(
      hook('hooks/secret-remove', {
        JUJU_SECRET_ID: 'secret:9m4e',
        JUJU_SECRET_LABEL: 'key',
        JUJU_SECRET_REVISION: '2',
      }).event,
    ).toMatchObject({ label: 'key', revision: 2 });
  });

  test('storage and actions are told from hooks of the same name', () => {
    expect(hook('hooks/data-storage-attached', { JUJU_STORAGE_ID: 'data/0' }).event).toEqual({
      kind: 'storage',
      name: 'attached',
      storage: 'data/0',
    });
    expect(hook('actions/install', { JUJU_ACTION_UUID: '4' }).event).toEqual({
      kind: 'action',
      name: 'install',
      id: '4',
    });
  });
});

test('whoever runs it by hand is told what it is', () => {
  expect(() => hookContext({ HOME: '/root' })).toThrow('this program is run by Juju');
  expect(() => hook('hooks/meter-status-changed')).toThrow('meter-status-changed');
  expect(() => hook('hooks/db-relation-joined')).toThrow('JUJU_RELATION');
  const relation = { JUJU_RELATION: 'db', JUJU_RELATION_ID: 'db:7', JUJU_REMOTE_UNIT: '' };
  expect(() => hook('hooks/db-relation-joined', relation)).toThrow('JUJU_REMOTE_UNIT');
  expect(() => hook('hooks/secret-expired', { JUJU_SECRET_ID: 'secret:9m4e' })).toThrow(
    'JUJU_SECRET_REVISION',
  );
});

test('of a relation id only the number counts', () => {
  expect([relationNumber('db:7'), relationNumber('7')]).toEqual([7, 7]);
  expect(() => relationNumber('db')).toThrow('not a relation id');
});
