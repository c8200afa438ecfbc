import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HookContext } from 'juju-ts-ops';
import type { Backup } from './state.ts';

export function readBackup({ stateDirectory }: HookContext): Backup {
  const restoreFile = join(stateDirectory, 'restoring');
  return { restoreFile, isRestoring: existsSync(restoreFile) };
}
