import { expect, test } from '@jest/globals';
import {
  checkOption,
  effectiveOptions,
  parseOption,
} from '../../../../shared/juju-local/src/charm/options.ts';
import { charmInfo } from '../world.ts';

const CHARM = charmInfo('web', {
  options: {
    text: { type: 'string', description: '' },
    port: { type: 'int', default: 80, description: '' },
    ratio: { type: 'float', description: '' },
    debug: { type: 'boolean', default: false, description: '' },
    key: { type: 'secret', description: '' },
  },
});

test.each([
  ['text', '5', '5'],
  ['port', '5', 5],
  ['port', '-5', -5],
  ['ratio', '1.5', 1.5],
  ['debug', 'true', true],
  ['debug', 'F', false],
  ['debug', '1', true],
  ['key', 'secret:abc', 'secret:abc'],
  ['key', '', ''],
])('%s=%s is %j', (name, text, value) => {
  expect(parseOption(CHARM, name, text)).toBe(value);
});

test.each([
  ['port', 'abc', 'option "port" expected int, got "abc"'],
  ['port', '1.5', 'option "port" expected int, got "1.5"'],
  ['port', '', 'option "port" expected int, got ""'],
  ['ratio', 'x', 'option "ratio" expected float, got "x"'],
  ['debug', 'yes', 'option "debug" expected boolean, got "yes"'],
  ['key', 'hunter2', 'option "key" expected secret, got "hunter2"'],
  ['nothing', 'x', 'unknown option "nothing"'],
])('%s=%s is refused', (name, text, message) => {
  expect(() => parseOption(CHARM, name, text)).toThrow(message);
});

test('what YAML has typed is checked by its type', () => {
  expect(checkOption(CHARM, 'port', 81)).toBe(81);
  expect(checkOption(CHARM, 'port', '81')).toBe(81);
  expect(() => checkOption(CHARM, 'port', 81.5)).toThrow('option "port" expected int, got 81.5');
  expect(() => checkOption(CHARM, 'text', 5)).toThrow('option "text" expected string, got 5');
});

test('what is not set is its default, or absent', () => {
  expect(effectiveOptions(CHARM, { text: 'x' })).toEqual({ text: 'x', port: 80, debug: false });
});
