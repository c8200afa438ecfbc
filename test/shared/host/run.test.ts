import { expect, test } from '@jest/globals';
import { run, tryRun } from '../../../shared/host/src/index.ts';

test('a program that fails is told by its last lines, without what it got on stdin', async () => {
  const failure = run(['sh', '-c', 'cat >/dev/null; echo one >&2; echo two >&2; exit 3'], {
    stdin: 'pa55word',
  });
  await expect(failure).rejects.toMatchObject({ code: 'command', message: 'sh -c failed: one | two' });
});

test('a program that is not there, or takes too long, has no exit code', async () => {
  expect((await tryRun(['no-such-program'])).stderr).toContain('ENOENT');
  const { exitCode, stderr } = await tryRun(['sleep', '5'], { timeout: 50 });
  expect([exitCode, stderr]).toEqual([undefined, 'Command timed out after 50 milliseconds: sleep 5']);
});
