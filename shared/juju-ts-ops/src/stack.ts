import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** What the bundle is called in the stacks of a built charm, and the file of the charm that leads from it to the sources. */
export const BUNDLE = 'dispatch.js';
export const BUNDLE_MAP = `${BUNDLE}.map`;
/** What a built charm has before the bundle: one line. */
export const BUNDLE_HEAD = '(function (require) {\n';

const MapFile = z.object({
  version: z.number(),
  sources: z.array(z.string()),
  names: z.array(z.string()),
  mappings: z.string(),
});

/**
 * A stack with the places of the sources, `charms/web/src/plan.ts:12:3`, where it has those of a built charm. What cannot
 * be found stays as it is.
 */
export async function inSources(stack: string, charmDirectory: string): Promise<string> {
  if (!stack.includes(BUNDLE)) return stack;
  try {
    const map = MapFile.parse(JSON.parse(await readFile(join(charmDirectory, BUNDLE_MAP), 'utf8')));
    // Asked for when it is needed: a snapshot cannot have it.
    const { SourceMap } = process.getBuiltinModule('node:module');
    const sources = new SourceMap({ ...map, file: '', sourceRoot: '', sourcesContent: [] });
    return stack.replaceAll(/\bdispatch\.js:(\d+):(\d+)/g, (built, line: string, column: string) => {
      const found = sources.findOrigin(Number(line) - 1, Number(column));
      return 'fileName' in found ? `${found.fileName}:${found.lineNumber}:${found.columnNumber}` : built;
    });
  } catch {
    return stack;
  }
}
