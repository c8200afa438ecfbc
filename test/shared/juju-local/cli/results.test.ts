import { expect, test } from '@jest/globals';
import { showResults } from '../../../../shared/juju-local/src/cli/results.ts';

const GOOD = {
  id: '4',
  status: 'completed',
  unit: 'web/0',
  results: { 'return-code': 0, size: '10', stdout: 'one\ntwo', stderr: 'careful\n' },
  log: ['half way'],
};

test('a plain answer is the results, then what the process said', () => {
  expect(showResults({ 'web/0': GOOD }, 'plain')).toEqual({
    stdout: 'size: "10"\none\ntwo\n',
    stderr: 'half way\ncareful\n',
    exitCode: 0,
  });
});

test('several units are told apart', () => {
  const other = { ...GOOD, id: '5', status: 'failed', message: 'no space', results: { 'return-code': 0 } };
  expect(showResults({ 'web/0': GOOD, 'web/1': other }, 'plain')?.stdout).toBe(
    `web/0:
  id: "4"
  output: |
    size: "10"
  status: completed
web/1:
  id: "5"
  message: no space
  output: ""
  status: failed
`,
  );
});

test('an action that only says that it failed does not fail the command', () => {
  const failed = { ...GOOD, status: 'failed', message: 'no space', results: { 'return-code': 0 }, log: [] };
  expect(showResults({ 'web/0': failed }, 'plain')).toEqual({
    stdout: '',
    stderr: 'Action id 4 failed: no space\n',
    exitCode: 0,
  });
});

test.each([1, 3, -1])('a process that ends with %i does, whatever the format', (code) => {
  const failed = {
    ...GOOD,
    status: 'failed',
    message: `exit status ${code}`,
    results: { 'return-code': code },
  };
  for (const format of ['plain', 'json', 'yaml'])
    expect(showResults({ 'web/0': GOOD, 'web/1': { ...failed, id: '5' } }, format)).toMatchObject({
      exitCode: 1,
      stderr: `ERROR the following task failed:\n - id "5" with return code ${code}\n\nuse 'juju show-task' to inspect the failure\n`,
    });
});

test('nothing is shown of an operation that has no task', () => {
  for (const format of ['plain', 'json', 'yaml'])
    expect(showResults({}, format)).toEqual({ stdout: '', stderr: '', exitCode: 0 });
});

test('json is the answer itself', () => {
  expect(JSON.parse(showResults({ 'web/0': GOOD }, 'json')?.stdout ?? '')).toEqual({ 'web/0': GOOD });
  expect(showResults({}, 'xml')).toBeUndefined();
});
