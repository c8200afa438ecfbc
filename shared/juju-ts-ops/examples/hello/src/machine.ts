import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Change, Machine } from 'juju-ts-ops';

export interface TextFile {
  readonly path: string;
  readonly content: string;
}

export const machine: Machine<TextFile> = {
  async apply(files, context) {
    const changes = await this.preview(files, context);
    for (const { path, content } of files) {
      if (!changes.some(({ what }) => what === path)) continue;
      await writeFile(`${path}.new`, content);
      await rename(`${path}.new`, path);
    }
    return changes;
  },

  async preview(files) {
    const changes: Change[] = [];
    for (const { path, content } of files) {
      const current = await readFile(path, 'utf8').catch(() => undefined);
      if (current !== content) changes.push({ what: path, how: `\n+${content.trimEnd()}` });
    }
    return changes;
  },
};
