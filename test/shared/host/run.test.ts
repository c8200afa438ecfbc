import { describe, expect, test } from '@jest/globals';
import { run, tryRun } from '../../../shared/host/src/index.ts';

test('a program that fails is told by its last lines, without what it got on stdin', async () => {
  const failure = run(['sh', '-c', 'cat >/dev/null; echo one >&2; echo two >&2; exit 3'], {
    stdin: 'pa55word',
  });
  await expect(failure).rejects.toMatchObject({ code: 'command', message: 'sh -c failed: one | two' });
});

test('a program that finds the disk full fails for the user to mend it, and is no bug', async () => {
  const full = run(['sh', '-c', 'head -c 1 /dev/zero >/dev/full']);
  await expect(full).rejects.toMatchObject({ remedy: 'user' });
  await expect(run(['false'])).rejects.toMatchObject({ remedy: 'bug' });
});

test('a program that is not there, or takes too long, has no exit code', async () => {
  expect((await tryRun(['no-such-program'])).stderr).toContain('ENOENT');
  const { exitCode, stderr } = await tryRun(['sleep', '5'], { timeout: 50 });
  expect([exitCode, stderr]).toEqual([undefined, 'Command timed out after 50 milliseconds: sleep 5']);
});

describe('what a program leaves behind, holding its output open', () => {
  test.each([
    ['while it runs itself', 'echo begun; (sleep 60; true); echo over', undefined],
    ['when it is done', 'echo begun; sleep 60 & exit 0', 0],
  ])('is not waited for longer than for the program: %s', async (_when, script, expected) => {
    const began = performance.now();
    const { exitCode, stdout } = await tryRun(['sh', '-c', script], { timeout: 1000 });
    expect([exitCode, stdout]).toEqual([expected, 'begun']);
    expect(performance.now() - began).toBeLessThan(45_000);
  });
});
