import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildCharms } from './archive.ts';
import { BuildError, readDeclaration, typesSource, verify } from './declaration.ts';
import { checkMachine, type Architecture } from './executable.ts';
import { initCharm } from './init.ts';

const USAGE = `juju-ts-ops builds charms written in TypeScript.

  juju-ts-ops init <name>                            write a new charm, with a test, into a folder of that name
  juju-ts-ops types [folder...]                      write src/charmcraft.ts from charmcraft.yaml
  juju-ts-ops check [folder...]                      check that YAML, types and code agree; warn about what fails under Juju
  juju-ts-ops build [--arch x64|arm64] [folder...]   make dist/<charm>.charm, or dist/<charm>_<arch>.charm for another architecture

A folder holds a charm, with its charmcraft.yaml; without one, the current folder does. dist is made in the current folder, and its
package.json gives the version. With --charmcraft, build also writes <folder>/built/amd64 or arm64, for "charmcraft pack" in that folder.`;

const COMMANDS = ['init', 'types', 'check', 'build'] as const;
const ARCHITECTURES: Readonly<Record<string, Architecture>> = { x64: 'x64', amd64: 'x64', arm64: 'arm64' };

/**
 * Runs one command of `juju-ts-ops` in a project's folder.
 * @returns its exit code: 1 for a charm that is wrong, 2 for a command that is
 */
export async function builder(args: readonly string[], project: string): Promise<0 | 1 | 2> {
  process.env['TZ'] = 'UTC'; // zip entries carry local time
  const asked = commandOf(args);
  if (asked === undefined) {
    console.error(USAGE);
    return 2;
  }
  const { command, arch, isForCharmcraft, folders } = asked;
  try {
    if (command === 'init') {
      const [name = ''] = folders;
      const folder = await initCharm(name, project);
      console.log(`init: ${folder}; go on with: cd ${folder} && npm install && npm test && npm run build`);
      return 0;
    }
    const sources = await Promise.all(
      folders
        .map((folder) => resolve(project, folder))
        .map(async (folder) => ({ folder, declaration: await readDeclaration(folder) })),
    );
    if (command === 'types') {
      for (const { folder, declaration } of sources) {
        await mkdir(join(folder, 'src'), { recursive: true });
        await writeFile(join(folder, 'src/charmcraft.ts'), typesSource(declaration));
      }
      return 0;
    }
    for (const { folder, declaration } of sources)
      for (const warning of await verify(folder, declaration))
        console.error(`juju-ts-ops: warning: ${warning}`);
    if (command === 'check') return 0;
    checkMachine(arch);
    for (const charm of await buildCharms(sources, project, { arch, isForCharmcraft }))
      console.log(`build: ${charm}`);
    return 0;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`juju-ts-ops: ${error.message}`);
    return 1;
  }
}

function commandOf(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        arch: { type: 'string', default: process.arch },
        charmcraft: { type: 'boolean', default: false },
      },
    });
    const [name, ...folders] = positionals;
    const command = COMMANDS.find((known) => known === name);
    const arch = ARCHITECTURES[values.arch];
    if (command === undefined || arch === undefined) return undefined;
    if (command === 'init' && folders.length !== 1) return undefined;
    const isForCharmcraft = values.charmcraft;
    return { command, arch, isForCharmcraft, folders: folders.length > 0 ? folders : ['.'] };
  } catch {
    return undefined;
  }
}
