import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';

/** The file of a model's folder that has its documents. */
export const STORE = 'model.sqlite';

const Row = z.object({ key: z.string(), value: z.string() });

/** Documents that survive a crash: a whole set of changes is written, or none of it. */
export class Store {
  readonly #database: DatabaseSync;
  readonly #written = new Map<string, string>();

  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    // The journal beside it gets its mode.
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    this.#database = new DatabaseSync(file);
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS document (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT',
    );
    for (const row of this.#database.prepare('SELECT key, value FROM document').all()) {
      const { key, value } = Row.parse(row);
      this.#written.set(key, value);
    }
  }

  /** The documents of one kind. */
  load<T>(kind: string, schema: z.ZodType<T>): T[] {
    return [...this.#written]
      .filter(([key]) => key.startsWith(`${kind} `))
      .map(([, value]) => schema.parse(JSON.parse(value)));
  }

  /**
   * Makes the documents exactly these, writing those that differ, in one transaction.
   * @throws when the disk is full; the next call tries again.
   */
  save(documents: ReadonlyMap<string, unknown>): void {
    const texts = new Map([...documents].map(([key, value]) => [key, JSON.stringify(value)]));
    const changed = [...texts].filter(([key, text]) => this.#written.get(key) !== text);
    const gone = [...this.#written.keys()].filter((key) => !texts.has(key));
    if (changed.length === 0 && gone.length === 0) return;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const put = this.#database.prepare('INSERT OR REPLACE INTO document (key, value) VALUES (?, ?)');
      const drop = this.#database.prepare('DELETE FROM document WHERE key = ?');
      for (const [key, text] of changed) put.run(key, text);
      for (const key of gone) drop.run(key);
      this.#database.exec('COMMIT');
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`the model cannot be written to ${this.#file}: ${reason}`, { cause });
    }
    for (const [key, text] of changed) this.#written.set(key, text);
    for (const key of gone) this.#written.delete(key);
  }

  close(): void {
    this.#database.close();
  }
}

/** An application has its charm, and a unit the digest of the one that it runs. */
const Charmed = z.object({
  charm: z.union([z.string(), z.object({ digest: z.string() }).transform(({ digest }) => digest)]).optional(),
});

/** The digests of the charms that the models of a host use. @param models the folder that has a folder of each */
export async function usedCharms(models: string): Promise<ReadonlySet<string>> {
  const names = await readdir(models).catch(() => []);
  const files = names.map((name) => join(models, name, STORE)).filter((file) => existsSync(file));
  return new Set(files.flatMap(charmsOf));
}

function charmsOf(file: string): readonly string[] {
  using database = new DatabaseSync(file, { readOnly: true });
  const query = "SELECT key, value FROM document WHERE key LIKE 'application %' OR key LIKE 'unit %'";
  return database
    .prepare(query)
    .all()
    .flatMap((row) => Charmed.parse(JSON.parse(Row.parse(row).value)).charm ?? []);
}
