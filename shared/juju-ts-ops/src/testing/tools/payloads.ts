import type { Tools } from '../hook-run.ts';
import { ANY, parse, Refusal } from './command-line.ts';

/** Payloads, which only Juju 3.6 has. */
export const payloadTools: Tools = {
  'payload-register': (args) => refusePayload(parse(args, {}, ANY).positionals, 1, 3),
  'payload-unregister': (args) => refusePayload(parse(args, {}, 2).positionals, 0, 2),
  'payload-status-set': (args) => refusePayload(parse(args, {}, 3).positionals, 0, 3),
};

/** No charm of this framework declares a payload. */
function refusePayload(words: readonly string[], at: number, least: number): never {
  if (words.length < least) throw new Refusal(2, 'missing required arguments');
  throw new Refusal(1, `payload "${words[at] ?? ''}" not found in metadata.yaml`);
}
