import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inProcess, stateOf } from 'juju-ts-ops/testing';
import { charm } from './src/charm.ts';

const peers = { id: 0, endpoint: 'others', app: 'hello', units: { 'hello/1': { name: 'hello/1' } } } as const;

const motd = (content: string) => [{ kind: 'file', path: '/etc/motd', content, mode: 0o644 }];

test('greets with the others', async () => {
  const unit = inProcess(charm);
  const { state } = await unit.run('config-changed', stateOf(charm, { relations: [peers] }));
  assert.deepEqual(unit.resources, motd('Hello from hello/0, hello/1\n'));
  assert.equal(state.status.message, 'says Hello');
  assert.deepEqual(state.relations[0]?.localUnitData, { name: 'hello/0' });
});

test('says goodbye to a unit that goes', async () => {
  const unit = inProcess(charm);
  const { logs } = await unit.run(
    { relation: 'departed', id: 0, unit: 'hello/1' },
    stateOf(charm, { relations: [peers] }),
  );
  assert.ok(logs.some(({ message }) => message === 'goodbye hello/1'));
  assert.deepEqual(unit.resources, motd('Hello from hello/0\n'));
});

test('says what to type when there is nothing to say', async () => {
  const { exitCode, state } = await inProcess(charm).run(
    'config-changed',
    stateOf(charm, { options: { greeting: '' } }),
  );
  assert.equal(exitCode, 0);
  assert.deepEqual(state.status, {
    level: 'blocked',
    message: 'nothing to say: juju config hello greeting=Hello',
  });
});
