import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { HostError } from './errors.ts';
import { readFileIfExists } from './files.ts';
import { lastLines, tryRun } from './run.ts';

/** Whether the running kernel has a module, loaded or built in. */
export async function isModuleLoaded(name: string): Promise<boolean> {
  // The kernel shows `-` as `_`; files have either.
  if (existsSync(`/sys/module/${name.replaceAll('-', '_')}`)) return true;
  const builtin = (await readFileIfExists(`/lib/modules/${release()}/modules.builtin`)) ?? '';
  return builtin.replaceAll('-', '_').includes(`/${name.replaceAll('-', '_')}.ko`);
}

/** @throws {HostError} `kernel` */
export async function loadModule(name: string): Promise<void> {
  const { exitCode, stderr } = await tryRun(['modprobe', name]);
  if (exitCode === 0) return;
  throw new HostError(
    'kernel',
    'user',
    `the kernel module ${name} cannot be loaded here: ${lastLines(stderr)}`,
  );
}
