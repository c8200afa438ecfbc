import { appendFileSync, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const Line = z.object({
  time: z.string(),
  entity: z.string(),
  level: z.string(),
  module: z.string(),
  message: z.string(),
});
export type LogLine = z.infer<typeof Line>;

export const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR'];

/** What units and their charms have said: what `debug-log` shows. */
export class ModelLog {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  write(entity: string, level: string, module: string, message: string): void {
    const line: LogLine = { time: new Date().toISOString(), entity, level, module, message };
    try {
      appendFileSync(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    } catch (error) {
      console.error(error); // a full disk costs lines, not the daemon
    }
  }

  /** All lines so far; `offset` is where to read on. */
  async read(offset = 0): Promise<{ lines: LogLine[]; offset: number }> {
    if (!existsSync(this.#file)) return { lines: [], offset: 0 };
    const text = (await readFile(this.#file, 'utf8')).slice(offset);
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Line.parse(JSON.parse(line)));
    return { lines, offset: offset + whole.length };
  }
}
