import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfExists, replaceFile } from './files.ts';

const Texts = z.record(z.string(), z.string()).default({});
const Applied = z.object({
  /** The text of each source that apt has read. */
  sources: Texts,
  /** Digest of the files that each service last started with, or was last told of. */
  services: Texts,
  /** Digest of the inputs that each step last succeeded with. */
  steps: Texts,
  packages: z.array(z.string()).default([]),
  /** What came with the packages, because they depend on it. */
  brought: z.array(z.string()).default([]),
  /** Packages that were not held before. */
  held: z.array(z.string()).default([]),
  users: z.array(z.string()).default([]),
});
type Applied = z.infer<typeof Applied>;

/**
 * What was brought about and cannot be read off the machine. Each fact is written down after it has become true,
 * so that a crash in between does a thing again rather than never.
 */
export class Memory {
  readonly #folder: string;
  #applied: Applied;

  private constructor(folder: string, applied: Applied) {
    this.#folder = folder;
    this.#applied = applied;
  }

  static async open(folder: string): Promise<Memory> {
    const text = await readFileIfExists(join(folder, 'applied.json'));
    const parsed = Applied.safeParse(text === undefined ? {} : parseJson(text));
    return new Memory(folder, parsed.success ? parsed.data : Applied.parse({}));
  }

  get applied(): Readonly<Applied> {
    return this.#applied;
  }

  async remember(kind: 'sources' | 'services' | 'steps', name: string, value: string): Promise<void> {
    await this.#write({ ...this.#applied, [kind]: { ...this.#applied[kind], [name]: value } });
  }

  async rememberPackages(names: readonly string[]): Promise<void> {
    await this.#write({ ...this.#applied, packages: [...new Set([...this.#applied.packages, ...names])] });
  }

  async rememberBrought(names: readonly string[]): Promise<void> {
    await this.#write({ ...this.#applied, brought: [...new Set([...this.#applied.brought, ...names])] });
  }

  async rememberHeld(names: readonly string[]): Promise<void> {
    await this.#write({ ...this.#applied, held: [...new Set([...this.#applied.held, ...names])] });
  }

  async rememberUser(name: string): Promise<void> {
    await this.#write({ ...this.#applied, users: [...new Set([...this.#applied.users, name])] });
  }

  async #write(applied: Applied): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await replaceFile({
      path: join(this.#folder, 'applied.json'),
      content: JSON.stringify(applied),
      mode: 0o600,
    });
    this.#applied = applied;
  }
}

/**
 * What a charm, including its earlier revisions, has applied on this machine: its packages, and the completed steps.
 */
export async function appliedHere({
  stateDirectory,
}: {
  readonly stateDirectory: string;
}): Promise<Pick<Applied, 'steps' | 'packages'>> {
  return (await Memory.open(stateDirectory)).applied;
}

export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
