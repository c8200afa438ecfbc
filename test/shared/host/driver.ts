// Runs on a machine: applies the resources on stdin, or sets a timer, and prints what changed, or why it could not.
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { HostError, machine, run, type Resource } from '../../../shared/host/src/index.ts';

const Resources = z.array(z.custom<Resource>((value) => typeof value === 'object' && value !== null));
/** What a function of a resource is on its way here: the command that it runs. */
const Command = z.object({ stop: z.tuple([z.string()], z.string()).optional() });

function revived(resource: Resource): Resource {
  const { stop } = Command.parse(resource);
  return stop && resource.kind === 'service'
    ? { ...resource, stop: async () => void (await run(stop)) }
    : resource;
}

const Timer = z.object({
  schedule: z.tuple([z.string(), z.number().nullable(), z.tuple([z.string()], z.string())]),
});

async function main(): Promise<unknown> {
  const asked: unknown = JSON.parse(await text(process.stdin));
  const timer = Timer.safeParse(asked);
  if (timer.data) {
    const [name, delay, command] = timer.data.schedule;
    await machine.schedule(name, delay ?? undefined, command);
    return { changes: [] };
  }
  const resources = Resources.parse(asked).map(revived);
  try {
    return { changes: await machine.apply(resources, { stateDirectory: '/var/lib/host-test' }) };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { changes: [], error: { code: error.code, remedy: error.remedy, message: error.message } };
  }
}

void main().then((answer) => console.log(JSON.stringify(answer)));
