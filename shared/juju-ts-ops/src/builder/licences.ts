import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { z } from 'zod';
import { BuildError } from './declaration.ts';

const Package = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });

/**
 * Under which licences the npm packages are that a bundle was made of, by the names of their files: `npm/zod/LICENSE`.
 * @param sources the files of the bundle
 * @throws {BuildError} naming a package that says nothing of its licence
 */
export async function npmLicences(sources: readonly string[]): Promise<Readonly<Record<string, Buffer>>> {
  const folders = [...new Set(sources.flatMap((path) => packageOf(path) ?? []))].sort();
  const licences = await Promise.all(folders.map(licencesIn));
  return Object.assign({}, ...licences);
}

/** `/x/node_modules/@a/b/lib/c.js` → `/x/node_modules/@a/b`; nothing for a file of the project itself. */
function packageOf(path: string): string | undefined {
  const mark = `${sep}node_modules${sep}`;
  const at = path.lastIndexOf(mark);
  if (at < 0) return undefined;
  const [scope = '', name = ''] = path.slice(at + mark.length).split(sep);
  return path.slice(0, at + mark.length) + (scope.startsWith('@') ? join(scope, name) : scope);
}

async function licencesIn(folder: string): Promise<Readonly<Record<string, Buffer>>> {
  const { name, version, license } = Package.parse(
    JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')),
  );
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file)).sort();
  if (files.length > 0)
    return Object.fromEntries(
      await Promise.all(
        files.map(async (file) => [`npm/${name}/${file}`, await readFile(join(folder, file))] as const),
      ),
    );
  if (license === undefined)
    throw new BuildError(`${name} ${version} goes into the charm, and says nothing of its licence`);
  return { [`npm/${name}/LICENSE`]: Buffer.from(`${name} ${version}: ${license}\n`) };
}
