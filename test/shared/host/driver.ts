// Runs on a machine: applies the resources on stdin and prints what changed, or why it could not.
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { HostError, machine, type Resource } from '../../../shared/host/src/index.ts';

const Resources = z.array(z.custom<Resource>((value) => typeof value === 'object' && value !== null));

async function main(): Promise<unknown> {
  const resources = Resources.parse(JSON.parse(await text(process.stdin)));
  try {
    return { changes: await machine.apply(resources, { stateDirectory: '/var/lib/host-test' }) };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { changes: [], error: { code: error.code, remedy: error.remedy, message: error.message } };
  }
}

void main().then((answer) => console.log(JSON.stringify(answer)));
