import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { BuildError, typeName } from './declaration.ts';

const PACKAGE = join(import.meta.dirname, '../..');
/** The charm that a new one begins as. */
const EXAMPLE = join(PACKAGE, 'examples/hello');

/** As Juju has it: no part between hyphens is a number alone. */
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*$/;

const OwnPackage = z.object({
  version: z.string(),
  dependencies: z.object({ zod: z.string() }),
  optionalDependencies: z.record(z.string(), z.string()),
});

/**
 * Writes a charm that builds, with a test, into a new folder of a project.
 * @returns the folder, relative to the project
 * @throws {BuildError} when Juju would refuse the name, or the folder has something in it
 */
export async function initCharm(name: string, project: string): Promise<string> {
  if (!NAME.test(name))
    throw new BuildError(
      `"${name}" cannot be the name of a charm: use lower-case letters, digits and hyphens, such as my-charm`,
    );
  const folder = join(project, name);
  if (existsSync(folder) && (await readdir(folder)).length > 0)
    throw new BuildError(`${name} is not empty: choose another name, or remove what is in it`);
  for (const file of await filesOf(EXAMPLE)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), renamed(await readFile(join(EXAMPLE, file), 'utf8'), name));
  }
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(await manifest(name, folder), null, 2)}\n`);
  await writeFile(join(folder, '.gitignore'), 'node_modules/\ndist/\n');
  return name;
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** The text of the example, for a charm of another name. */
function renamed(text: string, name: string): string {
  return text.replaceAll(/\bhello\b/g, name).replaceAll(/\bHello(?=Juju\b|Charmcraft\b)/g, typeName(name));
}

/** Inside a clone of this project its packages are linked to, because no registry has them. */
async function manifest(name: string, folder: string): Promise<object> {
  const { version, dependencies, optionalDependencies } = OwnPackage.parse(
    JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8')),
  );
  const local = join(PACKAGE, '../juju-local');
  const link = (target: string): string => `file:${relative(folder, target)}`;
  const isClone = existsSync(join(local, 'package.json')) && import.meta.filename.endsWith('.ts');
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: {
      types: 'juju-ts-ops types',
      test: 'juju-ts-ops check && tsc && node --test charm.test.ts',
      build: 'juju-ts-ops build',
    },
    dependencies: {
      // They are released together.
      'juju-ts-host': isClone ? link(join(PACKAGE, '../host')) : `^${version}`,
      'juju-ts-ops': isClone ? link(PACKAGE) : `^${version}`,
      zod: dependencies.zod,
    },
    devDependencies: {
      '@types/node': '^26.0.0',
      ...(isClone && { 'juju-local': link(local) }),
      typescript: '^7.0.0',
    },
    // The Node that the tests run on: it reads TypeScript, which this machine's own may not.
    optionalDependencies,
  };
}
