import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { lock } from '../../../../shared/juju-local/src/machines/lock.ts';

const MODULE = join(import.meta.dirname, '../../../../shared/juju-local/src/machines/lock.ts');

test('one holds a lock, until it lets go or is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'));
  const file = join(folder, 'lock');
  try {
    const unlock = await lock(file, false);
    expect(unlock).toBeDefined();
    expect(await lock(file, false)).toBeUndefined();
    unlock?.();
    const again = await lock(file, true);
    expect(again).toBeDefined();
    again?.();

    const program = `import { lock } from ${JSON.stringify(MODULE)}; await lock(${JSON.stringify(file)}, true); console.log('held'); setInterval(() => {}, 1000);`;
    const other = execa(process.execPath, ['--input-type=module', '--eval', program], { reject: false });
    for await (const line of other) {
      expect(line).toBe('held');
      expect(await lock(file, false)).toBeUndefined();
      other.kill('SIGKILL');
    }
    const last = await lock(file, true);
    expect(last).toBeDefined();
    last?.();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
