import { join } from 'node:path';
import { build } from 'esbuild';

/** A charm as one file, as the builder makes it before it becomes an executable. */
export async function bundleCharm(folder: string): Promise<string> {
  const outfile = join(folder, 'dispatch.cjs');
  await build({
    stdin: {
      contents: `import { main } from 'juju-ts-ops';\nimport { charm } from './web-charm.ts';\nvoid main(charm);\n`,
      resolveDir: import.meta.dirname,
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
