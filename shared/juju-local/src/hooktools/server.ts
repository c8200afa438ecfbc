import { chmod, mkdir, rm, symlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { SharedFolder } from '../machines/shared.ts';
import type { HookContext } from '../agent/context.ts';
import { relationTools } from './relations.ts';
import { secretTools } from './secrets.ts';
import type { ToolCall } from './tool.ts';
import { ToolError } from './error.ts';
import { unitTools } from './unit.ts';

const tools = new Map(Object.entries({ ...relationTools, ...secretTools, ...unitTools }));

/** What Juju 4 does not have any more. */
const GONE = ['leader-get', 'leader-set'];

/** The answer to one run of a tool. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the tools of one running hook are given beside their arguments. */
export type ToolEnvironment = Omit<ToolCall, 'context' | 'args' | 'stdin'>;

/** Answers the hook tools of one machine, over a unix socket that lies in the machine's /var/lib/juju. */
export class HookToolServer {
  readonly #folder: string;
  readonly #contexts = new Map<
    string,
    { readonly context: HookContext; readonly environment: ToolEnvironment }
  >();
  readonly #jujuExec: (args: readonly string[]) => Promise<Answer>;
  readonly #server: Server;

  /**
   * @param folder the machine's /var/lib/juju, as this host sees it
   * @param jujuExec runs commands for `juju-exec`
   */
  constructor(folder: string, jujuExec: (args: readonly string[]) => Promise<Answer>) {
    this.#folder = folder;
    this.#jujuExec = jujuExec;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    const path = join(this.#folder, 'agent.socket');
    await mkdir(this.#folder, { recursive: true });
    await rm(path, { force: true });
    await using folder = await SharedFolder.open(this.#folder);
    await folder.put(join(import.meta.dirname, 'client.pl'), 'hook-tool');
    await chmod(folder.path('hook-tool'), 0o755);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
  }

  /** Lays the tools of a unit on its PATH; Juju 4 has fewer. */
  async installTools(unitTag: string, isJuju4: boolean): Promise<void> {
    await using root = await SharedFolder.open(this.#folder);
    await using all = await root.folder('tools');
    await all.remove(unitTag);
    await using folder = await all.folder(unitTag);
    for (const name of tools.keys()) {
      if (isJuju4 && GONE.includes(name)) continue;
      await symlink('../../hook-tool', folder.path(name));
    }
  }

  /** Lets a hook's tools in while it runs. */
  open(context: HookContext, environment: ToolEnvironment): void {
    this.#contexts.set(context.id, { context, environment });
  }

  shut(context: HookContext): void {
    this.#contexts.delete(context.id);
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const fields = readFields(bytes);
      if (!fields) return;
      socket.pause();
      void this.#answer(fields).then((answer) => socket.end(writeAnswer(answer)));
    });
  }

  async #answer([id = '', name = '', stdin = '', ...args]: readonly string[]): Promise<Answer> {
    const found = this.#contexts.get(id);
    const tool = tools.get(name);
    try {
      if (name === 'juju-exec') return await this.#jujuExec(args);
      if (!found) throw new Error(`bad request: bad context: unknown context id`);
      if (!tool) throw new Error(`bad request: unknown command "${name}"`);
      const stdout = await tool({ ...found.environment, context: found.context, args, stdin });
      return { exitCode: 0, stdout, stderr: '' };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return {
        exitCode: error instanceof ToolError ? error.exitCode : 1,
        stdout: '',
        stderr: `ERROR ${message}\n`,
      };
    }
  }
}

/** A count and as many texts, each after its length; `undefined` while some are still on their way. */
function readFields(bytes: Buffer): string[] | undefined {
  if (bytes.length < 4) return undefined;
  const fields: string[] = [];
  let offset = 4;
  for (let count = bytes.readUInt32BE(0); count > 0; count -= 1) {
    if (bytes.length < offset + 4) return undefined;
    const length = bytes.readUInt32BE(offset);
    offset += 4;
    if (bytes.length < offset + length) return undefined;
    fields.push(bytes.toString('utf8', offset, offset + length));
    offset += length;
  }
  return fields;
}

function writeAnswer({ exitCode, stdout, stderr }: Answer): Buffer {
  const [code, texts] = [Buffer.alloc(4), [stdout, stderr].map((text) => Buffer.from(text))];
  code.writeUInt32BE(exitCode);
  return Buffer.concat([
    code,
    ...texts.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      return [length, text];
    }),
  ]);
}
