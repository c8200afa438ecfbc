import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * A charm as one file, as the builder makes it before it becomes an executable.
 * @param source the module that exports it, as `resolveDir` names it
 */
export async function bundleCharm(
  folder: string,
  source = './web-charm.ts',
  resolveDir: string = import.meta.dirname,
): Promise<string> {
  const outfile = join(folder, 'dispatch.cjs');
  await build({
    stdin: {
      contents: `import { main } from 'juju-ts-ops';\nimport { charm } from '${source}';\nvoid main(charm);\n`,
      resolveDir,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'warning',
  });
  return outfile;
}
