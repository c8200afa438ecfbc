import { afterEach, beforeEach } from '@jest/globals';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is first on PATH, empty before each test. */
export interface Programs {
  readonly folder: string;
  /** Puts a program there, in shell, in place of this machine's. */
  program(name: string, script: string): Promise<void>;
}

export function programsOnPath(): Programs {
  let folder = '';
  const path = process.env['PATH'];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'programs-'));
    process.env['PATH'] = `${folder}:${path}`;
  });

  afterEach(async () => {
    process.env['PATH'] = path;
    await rm(folder, { recursive: true, force: true });
  });

  return {
    get folder() {
      return folder;
    },
    async program(name, script) {
      await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(folder, name), 0o755);
    },
  };
}
