import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../errors.ts';

/** Where the state of all models is. */
export const STATE = '/var/lib/juju-local';

export function modelDirectory(model: string): string {
  return join(STATE, model);
}

/** What the daemon of a model prints: errors of its own, if anything. */
export function daemonLog(model: string): string {
  return join(modelDirectory(model), 'daemon.log');
}

/** The daemon of a model listens here, for root only. */
export function socketPath(model: string): string {
  return join('/run/juju-local', `${model}.sock`);
}

/** One line from the command to the daemon. */
export const Request = z.object({ verb: z.string(), args: z.unknown() });

/** Lines from the daemon to the command: what it says meanwhile, and at last one answer. */
export const Reply = z.union([
  z.object({ progress: z.string() }),
  z.object({ answer: z.unknown() }),
  z.object({ problem: z.string(), isUsage: z.boolean() }),
]);
export type Reply = z.infer<typeof Reply>;

/** Asks the daemon of a model. @throws {UsageError} for what the user did wrong. */
export async function ask(
  model: string,
  verb: string,
  args: unknown,
  onProgress: (message: string) => void = () => undefined,
): Promise<unknown> {
  const socket = createConnection(socketPath(model));
  const lines = createInterface({ input: socket });
  const failure = new Promise<never>((_resolve, reject) => {
    socket.once('error', reject);
  });
  socket.write(`${JSON.stringify({ verb, args })}\n`);
  const answer = (async () => {
    for await (const line of lines) {
      const reply = Reply.parse(JSON.parse(line));
      if ('progress' in reply) onProgress(reply.progress);
      else if ('problem' in reply)
        throw reply.isUsage ? new UsageError(reply.problem) : new Error(reply.problem);
      else return reply.answer;
    }
    throw new Error(
      `the daemon of model ${model} ended before it answered (${daemonLog(model)} has what it said): try again`,
    );
  })();
  try {
    return await Promise.race([answer, failure]);
  } finally {
    socket.destroy();
  }
}
