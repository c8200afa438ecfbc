import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** What a reader of docs/tutorial.md does next: writes a file, types lines, or looks whether lines were printed. */
export type Step =
  | { readonly kind: 'file'; readonly path: string; readonly content: string }
  | { readonly kind: 'type' | 'look'; readonly lines: readonly string[] };

/** The steps of docs/tutorial.md, in their order. */
export async function tutorialSteps(): Promise<readonly Step[]> {
  const page = await readFile(join(ROOT, 'shared/juju-ts-ops/docs/tutorial.md'), 'utf8');
  return [...page.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(
    ([, language, path, content = '']): Step => {
      if (path !== undefined) return { kind: 'file', path, content };
      return { kind: language === 'sh' ? 'type' : 'look', lines: content.trim().split('\n') };
    },
  );
}
