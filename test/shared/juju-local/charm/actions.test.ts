import { expect, test } from '@jest/globals';
import { actionParams } from '../../../../shared/juju-local/src/charm/actions.ts';
import { charmInfo } from '../world.ts';

const CHARM = charmInfo('db', {
  actions: {
    backup: {
      description: '',
      params: {
        file: { type: 'string' },
        level: { type: 'integer', default: 3 },
        kind: { type: 'string', enum: ['full', 'part'] },
        deep: { type: 'object' },
      },
      required: ['file'],
      additionalProperties: false,
    },
    open: { description: '', params: {}, required: [], additionalProperties: true },
  },
});

test('parameters have their types and defaults', () => {
  expect(actionParams(CHARM, 'backup', { file: '10', 'deep.a.b': 'x', 'deep.c': 'y' })).toEqual({
    file: '10',
    level: 3,
    deep: { a: { b: 'x' }, c: 'y' },
  });
  expect(actionParams(CHARM, 'backup', { file: 'x', level: '5' })).toMatchObject({ level: 5 });
  expect(actionParams(CHARM, 'open', { anything: 'true' })).toEqual({ anything: true });
});

test.each([
  ['nothing', {}, 'action "nothing" not defined on charm "db"'],
  ['backup', {}, 'validation failed: (root) : "file" property is missing and required, given {}'],
  [
    'backup',
    { file: 'x', more: '1' },
    'validation failed: (root) : additional property "more" is not allowed, given {"file":"x","more":"1"}',
  ],
  [
    'backup',
    { file: 'x', level: 'high' },
    'validation failed: (root).level : must be of type integer, given "high"',
  ],
  [
    'backup',
    { file: 'x', kind: 'half' },
    'validation failed: (root).kind : must match one of the enum values ["full","part"], given "half"',
  ],
])('%s %j is refused', (name, params, message) => {
  expect(() => actionParams(CHARM, name, params)).toThrow(message);
});
